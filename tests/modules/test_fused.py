from __future__ import annotations

import re

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from skedema.fusion import CrossAttention
from skedema.modules.fused import FusedNetwork, drop_modalities, probe
from skedema.modules.tokens import ClinicalTokens, ScanTokens
from skedema.refiners import Mixer

pytestmark = pytest.mark.numerical


class Encode(nn.Module):
    """Whatever a function makes of volumes."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.seen = []

    def forward(self, volumes):
        self.seen.append((volumes, self.training))
        return self.function(volumes)


def tokens_of(volumes: torch.Tensor) -> torch.Tensor:
    return volumes.flatten(2).transpose(1, 2)


def test_network_is_tokens_fusion_refiner_norm_mean_and_linear():
    torch.manual_seed(0)
    fusion = CrossAttention().build(dim=8, n_heads=2, n_queries=1, n_variables=3, dropout=0.0)
    refiner = Mixer().build(dim=8, n_tokens=fusion.n_tokens, depth=1, dropout=0.0)
    network = FusedNetwork(
        Encode(tokens_of),
        ScanTokens(2, 8),
        ClinicalTokens([0, 0, 2], 8),
        fusion,
        refiner,
        8,
        3,
        0.0,
    )
    clinical, present = torch.tensor([[0.5, float("nan"), 1.0]]), torch.tensor([True])
    volume = torch.randn(1, 2, 2, 2, 2)
    query = network.scan_tokens.project(tokens_of(volume)).mean(dim=1, keepdim=True)
    tokens = network.clinical_tokens(clinical)
    attended, weights = fusion.attend(query, tokens)
    sequence = torch.cat([query + attended, tokens], dim=1)
    pooled = network.norm(refiner(sequence)).mean(dim=1)
    assert_close(network(clinical, present, volume=volume), network.classify(pooled))
    features = network.encoder(volume)
    assert_close(network(clinical, present, features), network.classify(pooled))
    fused, given = network.fuse(clinical, present, volume=volume)
    assert_close(fused, sequence)
    assert_close(given, weights.mean(dim=(1, 2)))


class Seen(nn.Module):
    """A fusion that keeps what it was told is there."""

    n_tokens = 1

    def forward(self, queries, tokens, present):
        self.present = present
        return queries.mean(dim=1, keepdim=True) + tokens.sum(dim=1, keepdim=True), None


def small_network(rate: float = 0.0, token_dropout: float = 0.0) -> FusedNetwork:
    torch.manual_seed(0)
    tokens = ScanTokens(2, 8), ClinicalTokens([0, 2], 8)
    rates = {"token_dropout": token_dropout, "modality_dropout": rate}
    return FusedNetwork(None, *tokens, Seen(), nn.Identity(), 8, 2, 0.0, **rates)


def patients(n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Give clinical values, who has a scan, and features: all, no scan, a value, no value."""
    clinical = torch.tensor([[0.5, 1.0], [0.5, 0.0], [torch.nan, 1.0], [torch.nan, torch.nan]])
    present = torch.tensor([True, False, True, True])
    return clinical.repeat(n, 1), present.repeat(n), torch.ones(4 * n, 1, 2)


def test_fusion_is_told_what_there_is():
    network = small_network()
    network(*patients(1))
    expected = [[True, True, True], [False, True, True], [True, False, True], [True, False, False]]
    assert network.fusion.present.tolist() == expected


def test_variables_are_hidden_in_training_alone_and_the_fusion_is_told():
    network, batch = small_network(token_dropout=0.3), patients(5000)
    plain = small_network()(*batch)
    assert torch.equal(network.eval()(*batch), plain)
    known = network.fusion.present
    network.train()
    logits = network(*batch)
    hidden = known & ~network.fusion.present
    assert not hidden[:, 0].any()  # the scan
    assert not (network.fusion.present & ~known).any()
    shares = hidden[:, 1:].sum(dim=0) / known[:, 1:].sum(dim=0)
    assert ((shares - 0.3).abs() < 0.02).all()  # more than 4 standard errors
    untouched = (logits == plain).all(dim=1)
    assert untouched[hidden.any(dim=1)].double().mean() < 0.01


