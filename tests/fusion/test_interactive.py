from __future__ import annotations

import numpy as np
import pytest
import torch

from skedema.fusion import Interactive

pytestmark = pytest.mark.numerical


def test_it_is_the_formula_of_the_paper(small):
    module = small.build(Interactive())
    queries, tokens, present = small.draw()
    sequence, weights = module(queries, tokens, present)
    w = small.arrays(module)
    for i in range(len(queries)):
        hidden = np.maximum(small.linear(w, "generate.0", tokens[i].numpy().ravel()), 0)
        factors = 1 + small.linear(w, "generate.3", hidden)
        small.assert_same(sequence[i].detach(), queries[i].numpy() * factors)
    assert weights is None
    assert module.n_tokens == 3


def test_a_scan_of_zeros_stays_one(small):
    queries, tokens, present = small.draw()
    assert not small.build(Interactive())(torch.zeros_like(queries), tokens, present)[0].any()


def test_without_variables_the_scan_stays_as_it_is(small):
    queries, tokens, present = small.draw(n_variables=0)
    module = small.build(Interactive(), n_variables=0)
    assert torch.equal(module(queries, tokens, present)[0], queries)
