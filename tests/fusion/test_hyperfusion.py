from __future__ import annotations

import numpy as np
import pytest
import torch

from skedema.fusion import HyperFusion

pytestmark = pytest.mark.numerical


@pytest.mark.parametrize("embedding", [3, 8])
def test_each_patient_goes_through_a_layer_of_its_own(small, embedding):
    module = small.build(HyperFusion(embedding=embedding))
    queries, tokens, present = small.draw()
    sequence, weights = module(queries, tokens, present)
    w = small.arrays(module)
    for i in range(len(queries)):
        embedded = np.maximum(small.linear(w, "embed.0", tokens[i].numpy().ravel()), 0)
        matrix = np.eye(6) + (w["weight.weight"] @ embedded).reshape(6, 6)
        for j in range(queries.shape[1]):
            expected = matrix @ queries[i, j].numpy() + small.linear(w, "shift", embedded)
            small.assert_same(sequence[i, j].detach(), expected)
    assert weights is None
    assert module.n_tokens == 3


def test_no_patient_gets_the_weights_of_the_next(small):
    module = small.build(HyperFusion())
    queries, tokens, present = small.draw()
    rolled = module(queries, tokens.roll(1, dims=0), present)[0]
    assert torch.equal(module(queries.roll(-1, dims=0), tokens, present)[0].roll(1, dims=0), rolled)
    assert not torch.allclose(module(queries, tokens, present)[0], rolled)


@pytest.mark.parametrize("dim", [16, 128])
def test_it_begins_near_the_identity(dim):
    torch.manual_seed(0)
    module = HyperFusion().build(dim=dim, n_heads=4, n_queries=2, n_variables=5, dropout=0.0)
    queries, tokens = torch.randn(8, 2, dim), torch.randn(8, 5, dim) * dim**-0.5
    present = torch.ones(8, 6, dtype=torch.bool)
    assert (module(queries, tokens, present)[0] - queries).norm() < 0.6 * queries.norm()


def test_without_variables_the_scan_stays_as_it_is(small):
    queries, tokens, present = small.draw(n_variables=0)
    module = small.build(HyperFusion(), n_variables=0)
    assert torch.equal(module(queries, tokens, present)[0], queries)


def test_an_embedding_below_one_is_an_error(small):
    with pytest.raises(ValueError, match="embedding must be at least 1, got 0"):
        small.build(HyperFusion(embedding=0))