def test_modalities_are_dropped_at_their_rate_and_never_both():
    torch.manual_seed(0)
    clinical, present, _ = patients(20000)
    values, kept = drop_modalities(clinical, present, 0.3)
    lost_scan = (present & ~kept).reshape(-1, 4)
    lost_table = (values.isnan() & ~clinical.isnan()).any(dim=1).reshape(-1, 4)
    assert torch.equal(
        values[~lost_table.flatten()].nan_to_num(), clinical.nan_to_num()[~lost_table.flatten()]
    )
    assert not (lost_scan & lost_table).any()
    assert not lost_scan[:, [1, 3]].any()  # they have only one
    assert not lost_table[:, [1, 3]].any()
    # drawn alone, or with the other and the coin
    expected = 0.3 * 0.7 + 0.3 * 0.3 / 2
    for lost in (lost_scan, lost_table):
        assert abs(lost[:, [0, 2]].double().mean() - expected) < 0.01  # 5 standard errors
    assert values[lost_table.flatten()].isnan().all()  # the table as a whole


def test_modalities_are_dropped_in_training_alone_and_for_each_patient_by_itself():
    network, batch = small_network(0.5), patients(50)
    plain = small_network()(*batch)
    assert torch.equal(network.eval()(*batch), plain)
    network.train()
    torch.manual_seed(1)
    dropped = network(*batch)
    seen = network.fusion.present
    assert 0 < (dropped != plain).any(dim=1).float().mean() < 1
    clinical, present, features = (x.clone() for x in batch)
    clinical[4:], present[4:], features[4:] = torch.nan, False, 1e6  # all others
    torch.manual_seed(1)
    assert torch.equal(network(clinical, present, features)[:4], dropped[:4])
    assert torch.equal(network.fusion.present[:4], seen[:4])


@pytest.mark.parametrize("without", ["rate", "scans", "values", "variables"])
def test_nothing_is_drawn_where_nothing_can_be_dropped(without):
    network = small_network(0.0 if without == "rate" else 0.5).train()
    clinical, present, features = patients(5)
    if without == "scans":
        present[:] = False
    if without == "values":
        clinical[:] = torch.nan
    if without == "variables":
        network.clinical_tokens, clinical = ClinicalTokens([], 8), clinical[:, :0]
    before = torch.get_rng_state()
    logits = network(clinical, present, features)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(logits, network.eval()(clinical, present, features))


@pytest.mark.parametrize("training", [True, False])
def test_probe_asks_in_eval_mode_and_leaves_the_mode(training):
    encoder = Encode(tokens_of).train(training)
    assert probe(encoder, 3, (2, 3, 4)) == (24, 3)
    ((volume, mode),) = encoder.seen
    assert volume.shape == (1, 3, 2, 3, 4)
    assert mode is False
    assert encoder.training is training


def test_probe_asks_in_the_precision_of_the_encoder():
    encoder = nn.Sequential(nn.Conv3d(1, 4, 1).double(), nn.Flatten(2))
    assert probe(encoder, 1, (2, 2, 2)) == (4, 8)


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (lambda volumes: volumes, "(1, 1, 4, 4, 4)"),
        (lambda volumes: volumes.flatten(), "(64,)"),
        (lambda volumes: tokens_of(volumes).expand(2, -1, -1), "(2, 64, 1)"),
        (lambda volumes: [volumes], "list"),
        (lambda volumes: None, "NoneType"),
    ],
)
def test_probe_names_an_output_that_is_no_features(function, got):
    with pytest.raises(TypeError, match=re.escape(f"Encode gave {got} for (1, 1, 4, 4, 4)")):
        probe(Encode(function), 1, (4, 4, 4))


def test_probe_names_a_volume_that_the_encoder_cannot_take():
    encoder = nn.Sequential(nn.Conv3d(2, 4, 3)).train()
    with pytest.raises(ValueError, match=r"Sequential cannot encode .*\(1, 1, 2, 2, 2\)"):
        probe(encoder, 1, (2, 2, 2))
    assert encoder.training
