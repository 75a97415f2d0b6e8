"""What every fusion has to do, whatever its formula: those that have a name, and their options."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.base import clone
from torch import nn
from torch.testing import assert_close

from skedema import AttentionMixerClassifier, VolumeReader
from skedema.encoders import CNN
from skedema.fusion import (
    CrossAttention,
    Fusion,
    Perceiver,
    ProductOfExperts,
    SelfAttention,
    list_fusions,
    make_fusion,
)

pytestmark = pytest.mark.numerical

NAMES = list_fusions()
MASKED = [
    CrossAttention(missing="mask"),
    CrossAttention(query="tokens", missing="mask"),
    CrossAttention(keys="table", missing="mask"),
    CrossAttention(query="tokens", keys="table", missing="mask"),
    SelfAttention(missing="mask"),
    Perceiver(missing="mask"),
]
FUSIONS = [
    *map(make_fusion, NAMES),
    CrossAttention(query="tokens"),
    CrossAttention(keys="table"),
    *MASKED,
]
ALONE = {"rtol": 1e-12, "atol": 1e-12}  # rounding depends on the shape of a batch


@pytest.mark.parametrize("n_variables", [0, 1, 4])
@pytest.mark.parametrize("n_queries", [1, 3])
@pytest.mark.parametrize("fusion", FUSIONS, ids=str)
def test_patients_alone_are_as_in_a_batch(small, fusion, n_queries, n_variables):
    module = small.build(fusion, n_queries, n_variables)
    queries, tokens, present = small.draw(n_queries, n_variables)
    leaves = [queries.requires_grad_(), tokens.requires_grad_()]
    sequence, weights = module(queries, tokens, present)
    for i in range(4):
        alone, alone_weights = module(*(x[i : i + 1] for x in (queries, tokens, present)))
        assert_close(alone[0], sequence[i], **ALONE)
        if weights is not None:
            assert_close(alone_weights[0], weights[i], **ALONE)
        total = sequence[i].sum() + 0 * sequence.sum()  # some hand on nothing of a patient
        gradients = torch.autograd.grad(total, leaves, retain_graph=True, materialize_grads=True)
        for gradient in gradients:
            assert torch.isfinite(gradient).all()
            assert not gradient[torch.arange(4) != i].any()


@pytest.mark.parametrize("n_variables", [0, 1, 5])
@pytest.mark.parametrize("n_queries", [1, 7])
@pytest.mark.parametrize("fusion", FUSIONS, ids=str)
def test_it_gives_the_sequence_it_announces(small, fusion, n_queries, n_variables):
    module = small.build(fusion, n_queries, n_variables)
    queries, tokens, present = small.draw(n_queries, n_variables)
    sequence, weights = module(queries, tokens, present)
    assert sequence.shape == (4, module.n_tokens, 6)
    assert torch.isfinite(sequence).all()
    if weights is not None:
        seen = present[:, 1:] if getattr(fusion, "missing", "token") == "mask" else weights > -1
        assert torch.equal(weights > 0, seen)
        assert_close(weights.sum(dim=1), seen.any(dim=1).double())
    if not n_variables:
        assert weights is None


@pytest.mark.parametrize("fusion", FUSIONS, ids=str)
def test_every_scan_token_and_every_variable_reaches_the_sequence(small, fusion):
    module = small.build(fusion, 4, 3)
    queries, tokens, present = (x[:1] for x in small.draw(4, 3))
    leaves = [queries.requires_grad_(), tokens.requires_grad_()]
    sequence, _ = module(queries, tokens, present)
    assert present.all()
    reached = torch.autograd.grad((sequence * torch.randn_like(sequence)).sum(), leaves)
    for gradient in reached:
        assert (gradient[0].abs().sum(dim=1) > 0).all()


@pytest.mark.parametrize("fusion", FUSIONS, ids=str)
def test_it_is_an_estimator_of_parameters_alone(small, fusion):
    assert isinstance(fusion, Fusion)
    before = fusion.get_params()
    assert vars(fusion) == before
    small.build(fusion, 1, 1)
    assert vars(fusion) == before
    twin = clone(fusion)
    assert twin is not fusion
    assert twin.set_params(**before).get_params() == before


@pytest.mark.parametrize("n_variables", [0, 1, 4])
@pytest.mark.parametrize("fusion", [*MASKED, ProductOfExperts()], ids=str)
def test_what_is_missing_has_no_influence_where_it_is_left_out(small, fusion, n_variables):
    module = small.build(fusion, 3, n_variables)
    queries, tokens, present = small.draw(3, n_variables, n_patients=12)
    leaves = [queries.requires_grad_(), tokens.requires_grad_()]
    sequence, weights = module(queries, tokens, present)
    lost_scan, lost = ~present[:, :1, None], ~present[:, 1:, None]
    scan_gradient, gradient, *others = torch.autograd.grad(
        (sequence * torch.randn_like(sequence)).sum(),
        [*leaves, *module.parameters()],
        materialize_grads=True,
    )
    assert all(torch.isfinite(x).all() for x in (scan_gradient, gradient, *others))
    assert not (scan_gradient * lost_scan).any()
    assert not (gradient * lost).any()
    for nonsense in (1e9, torch.nan):
        other, other_weights = module(
            queries.masked_fill(lost_scan, nonsense), tokens.masked_fill(lost, nonsense), present
        )
        assert torch.equal(other, sequence)
        assert weights is None or torch.equal(other_weights, weights)


@pytest.mark.parametrize("fusion", MASKED, ids=str)
def test_a_mask_changes_nothing_where_nothing_is_missing(small, fusion):
    masked, plain = (small.build(f) for f in (fusion, clone(fusion).set_params(missing="token")))
    queries, tokens, _ = small.draw()
    present = torch.ones(4, 3, dtype=torch.bool)
    assert_close(masked(queries, tokens, present)[0], plain(queries, tokens, present)[0])


@pytest.mark.parametrize("fusion", [SelfAttention, Perceiver])
def test_another_way_with_missing_values_is_an_error(small, fusion):
    with pytest.raises(ValueError, match="missing must be 'token' or 'mask', got 'mean'"):
        small.build(fusion(missing="mean"))


# That one leaves the interaction to the refiner.
@pytest.mark.parametrize("name", sorted({*NAMES} - {"cross_attention"}))
def test_it_learns_that_the_sign_of_a_finding_depends_on_a_variable(name):
    def patients(seed, n):
        rng = torch.Generator().manual_seed(seed)
        signs = 2.0 * torch.randint(0, 2, (n, 2), generator=rng) - 1
        queries, tokens = (0.1 * torch.randn(n, k, 8, generator=rng) for k in (3, 2))
        queries += signs[:, :1, None] * directions[:3]
        tokens[:, 0] += signs[:, 1:] * directions[3]
        return queries, tokens, (signs.prod(dim=1) > 0).float()

    directions = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    fusion = make_fusion(name).build(dim=8, n_heads=2, n_queries=3, n_variables=2, dropout=0.0)
    head = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 1))

    def logits(queries, tokens):
        present = torch.ones(len(queries), 3, dtype=torch.bool)
        return head(fusion(queries, tokens, present)[0]).mean(dim=(1, 2))

    optimiser = torch.optim.Adam([*fusion.parameters(), *head.parameters()], lr=0.01)
    queries, tokens, label = patients(1, 100)
    for _ in range(100):
        optimiser.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(logits(queries, tokens), label).backward()
        optimiser.step()
    queries, tokens, label = patients(2, 200)
    assert ((logits(queries, tokens) > 0) == (label > 0)).float().mean() > 0.9


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("fusion", [*NAMES, *MASKED], ids=str)
def test_the_classifier_takes_it(fusion, dtype):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"age": rng.normal(60, 10, 8), "sex": ["f", "m"] * 4})
    X["scan"] = [rng.normal(35, 5, (8, 8, 8)) for _ in range(8)]
    X.loc[1, ["age", "scan"]] = None
    reader = VolumeReader(spacing=None, shape=8)
    clf = AttentionMixerClassifier(
        image="scan",
        fusion=fusion,
        encoder=CNN(width=2, depth=2),
        volume=reader,
        dtype=dtype,
        dropout=0.2,
        max_epochs=2,
        random_state=0,
    )
    y = [0, 0, 1, 1] * 2
    clf.fit(X, y)
    assert next(clf.net_.module_.fusion.parameters()).dtype == getattr(torch, dtype)
    assert np.isfinite(clf.history_["train_loss"]).all()
    assert set(clf.predict(X)) <= {0, 1}
    assert_allclose(clf.predict_proba(X[1:2]), clf.predict_proba(X)[1:2], rtol=1e-5)
