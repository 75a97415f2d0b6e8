from __future__ import annotations

import numpy as np
import pytest

from skedema.fusion import LowRankTensor

pytestmark = pytest.mark.numerical


def factors(w, name, rank):
    """Give the factors of a modality, the weight of the one last: (rank, d, width + 1)."""
    matrix = np.column_stack([w[f"{name}.weight"], w[f"{name}.bias"]])
    return matrix.reshape(rank, -1, matrix.shape[1])


@pytest.mark.parametrize("rank", [1, 4])
def test_it_is_the_outer_product_under_a_tensor_of_weights(small, rank):
    module = small.build(LowRankTensor(rank=rank))
    queries, tokens, present = small.draw()
    sequence, weights = module(queries, tokens, present)
    w = small.arrays(module)
    tensor = np.einsum("rda,rdb->dab", factors(w, "scan", rank), factors(w, "table", rank))
    for i in range(len(queries)):
        scan = np.append(queries[i].numpy().mean(axis=0), 1)
        table = np.append(tokens[i].numpy().ravel(), 1)
        expected = (tensor * np.outer(scan, table)).sum(axis=(1, 2))
        small.assert_same(sequence[i, 0].detach(), expected)
    assert weights is None
    assert module.n_tokens == 1


def test_without_variables_the_product_is_of_the_scan_alone(small):
    module = small.build(LowRankTensor(rank=2), n_variables=0)
    queries, tokens, present = small.draw(n_variables=0)
    matrix = factors(small.arrays(module), "scan", 2).sum(axis=0)
    scan = np.column_stack([queries.numpy().mean(axis=1), np.ones(len(queries))])
    small.assert_same(module(queries, tokens, present)[0][:, 0].detach(), scan @ matrix.T)


def test_a_rank_below_one_is_an_error(small):
    with pytest.raises(ValueError, match="rank must be at least 1, got 0"):
        small.build(LowRankTensor(rank=0))
