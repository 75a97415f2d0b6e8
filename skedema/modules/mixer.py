"""The MLP-Mixer layer."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


def mlp(width: int, hidden: int, dropout: float) -> nn.Sequential:
    """Two linear layers with a GELU between them.

    Parameters
    ----------
    width : int
        Size of the input and of the output.
    hidden : int
        Size in between.
    dropout : float
        Probability of dropping a hidden unit in training.

    Returns
    -------
    Sequential
        ``(..., width) -> (..., width)``.
    """
    return nn.Sequential(
        nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, width)
    )


class MixerLayer(nn.Module):
    """Mix over tokens, then over channels, each with LayerNorm before and a residual around.

    ``U = X + W2 gelu(W1 norm(X)^T)^T``, ``Y = U + W4 gelu(W3 norm(U))`` (Tolstikhin et al.,
    "MLP-Mixer: an all-MLP architecture for vision", NeurIPS 2021, equation 1).

    Parameters
    ----------
    n_tokens : int
        Length S of the sequence, which is fixed.
    dim : int
        Width d of a token.
    expansion : float
        Hidden sizes as a multiple of S and of d.
    dropout : float
        Probability of dropping a hidden unit in training.
    """

    def __init__(self, n_tokens: int, dim: int, expansion: float, dropout: float) -> None:
        super().__init__()
        self.token_norm = nn.LayerNorm(dim)
        self.token_mlp = mlp(n_tokens, max(1, round(expansion * n_tokens)), dropout)
        self.channel_norm = nn.LayerNorm(dim)
        self.channel_mlp = mlp(dim, max(1, round(expansion * dim)), dropout)

    def forward(self, sequence: Tensor) -> Tensor:
        """Mix.

        Parameters
        ----------
        sequence : Tensor of shape (B, S, d)
            The tokens.

        Returns
        -------
        Tensor of shape (B, S, d)
            The mixed tokens.
        """
        normed = self.token_norm(sequence)
        if torch.is_inference_mode_enabled():
            mixed = self._mixed_in_place(normed)
        else:
            mixed = self.token_mlp(normed.transpose(1, 2)).transpose(1, 2)
        sequence = sequence + mixed
        return cast(Tensor, sequence + self.channel_mlp(self.channel_norm(sequence)))

    def _mixed_in_place(self, normed: Tensor) -> Tensor:
        """Mix over tokens without turning anything round: quicker, in other last bits."""
        first, activation, _, second = self.token_mlp
        hidden = activation(_along_tokens(cast(nn.Linear, first), normed))
        return _along_tokens(cast(nn.Linear, second), hidden)


def _along_tokens(linear: nn.Linear, sequence: Tensor) -> Tensor:
    """Apply a linear layer to (B, S, d) along S."""
    weight = linear.weight.expand(len(sequence), -1, -1)
    return torch.baddbmm(linear.bias.unsqueeze(1), weight, sequence)
