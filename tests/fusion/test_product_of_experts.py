from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skedema.fusion import ProductOfExperts

pytestmark = pytest.mark.numerical


def experts(small, w, queries, tokens):
    """Give mean and precision of each expert of one patient, the scan's first."""
    inputs = [queries.numpy().mean(axis=0), *tokens.numpy()]
    for number, token in enumerate(inputs):
        hidden = small.gelu(small.linear(w, f"experts.{number}.0", token))
        mean, log_variance = np.split(small.linear(w, f"experts.{number}.3", hidden), 2)
        yield mean, 1 / np.exp(log_variance)


def test_it_is_the_product_of_what_there_is_with_a_normal_prior(small):
    module = small.build(ProductOfExperts())
    queries, tokens, present = small.draw(n_patients=8)
    sequence, weights = module(queries, tokens, present)
    w = small.arrays(module)
    assert len(torch.unique(present, dim=0)) > 4
    for i in range(8):
        numerator, precision = 0.0, 1.0  # of the prior, whose mean is 0
        for (mean, sure), there in zip(
            experts(small, w, queries[i], tokens[i]), present[i], strict=True
        ):
            if there:
                numerator, precision = numerator + mean * sure, precision + sure
        expected = np.broadcast_to(numerator / precision, 6)
        small.assert_same(sequence[i, 0].detach(), expected)
    assert weights is None
    assert module.n_tokens == 1


def test_it_is_the_mode_of_the_product_of_the_densities(small):
    module = small.build(ProductOfExperts())
    queries, tokens, _ = (x[:1] for x in small.draw())
    known = [True, False, True]
    fused = module(queries, tokens, torch.tensor([known]))[0][0, 0].detach().numpy()
    said = list(experts(small, small.arrays(module), queries[0], tokens[0]))
    grid = np.linspace(-4, 4, 80001)
    for feature in range(6):
        log_density = -(grid**2) / 2
        for (mean, precision), there in zip(said, known, strict=True):
            if there:
                log_density -= precision[feature] * (grid - mean[feature]) ** 2 / 2
        assert_allclose(grid[log_density.argmax()], fused[feature], atol=1e-4)


@pytest.mark.parametrize("sure", [50.0, 1000.0])
def test_an_expert_who_is_certain_decides_and_one_who_knows_nothing_does_not(small, sure):
    module = small.build(ProductOfExperts()).float()
    queries, tokens, _ = (x.float() for x in small.draw())
    present = torch.ones(4, 3, dtype=torch.bool)
    with torch.no_grad():
        for expert, log_variance in zip(module.experts, (sure, -sure, sure), strict=True):
            expert[3].weight[6:] = 0.0
            expert[3].bias[6:] = log_variance
    sequence, _ = module(queries, tokens, present)
    said = module.experts[1](tokens[:, 0])[:, :6]
    assert_allclose(sequence[:, 0].detach(), said.detach(), rtol=1e-5)
    sequence.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters())


def test_where_nothing_is_known_it_is_the_mean_of_the_prior(small):
    queries, tokens, present = small.draw()
    assert not present[-1].any()
    assert not small.build(ProductOfExperts())(queries, tokens, present)[0][-1].any()
