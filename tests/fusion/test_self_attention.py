from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from skedema.fusion import SelfAttention

pytestmark = pytest.mark.numerical


@pytest.mark.parametrize("depth", [1, 2])
def test_it_is_blocks_over_all_tokens(small, depth):
    module = small.build(SelfAttention(depth=depth))
    queries, tokens, present = small.draw()
    sequence, weights = module(queries, tokens, present)
    w = small.arrays(module)
    for i in range(len(queries)):
        scan, table = queries[i].numpy() + w["modality"][0], tokens[i].numpy() + w["modality"][1]
        x = np.concatenate([scan, table])
        for layer in range(depth):
            x = small.block(w, f"blocks.{layer}", x, n_heads=2)
        small.assert_same(sequence[i].detach(), x)
    assert weights is None
    assert module.n_tokens == 5


def test_the_order_of_variables_is_only_that_of_the_output(small):
    module = small.build(SelfAttention())
    queries, tokens, present = small.draw()
    sequence, turned = (module(queries, t, present)[0] for t in (tokens, tokens.flip(1)))
    assert_close(turned[:, :3], sequence[:, :3])
    assert_close(turned[:, 3:].flip(1), sequence[:, 3:])


def test_without_variables_the_scan_attends_to_itself(small):
    module = small.build(SelfAttention(), n_variables=0)
    queries, tokens, present = small.draw(n_variables=0)
    assert_close(module(queries, tokens, present)[0], module.blocks(queries + module.modality[0]))
    assert torch.isfinite(module(queries[:, :1], tokens, present)[0]).all()


@pytest.mark.parametrize("n_queries", [3, 150])  # below and above where the fused kernel begins
def test_the_mask_attends_as_if_there_were_no_such_token(small, n_queries):
    module = small.build(SelfAttention(depth=2, missing="mask"), n_queries, 4)
    queries, tokens, _ = small.draw(n_queries, 4)
    present = torch.tensor([[True, True, False, True, False]]).expand(4, -1)
    sequence, _ = module(queries, tokens, present)
    expected, _ = module(queries, tokens[:, [0, 2]], present[:, [0, 1, 3]])
    there = torch.tensor([*range(n_queries + 1), n_queries + 2])
    assert_close(sequence[:, there], expected)
    assert not sequence[:, [n_queries + 1, n_queries + 3]].any()
    no_scan = present & (torch.arange(5) > 0)
    sequence, _ = module(queries, tokens, no_scan)
    assert not sequence[:, :n_queries].any()
    assert_close(sequence[:, n_queries:], module(queries[:, :0], tokens, no_scan)[0])


def test_no_blocks_are_an_error(small):
    with pytest.raises(ValueError, match="depth must be at least 1, got 0"):
        small.build(SelfAttention(depth=0))
