from __future__ import annotations

import numpy as np
import torch

from skedema.modules.gated_attention import GatedAttention


def test_it_is_the_formula():
    pool = GatedAttention(4).double()
    tokens = torch.randn(2, 3, 4, dtype=torch.float64)
    V, U, w = (p.weight.detach().numpy() for p in (pool.value, pool.gate, pool.score))
    b, c = pool.value.bias.detach().numpy(), pool.gate.bias.detach().numpy()
    for found, h in zip(pool(tokens).detach().numpy(), tokens.numpy(), strict=True):
        scores = [(w @ (np.tanh(V @ each + b) / (1 + np.exp(-(U @ each + c)))))[0] for each in h]
        weights = np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(found[0], weights @ h, rtol=1e-12)


def test_order_does_not_matter():
    pool, tokens = GatedAttention(4), torch.randn(1, 5, 4)
    torch.testing.assert_close(pool(tokens), pool(tokens.flip(1)))
