from __future__ import annotations

import re

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from skedema.fusion import CrossAttention
from skedema.modules.fused import FusedClassifier, probe
from skedema.modules.tokens import ClinicalTokens, ScanTokens
from skedema.refiners import Mixer


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
    network = FusedClassifier(
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
        (lambda volumes: volumes.flatten(1), "(1, 64)"),
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
