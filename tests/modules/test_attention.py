from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from skedema.modules.attention import MultiHeadCrossAttention

pytestmark = pytest.mark.numerical


def twins(dim: int, n_heads: int) -> tuple[MultiHeadCrossAttention, nn.MultiheadAttention]:
    """Give our attention and torch's with the same weights."""
    torch.manual_seed(0)
    ours = MultiHeadCrossAttention(dim, n_heads, dropout=0.0).double()
    theirs = nn.MultiheadAttention(dim, n_heads, batch_first=True).double()
    joint = [torch.cat([ours.query.weight, ours.key_value.weight])]
    joint += [torch.cat([ours.query.bias, ours.key_value.bias])]
    with torch.no_grad():
        theirs.in_proj_weight.copy_(joint[0])
        theirs.in_proj_bias.copy_(joint[1])
        theirs.out_proj.load_state_dict(ours.output.state_dict())
    return ours, theirs


@pytest.mark.parametrize(("n_queries", "n_tokens", "n_heads"), [(1, 5, 4), (6, 3, 2), (2, 1, 1)])
def test_attention_equals_that_of_torch(n_queries, n_tokens, n_heads):
    ours, theirs = twins(16, n_heads)
    queries = torch.randn(3, n_queries, 16, dtype=torch.float64)
    tokens = torch.randn(3, n_tokens, 16, dtype=torch.float64)
    attended, weights = ours(queries, tokens)
    expected, expected_weights = theirs(queries, tokens, tokens, average_attn_weights=False)
    assert_close(attended, expected)
    assert_close(weights, expected_weights)
    averaged = theirs(queries, tokens, tokens)[1]
    assert_close(weights.mean(dim=1), averaged)


def test_weights_are_a_distribution_even_while_weights_are_dropped():
    torch.manual_seed(0)
    attention = MultiHeadCrossAttention(8, 2, dropout=0.5).train()
    queries, tokens = torch.randn(2, 3, 8), torch.randn(2, 7, 8)
    attended, weights = attention(queries, tokens)
    assert_close(weights.sum(dim=-1), torch.ones(2, 2, 3))
    assert not torch.equal(attended, attention(queries, tokens)[0])  # dropout was at work
    assert torch.equal(weights, attention(queries, tokens)[1])


def test_order_of_the_tokens_does_not_matter():
    ours, _ = twins(8, 2)
    queries = torch.randn(2, 3, 8, dtype=torch.float64)
    tokens = torch.randn(2, 5, 8, dtype=torch.float64)
    order = [4, 0, 3, 1, 2]
    attended, weights = ours(queries, tokens)
    shuffled, shuffled_weights = ours(queries, tokens[:, order])
    assert_close(shuffled, attended)
    assert_close(shuffled_weights, weights[..., order])


@pytest.mark.parametrize("n_queries", [1, 3])
def test_masked_attention_equals_that_of_torch(n_queries):
    ours, theirs = twins(16, 4)
    queries = torch.randn(3, n_queries, 16, dtype=torch.float64)
    tokens = torch.randn(3, 5, 16, dtype=torch.float64)
    present = torch.tensor([[1, 1, 1, 1, 1], [0, 1, 0, 1, 1], [0, 0, 0, 1, 0]]).bool()
    attended, weights = ours(queries, tokens, present)
    expected, expected_weights = theirs(
        queries, tokens, tokens, key_padding_mask=~present, average_attn_weights=False
    )
    assert_close(attended, expected)
    assert_close(weights, expected_weights)
    assert not weights.movedim(-1, 1)[~present].any()


def test_nothing_to_ask_gives_no_answer_no_weights_and_no_gradient():
    ours, _ = twins(16, 4)
    queries = torch.randn(2, 3, 16, dtype=torch.float64, requires_grad=True)
    tokens = torch.randn(2, 5, 16, dtype=torch.float64, requires_grad=True)
    present = torch.tensor([[True] * 5, [False] * 5])
    attended, weights = ours(queries, tokens, present)
    assert not attended[1].any()
    assert not weights[1].any()
    assert_close(attended[:1], ours(queries[:1], tokens[:1])[0])
    found = torch.autograd.grad(attended.sum(), [queries, tokens, *ours.parameters()])
    assert all(torch.isfinite(gradient).all() for gradient in found)
    assert not found[0][1].any()
    assert not found[1][1].any()
