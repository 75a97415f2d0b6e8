from __future__ import annotations

import numpy as np
import pytest

from skedema.fusion import Gated

pytestmark = pytest.mark.numerical


def test_it_is_the_formula_of_the_paper(small):
    module = small.build(Gated())
    queries, tokens, present = small.draw()
    sequence, weights = module(queries, tokens, present)
    w = small.arrays(module)
    for i in range(len(queries)):
        scan, table = queries[i].numpy().mean(axis=0), tokens[i].numpy().ravel()
        gate = 1 / (1 + np.exp(-w["gate.weight"] @ np.concatenate([scan, table])))
        fused = gate * np.tanh(w["scan.weight"] @ scan)
        fused += (1 - gate) * np.tanh(w["table.weight"] @ table)
        small.assert_same(sequence[i].detach(), fused[None])
    assert weights is None
    assert module.n_tokens == 1


def test_without_variables_the_scan_is_let_through(small):
    module = small.build(Gated(), n_variables=0)
    queries, tokens, present = small.draw(n_variables=0)
    expected = np.tanh(queries.numpy().mean(axis=1) @ small.arrays(module)["scan.weight"].T)
    small.assert_same(module(queries, tokens, present)[0][:, 0].detach(), expected)
