"""What the tests of single fusions share: small modules, and numpy to work formulas out again."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import erf, softmax


def build(fusion, n_queries=3, n_variables=2, dim=6, n_heads=2):
    torch.manual_seed(0)
    module = fusion.build(
        dim=dim, n_heads=n_heads, n_queries=n_queries, n_variables=n_variables, dropout=0.0
    ).double()
    with torch.no_grad():  # or biases that start at 0 or 1 would not be seen
        for parameter in module.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return module


def draw(n_queries=3, n_variables=2, dim=6, n_patients=4):
    rng = torch.Generator().manual_seed(1)
    shapes = (n_patients, n_queries, dim), (n_patients, n_variables, dim)
    drawn = [torch.randn(*shape, generator=rng, dtype=torch.float64) for shape in shapes]
    present = torch.rand(n_patients, 1 + n_variables, generator=rng) < 0.5
    present[0], present[1], present[-1] = True, torch.arange(1 + n_variables) > 0, False
    return [*drawn, present]  # all there, all but the scan, ..., nothing


def arrays(module):
    return {name: value.numpy() for name, value in module.state_dict().items()}


def gelu(x):
    return x * (1 + erf(x / np.sqrt(2))) / 2


def linear(w, name, x):
    y = x @ w[f"{name}.weight"].T
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def norm(w, name, x, eps):
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps)
    return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]


def mlp(w, name, x):
    return linear(w, f"{name}.3", gelu(linear(w, f"{name}.0", x)))


def attend(query, key, value, n_heads):
    """Give the attention of one patient, a head after the other."""
    heads = []
    for q, k, v in zip(*(np.split(x, n_heads, axis=-1) for x in (query, key, value)), strict=True):
        heads.append(softmax(q @ k.T / np.sqrt(q.shape[-1]), axis=-1) @ v)
    return np.concatenate(heads, axis=-1)


def block(w, name, x, n_heads):
    """Give the transformer block of one patient."""
    q, k, v = np.split(
        linear(w, f"{name}.query_key_value", norm(w, f"{name}.attention_norm", x, 1e-6)), 3, axis=-1
    )
    x = x + linear(w, f"{name}.project", attend(q, k, v, n_heads))
    return x + mlp(w, f"{name}.mlp", norm(w, f"{name}.mlp_norm", x, 1e-6))


def assert_same(found, expected):
    """Compare what is the same but for the order of sums, in fp64."""
    # Up to 60 steps in a row err by some sqrt(60) roundings; a hundred times that, and relative to
    # the largest figure, since others are small because terms cancelled.
    assert_allclose(found, expected, rtol=0, atol=1000 * 2.0**-53 * np.abs(expected).max())


@pytest.fixture
def small():
    """Give the functions above."""
    functions = (build, draw, arrays, linear, norm, mlp, attend, block, gelu, assert_same)
    return SimpleNamespace(**{function.__name__: function for function in functions})
