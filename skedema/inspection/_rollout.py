"""Relevance by attention rollout."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skedema.inspection._seen import Seen
from skedema.modules.mirror import SideTokens
from skedema.modules.transformer import TransformerBlock


def rollout(seen: Seen) -> NDArray[np.float64]:
    """Give the share of each patch in the encoder's tokens, spread evenly over its voxels.

    A block mixes tokens by ``(W + I) / 2``, W the mean of the attention of its heads; of one block
    after the other, the products. Where an encoder sees the mirror image as well, both count.
    """
    encoder = _network(seen)
    blocks = [each for each in encoder.modules() if isinstance(each, TransformerBlock)]
    passes: list[Tensor] = []

    # By number: on another device a copy of the network computes, and its hooks are these.
    def watch(number: int, block: TransformerBlock, inputs: tuple[Any, ...]) -> None:
        mixed = _mixing(block, inputs[0])
        if number == 0:
            passes.append(mixed)
        elif mixed.shape != passes[-1].shape:
            raise TypeError(
                "method='rollout' needs blocks that all look at the same tokens, and those of "
                f"{type(seen.clf.encoder_).__name__} look at parts first, then at all. "
                "method='occlusion' works with every encoder, method='gradient' with every torch "
                "network."
            )
        else:
            passes[-1] = mixed @ passes[-1]

    handles = [
        block.register_forward_pre_hook(partial(watch, number))
        for number, block in enumerate(blocks)
    ]
    try:
        with torch.no_grad():
            seen.probability(seen.volume[None])
    finally:
        for handle in handles:
            handle.remove()
    if not passes:
        raise _no_attention(seen)
    maps = [_on_grid(mixed.double().numpy(), encoder, seen.brain.shape) for mixed in passes]
    found = maps[0] if len(maps) == 1 else (maps[0] + maps[1][::-1]) / 2
    within = np.where(seen.brain, found, 0.0)
    return np.asarray(within / max(float(within.sum()), np.finfo(float).tiny))


def _mixing(block: TransformerBlock, tokens: Tensor) -> Tensor:
    """Give how one scan's tokens (1, T, D) are mixed by a block, (T, T)."""
    joint = block.query_key_value(block.attention_norm(tokens))
    query, key, _ = joint.reshape(*tokens.shape[:2], 3, block.n_heads, -1).permute(2, 0, 3, 1, 4)
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    weights: Tensor = scores.softmax(dim=-1)[0].mean(dim=0).cpu()
    return (weights + torch.eye(len(weights), dtype=weights.dtype)) / 2


def _network(seen: Seen) -> nn.Module:
    """Find the torch module that encodes."""
    encoder = getattr(seen.clf.encoder_, "module_", seen.clf.encoder_)
    if not isinstance(encoder, nn.Module) or not seen.takes_volumes:
        raise _no_attention(seen)
    if not any(isinstance(each, TransformerBlock) for each in encoder.modules()):
        raise _no_attention(seen)
    return encoder


def _on_grid(
    mixed: NDArray[np.float64], encoder: nn.Module, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Lay what reaches the tokens that are used over the voxels of its patches."""
    for grid in _grids(encoder):
        n = math.prod(grid)
        if len(mixed) - n in (0, 1):  # a class token comes first
            patches = mixed[:, len(mixed) - n :]
            laid = _used(patches, n, encoder).mean(axis=0).reshape(grid)
            for axis, (size, parts) in enumerate(zip(shape, grid, strict=True)):
                laid = laid.repeat(-(-size // parts), axis=axis)
            return np.asarray(laid[tuple(slice(size) for size in shape)])
    raise TypeError(
        "method='rollout' needs an encoder that tells the grid of its tokens; "
        "method='occlusion' works with every encoder."
    )


def _grids(encoder: nn.Module) -> Iterator[tuple[int, ...]]:
    for each in encoder.modules():
        for owner in (each, getattr(each, "patches", None)):
            grid: Any = getattr(owner, "grid", ())
            if len(grid) == 3:
                yield tuple(grid)


def _used(patches: NDArray[np.float64], n: int, encoder: nn.Module) -> NDArray[np.float64]:
    """Keep the rows of the tokens that the features are made of."""
    if getattr(encoder, "pool", None) == "cls":
        return patches[:1]
    of_patches = patches[len(patches) - n :]
    # x is the slowest axis: the first ones are one half, and the mirror image shows the other.
    return of_patches[: math.prod(encoder.grid)] if isinstance(encoder, SideTokens) else of_patches


def _no_attention(seen: Seen) -> TypeError:
    kind = type(seen.clf.encoder_).__name__.lstrip("_")
    return TypeError(
        f"method='rollout' needs an encoder of transformer blocks, such as MirroredTokens, ViT or "
        f"ViTAutoencoder; {kind} has none. method='occlusion' works with every encoder, "
        "method='gradient' with every torch network."
    )
