from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import erf

from skedema.modules.mixer import MixerLayer

pytestmark = pytest.mark.numerical


def norm(x: np.ndarray, layer: torch.nn.LayerNorm) -> np.ndarray:
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + layer.eps)
    return scaled * layer.weight.detach().numpy() + layer.bias.detach().numpy()


def dense(x: np.ndarray, mlp: torch.nn.Sequential) -> np.ndarray:
    first, last = mlp[0], mlp[-1]
    hidden = x @ first.weight.detach().numpy().T + first.bias.detach().numpy()
    hidden = 0.5 * hidden * (1 + erf(hidden / np.sqrt(2)))  # GELU
    return hidden @ last.weight.detach().numpy().T + last.bias.detach().numpy()


@pytest.mark.parametrize(("n_tokens", "dim", "expansion"), [(5, 8, 2.0), (1, 6, 0.5), (9, 3, 1.0)])
def test_layer_is_equation_1_of_the_paper(n_tokens, dim, expansion):
    torch.manual_seed(0)
    layer = MixerLayer(n_tokens, dim, expansion, dropout=0.0).double()
    for parameter in layer.parameters():  # norms that do something, too
        torch.nn.init.normal_(parameter)
    x = torch.randn(4, n_tokens, dim, dtype=torch.float64)
    got = layer(x).detach().numpy()
    for patient, sequence in enumerate(x.numpy()):
        u = sequence.copy()
        for channel in range(dim):  # U[:, i] = X[:, i] + W2 gelu(W1 norm(X)[:, i])
            u[:, channel] += dense(norm(sequence, layer.token_norm)[:, channel], layer.token_mlp)
        y = u.copy()
        for token in range(n_tokens):  # Y[j, :] = U[j, :] + W4 gelu(W3 norm(U)[j, :])
            y[token] += dense(norm(u, layer.channel_norm)[token], layer.channel_mlp)
        assert_allclose(got[patient], y, rtol=1e-12, atol=1e-12)


def test_hidden_sizes_are_multiples_and_never_zero():
    layer = MixerLayer(3, 8, 2.0, dropout=0.0)
    assert layer.token_mlp[0].out_features == 6
    assert layer.channel_mlp[0].out_features == 16
    tiny = MixerLayer(1, 2, 0.1, dropout=0.0)
    assert tiny.token_mlp[0].out_features == tiny.channel_mlp[0].out_features == 1


def test_token_mixing_lets_every_token_reach_every_other():
    torch.manual_seed(0)
    layer = MixerLayer(4, 8, 2.0, dropout=0.0).double()
    x = torch.randn(1, 4, 8, dtype=torch.float64, requires_grad=True)
    for token in range(4):
        (gradient,) = torch.autograd.grad(layer(x)[0, token].square().sum(), x)
        assert (gradient[0].abs().sum(dim=1) > 0).all()
