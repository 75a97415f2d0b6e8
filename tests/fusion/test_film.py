from __future__ import annotations

import numpy as np
import pytest
import torch

from skedema.fusion import FiLM

pytestmark = pytest.mark.numerical


def test_it_is_the_formula_of_the_paper(small):
    module = small.build(FiLM())
    queries, tokens, present = small.draw()
    sequence, weights = module(queries, tokens, present)
    w = small.arrays(module)
    for i in range(len(queries)):
        hidden = small.gelu(small.linear(w, "generate.0", tokens[i].numpy().ravel()))
        change, beta = np.split(small.linear(w, "generate.3", hidden), 2)
        for j in range(queries.shape[1]):
            expected = (1 + change) * queries[i, j].numpy() + beta
            small.assert_same(sequence[i, j].detach(), expected)
    assert weights is None
    assert module.n_tokens == 3


def test_it_begins_near_the_identity():
    torch.manual_seed(0)
    module = FiLM().build(dim=32, n_heads=4, n_queries=2, n_variables=5, dropout=0.0)
    queries, tokens = torch.randn(8, 2, 32), torch.randn(8, 5, 32) * 32**-0.5
    present = torch.ones(8, 6, dtype=torch.bool)
    assert (module(queries, tokens, present)[0] - queries).norm() < 0.3 * queries.norm()


def test_without_variables_the_scan_stays_as_it_is(small):
    queries, tokens, present = small.draw(n_variables=0)
    assert torch.equal(small.build(FiLM(), n_variables=0)(queries, tokens, present)[0], queries)
