from __future__ import annotations

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from skedema.modules import blockwise_attention as module
from skedema.modules.blockwise_attention import blockwise_attention
from skedema.modules.transformer import attend


def with_gradients(attention, tensors, weight):
    tensors = [tensor.detach().requires_grad_() for tensor in tensors]
    answer = attention(*tensors)
    (answer * weight).sum().backward()
    return [answer.detach(), *(tensor.grad for tensor in tensors)]


@pytest.mark.parametrize("kept", [0, 3000, 2**26])
@pytest.mark.parametrize("block", [4, 7, 64])
def test_answers_and_gradients_are_those_of_torch(monkeypatch, kept, block):
    monkeypatch.setattr(module, "_BLOCK", block)
    monkeypatch.setattr(module, "_KEPT", kept)
    torch.manual_seed(0)
    *tensors, weight = torch.randn(4, 2, 3, 14, 8, dtype=torch.float64)
    found = with_gradients(blockwise_attention, tensors, weight)
    expected = with_gradients(scaled_dot_product_attention, tensors, weight)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_what_is_computed_again_changes_nothing(monkeypatch):
    torch.manual_seed(0)
    *tensors, weight = torch.randn(4, 1, 2, 300, 8).bfloat16()
    found = with_gradients(blockwise_attention, tensors, weight)
    monkeypatch.setattr(module, "_KEPT", 0)
    again = with_gradients(blockwise_attention, tensors, weight)
    for one, other in zip(found, again, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_kept_weights_do_not_grow_with_the_square_of_the_sequence(monkeypatch):
    monkeypatch.setattr(module, "_KEPT", 100_000)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: kept.append(t.nbytes) or t, lambda t: t
    ):
        blockwise_attention(*torch.randn(3, 1, 2, 1000, 8).bfloat16().requires_grad_())
    assert sum(kept) <= 100_000 + 4 * 2 * 1000 * 8 * 2


@pytest.mark.parametrize("autocast", [False, True])
def test_bfloat16_is_as_near_as_the_fused_kernel(autocast):
    torch.manual_seed(0)
    *tensors, weight = torch.randn(4, 1, 2, 600, 32)
    expected = with_gradients(scaled_dot_product_attention, tensors, weight)
    halves = [tensor.bfloat16() for tensor in tensors]

    def error(attention):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            found = with_gradients(attention, halves, weight.bfloat16())
        assert all(part.dtype == torch.bfloat16 for part in found)
        return [(a.float() - b).norm() / b.norm() for a, b in zip(found, expected, strict=True)]

    for here, fused in zip(error(attend), error(scaled_dot_product_attention), strict=True):
        assert here < max(2.5 * fused, 8e-3)


def test_only_bfloat16_on_a_cpu_goes_this_way(monkeypatch):
    monkeypatch.setattr("skedema.modules.transformer.blockwise_attention", lambda *_: "blockwise")
    long = torch.randn(1, 2, 200, 8)
    assert attend(*[long.bfloat16()] * 3) == "blockwise"
    assert torch.is_tensor(attend(long, long, long))
    shown = torch.ones(1, 200, dtype=torch.bool)
    assert torch.is_tensor(attend(*[long.bfloat16()] * 3, shown))
