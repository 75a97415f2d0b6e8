from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from torch.testing import assert_close

from skedema.modules.transformer import NORM_EPS, TransformerBlock, attend

pytestmark = pytest.mark.numerical


@pytest.mark.parametrize(("dim", "n_heads", "expansion"), [(16, 4, 4.0), (6, 1, 0.5)])
def test_block_equals_that_of_torch(dim, n_heads, expansion):
    torch.manual_seed(0)
    ours = TransformerBlock(dim, n_heads, expansion, dropout=0.0).double()
    for parameter in ours.parameters():
        nn.init.normal_(parameter, std=0.5)
    theirs = nn.TransformerEncoderLayer(
        dim,
        n_heads,
        int(expansion * dim),
        dropout=0.0,
        activation="gelu",
        batch_first=True,
        norm_first=True,
        layer_norm_eps=NORM_EPS,
    ).double()
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(ours.query_key_value.weight)
        theirs.self_attn.in_proj_bias.copy_(ours.query_key_value.bias)
    for mine, other in (
        (ours.project, theirs.self_attn.out_proj),
        (ours.attention_norm, theirs.norm1),
        (ours.mlp_norm, theirs.norm2),
        (ours.mlp[0], theirs.linear1),
        (ours.mlp[-1], theirs.linear2),
    ):
        other.load_state_dict(mine.state_dict())
    tokens = torch.randn(3, 7, dim, dtype=torch.float64)
    assert_close(ours(tokens), theirs(tokens))
    present = torch.rand(3, 7) < 0.5
    present[:, 2] = True
    masked = theirs(tokens, src_key_padding_mask=~present)
    assert_close(ours(tokens, present)[present], masked[present])


@pytest.mark.parametrize("length", [7, 200])  # by the plain kernel and by the fused one
def test_mask_is_as_if_there_were_no_such_token(length):
    torch.manual_seed(0)
    block = TransformerBlock(8, 2, 2.0).double()
    tokens = torch.randn(3, length, 8, dtype=torch.float64, requires_grad=True)
    present = torch.arange(length) % 3 > 0
    masked = block(tokens, torch.stack([present, torch.ones_like(present), ~(present | True)]))
    assert_close(masked[0, present], block(tokens[:1, present])[0])
    assert_close(masked[1], block(tokens[1:2])[0])
    alone = tokens[2] + block.mlp(block.mlp_norm(tokens[2]))  # attention adds nothing
    assert_close(masked[2], alone)
    (gradient,) = torch.autograd.grad(masked[0, present].sum() + masked[2].sum(), tokens)
    assert torch.isfinite(gradient).all()
    assert not gradient[0, ~present].any()


def test_block_drops_hidden_units_in_training_alone():
    torch.manual_seed(0)
    block, tokens = TransformerBlock(8, 2, 4.0, dropout=0.5), torch.randn(1, 3, 8)
    assert not torch.equal(block.train()(tokens), block(tokens))
    assert torch.equal(block.eval()(tokens), block(tokens))


@pytest.mark.parametrize(("length", "dtype"), [(17, torch.float32), (17, torch.bfloat16)])
def test_plain_and_fused_attention_agree(length, dtype):
    query, key, value = torch.randn(3, 2, 4, length, 8, dtype=dtype).unbind(0)
    fused = scaled_dot_product_attention(query, key, value)
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    torch.testing.assert_close(attend(query, key, value), fused, rtol=0, atol=tolerance)
