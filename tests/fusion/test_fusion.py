from __future__ import annotations

import re

import pytest
import torch
from sklearn.base import clone
from torch import nn
from torch.testing import assert_close

from skedema.fusion import (
    Concat,
    CrossAttention,
    Fusion,
    base,
    list_fusions,
    make_fusion,
    register_fusion,
)

FUSIONS = [*map(make_fusion, list_fusions()), CrossAttention(query="tokens")]


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """Forget afterwards what a test registers."""
    monkeypatch.setattr(base._FUSIONS, "_factories", dict(base._FUSIONS._factories))


def build(fusion: Fusion, n_queries: int, n_variables: int, dim: int = 8) -> nn.Module:
    torch.manual_seed(0)
    module = fusion.build(
        dim=dim, n_heads=2, n_queries=n_queries, n_variables=n_variables, dropout=0.0
    )
    return module.double()


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_the_names_of_the_package_are_there():
    assert {"cross_attention", "concat"} <= set(list_fusions())
    assert isinstance(make_fusion("cross_attention"), CrossAttention)
    assert isinstance(make_fusion("concat"), Concat)


@pytest.mark.parametrize("n_variables", [0, 1, 5])
@pytest.mark.parametrize("n_queries", [1, 7])
@pytest.mark.parametrize("fusion", FUSIONS, ids=str)
def test_every_fusion_gives_the_sequence_it_announces(fusion, n_queries, n_variables):
    module = build(fusion, n_queries, n_variables)
    sequence, weights = module(random(3, n_queries, 8), random(3, n_variables, 8))
    assert sequence.shape == (3, module.n_tokens, 8)
    assert torch.isfinite(sequence).all()
    if weights is not None:
        assert weights.shape == (3, n_variables)
        assert (weights > 0).all()
        assert_close(weights.sum(dim=1), torch.ones(3, dtype=torch.float64))
    if not n_variables:
        assert weights is None


@pytest.mark.parametrize("fusion", FUSIONS, ids=str)
def test_every_scan_token_and_every_variable_reaches_the_sequence(fusion):
    module = build(fusion, 4, 3)
    queries, tokens = random(1, 4, 8).requires_grad_(), random(1, 3, 8).requires_grad_()
    sequence, _ = module(queries, tokens)
    reached = torch.autograd.grad((sequence * random(*sequence.shape)).sum(), [queries, tokens])
    for gradient in reached:
        assert (gradient[0].abs().sum(dim=1) > 0).all()


@pytest.mark.parametrize("fusion", FUSIONS, ids=str)
def test_every_fusion_is_an_estimator_of_parameters_alone(fusion):
    assert isinstance(fusion, Fusion)
    before = fusion.get_params()
    assert vars(fusion) == before
    build(fusion, 1, 1)
    assert vars(fusion) == before
    twin = clone(fusion)
    assert twin is not fusion
    assert twin.set_params(**before).get_params() == before


def test_cross_attention_is_the_equation_of_the_paper():
    module = build(CrossAttention(), 4, 3)
    queries, tokens = random(2, 4, 8), random(2, 3, 8)
    sequence, weights = module(queries, tokens)
    z = queries.mean(dim=1, keepdim=True)
    attended, each = module.attend(z, tokens)
    assert_close(sequence[:, :1], z + attended)
    assert torch.equal(sequence[:, 1:], tokens)  # the refiner sees the variables as they are
    assert_close(weights, each.mean(dim=1)[:, 0])


def test_with_query_tokens_every_scan_token_asks_for_itself():
    module = build(CrossAttention(query="tokens"), 4, 3)
    queries, tokens = random(2, 4, 8), random(2, 3, 8)
    sequence, weights = module(queries, tokens)
    assert module.n_tokens == 7
    singly = [module.attend(queries[:, t : t + 1], tokens) for t in range(4)]
    for t, (attended, _) in enumerate(singly):
        assert_close(sequence[:, t], (queries[:, t : t + 1] + attended)[:, 0])
    assert_close(weights, torch.stack([each.mean(dim=(1, 2)) for _, each in singly]).mean(dim=0))


def test_the_two_queries_are_one_for_a_scan_of_one_token():
    pooled, tokens = (build(CrossAttention(query=q), 1, 3) for q in ("pooled", "tokens"))
    z, variables = random(2, 1, 8), random(2, 3, 8)
    for a, b in zip(pooled(z, variables), tokens(z, variables), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("query", ["token", "", None, 1])
def test_unknown_query_is_an_error(query):
    with pytest.raises(ValueError, match="query must be 'pooled' or 'tokens'"):
        build(CrossAttention(query=query), 1, 1)


def test_concatenation_is_one_hidden_layer_over_everything():
    module = build(Concat(), 4, 2)
    queries, tokens = random(3, 4, 8), random(3, 2, 8)
    sequence, weights = module(queries, tokens)
    joint = torch.cat([queries.mean(dim=1), tokens[:, 0], tokens[:, 1]], dim=1)
    linear = module.layers[0]
    expected = torch.nn.functional.gelu(joint @ linear.weight.T + linear.bias)
    assert_close(sequence, expected.unsqueeze(1))
    assert weights is None
    assert module.n_tokens == 1


def test_registered_fusion_is_reached_by_name():
    register_fusion("per_token", lambda: CrossAttention(query="tokens"))
    assert "per_token" in list_fusions()
    assert make_fusion("per_token").query == "tokens"
    with pytest.raises(ValueError, match="The fusion 'concat' exists already"):
        register_fusion("concat", CrossAttention)
    register_fusion("wrong", nn.Identity)
    with pytest.raises(TypeError, match="fusion 'wrong' was registered, but"):
        make_fusion("wrong")


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("conct", ValueError, "Unknown fusion 'conct'. Did you mean 'concat'?"),
        (Concat, TypeError, "give an object: fusion=Concat()"),
        (nn.Identity(), TypeError, "fusion is a live torch module (Identity)"),
        (None, TypeError, "fusion must be one of the names"),
    ],
)
def test_anything_else_is_refused(given, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make_fusion(given)
