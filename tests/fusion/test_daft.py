from __future__ import annotations

import numpy as np
import pytest
import torch

from skedema.fusion import DAFT

pytestmark = pytest.mark.numerical


@pytest.mark.parametrize("bottleneck", [2, 7])
def test_it_is_the_formula_of_the_paper(small, bottleneck):
    module = small.build(DAFT(bottleneck=bottleneck))
    queries, tokens, present = small.draw()
    sequence, weights = module(queries, tokens, present)
    w = small.arrays(module)
    assert w["generate.0.weight"].shape == (bottleneck, 6 + 2 * 6)
    for i in range(len(queries)):
        z = queries[i].numpy()
        seen = np.concatenate([z.mean(axis=0), tokens[i].numpy().ravel()])
        squeezed = np.maximum(w["generate.0.weight"] @ seen, 0)
        alpha, beta = np.split(w["generate.3.weight"] @ squeezed, 2)
        small.assert_same(sequence[i].detach(), z + (alpha * z + beta))
    assert weights is None
    assert module.n_tokens == 3


def test_the_transform_depends_on_the_scan_as_well(small):
    module = small.build(DAFT())
    queries, tokens, present = small.draw()
    moved = queries.clone()
    moved[:, 1] += 1.0  # another position has another mean, so the first is transformed otherwise
    first, changed = (module(z, tokens, present)[0][:, 0] for z in (queries, moved))
    assert not torch.allclose(changed, first)


def test_without_variables_the_scan_stays_as_it_is(small):
    queries, tokens, present = small.draw(n_variables=0)
    assert torch.equal(small.build(DAFT(), n_variables=0)(queries, tokens, present)[0], queries)


def test_a_bottleneck_below_one_is_an_error(small):
    with pytest.raises(ValueError, match="bottleneck must be at least 1, got 0"):
        small.build(DAFT(bottleneck=0))
