"""Networks of images too small to be of use, and scans for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from skedema import VolumeReader

SIDE, N_SLICES = 28, 4
READER = VolumeReader(spacing=8, shape=(16, 16, N_SLICES), windows=["brain", "subdural", "bone"])
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
SIZES: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": SIDE,
    "patch_size": 14,
}


def seeded(network: nn.Module, seed: int = 0) -> nn.Module:
    """Give every weight a number that no initialiser has."""
    generator = torch.Generator().manual_seed(seed)
    for value in network.state_dict().values():
        if value.is_floating_point():
            value.copy_(0.3 * torch.randn(value.shape, generator=generator))
    return network.eval()


def dinov2(folder: Path, prepared: bool = True, **sizes: Any) -> nn.Module:
    """Write a network of transformers, and how its images are prepared."""
    from transformers import Dinov2Config, Dinov2Model

    network = seeded(Dinov2Model(Dinov2Config(**(SIZES | sizes))))
    network.save_pretrained(folder)
    if prepared:
        told = {"image_mean": MEAN, "image_std": STD, "crop_size": {"height": SIDE, "width": SIDE}}
        (folder / "preprocessor_config.json").write_text(json.dumps(told))
    return network


def patients(n: int = 24) -> tuple[pd.DataFrame, np.ndarray]:
    """Make scans of which half have something bright in a slice, and one patient without."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    scans = [rng.normal(30, 4, (16, 16, N_SLICES)) for _ in y]
    for scan, label in zip(scans, y, strict=True):
        scan[4:9, 4:9, rng.integers(N_SLICES)] += 40 * label
    X = pd.DataFrame({"scan": pd.Series(scans, dtype=object), "age": rng.normal(60, 9, n)})
    X.loc[5, "scan"] = None
    return X, y
