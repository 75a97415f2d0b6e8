from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.testing import assert_close

from skedema.fusion import SelfAttention


@pytest.mark.parametrize("depth", [1, 2])
def test_it_is_blocks_over_all_tokens(small, depth):
    module = small.build(SelfAttention(depth=depth))
    queries, tokens = small.draw()
    sequence, weights = module(queries, tokens)
    w = small.arrays(module)
    for i in range(len(queries)):
        scan, table = queries[i].numpy() + w["modality"][0], tokens[i].numpy() + w["modality"][1]
        x = np.concatenate([scan, table])
        for layer in range(depth):
            x = small.block(w, f"blocks.{layer}", x, n_heads=2)
        assert_allclose(sequence[i].detach(), x, rtol=1e-10)
    assert weights is None
    assert module.n_tokens == 5


def test_the_order_of_variables_is_only_that_of_the_output(small):
    module = small.build(SelfAttention())
    queries, tokens = small.draw()
    sequence, turned = (module(queries, t)[0] for t in (tokens, tokens.flip(1)))
    assert_close(turned[:, :3], sequence[:, :3])
    assert_close(turned[:, 3:].flip(1), sequence[:, 3:])


def test_without_variables_the_scan_attends_to_itself(small):
    module = small.build(SelfAttention(), n_variables=0)
    queries, tokens = small.draw(n_variables=0)
    assert_close(module(queries, tokens)[0], module.blocks(queries + module.modality[0]))
    assert torch.isfinite(module(queries[:, :1], tokens)[0]).all()


def test_no_blocks_are_an_error(small):
    with pytest.raises(ValueError, match="depth must be at least 1, got 0"):
        small.build(SelfAttention(depth=0))
