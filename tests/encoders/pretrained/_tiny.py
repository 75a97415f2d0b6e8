"""Seeded weights of networks too small to be of use, and scans for them."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from skedema import VolumeReader
from skedema.encoders.pretrained import FMHCT, Recipe

TINY = FMHCT(dim=24, depth=2, n_heads=2, patch=8, shape=16)
PLAIN = VolumeReader(spacing=None, shape=16, windows=["brain", "subdural", (2800, 600)])


def seeded(network: nn.Module, seed: int = 0) -> nn.Module:
    """Give every weight, bias, norm and statistic a number that no initialiser has."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            value.copy_(0.2 * torch.randn(value.shape, generator=generator))
            if name.endswith(("running_var", "norm.weight", "norm1.weight", "norm2.weight")):
                value.abs_().add_(0.5)
    return network.eval()


def state_of(recipe: Recipe = TINY, seed: int = 0) -> dict[str, Tensor]:
    """Give seeded weights under the names of published files."""
    reader = recipe.reader() or PLAIN
    shape = reader.settings().shape
    return recipe.state(seeded(recipe.build(in_channels=reader.n_channels, shape=shape), seed))


def saved(state: object, folder: Path, name: str = "weights.pth") -> Path:
    torch.save(state, folder / name)
    return folder / name


def heads(n: int) -> pd.Series:
    """Images of a bright ball, each a little other than the one before."""
    rng = np.random.default_rng(0)
    x, y, z = np.ogrid[-1:1:20j, -1:1:20j, -1:1:16j]
    ball = x**2 + y**2 + z**2 < 0.8
    cells = [np.where(ball, rng.normal(35, 8, ball.shape) + k, -1000.0) for k in range(n)]
    images = [nib.Nifti1Image(cell, np.diag([2.0, 2.0, 2.0, 1.0])) for cell in cells]
    return pd.Series(images, index=[f"P{k}" for k in range(n)], name="scan")
