"""From what is wanted to a network with its weights, and how scans are read for it."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.base import clone

from skedema.encoders.slices.backbone import Backbone, Wanted
from skedema.encoders.slices.of_timm import load_timm
from skedema.encoders.slices.of_transformers import load_transformers
from skedema.scans import VolumeReader

_LOADERS = {"timm": load_timm, "transformers": load_transformers}
_N_SLICES = 32
_PLANE, _HEIGHT = 224.0, 160.0  # mm
_WINDOWS: dict[int, Any] = {1: "brain", 3: ["brain", "subdural", (2800, 600)]}


def load(wanted: Wanted) -> Backbone:
    """Make a network by its library, and give it its weights."""
    return _LOADERS[wanted.library](wanted)


def reader_for(
    backbone: Backbone, volume: VolumeReader | None, n_slices: int | None
) -> VolumeReader:
    """Tell how scans are read for a network: as `volume` says, or as it takes images.

    Raises
    ------
    ValueError
        When `volume` has other channels or another number of slices, or nobody knows the windows.
    """
    if volume is None:
        windows = _WINDOWS.get(backbone.channels)
        if windows is None:
            raise ValueError(
                f"The network takes {backbone.channels} channels, for which there are no usual "
                "windows: give volume=VolumeReader(windows=[...], ...) with so many."
            )
        side, n = backbone.size, int(n_slices or _N_SLICES)
        spacing = (_PLANE / side, _PLANE / side, _HEIGHT / n)
        return VolumeReader(spacing=spacing, shape=(side, side, n), windows=windows)
    found = int(volume.settings().shape[2])
    if n_slices not in (None, found):
        raise ValueError(
            f"n_slices={n_slices}, and volume= reads {found}: leave n_slices=None, or give a "
            "volume of that shape."
        )
    if volume.n_channels not in (1, backbone.channels):
        raise ValueError(
            f"volume= gives {volume.n_channels} channels, and the network takes "
            f"{backbone.channels}: give as many windows, or one, which is shown in all."
        )
    copied: VolumeReader = clone(volume)
    return copied


def width_of(backbone: Backbone) -> int:
    """Give the number of features of an image.

    Raises
    ------
    ValueError
        When it cannot take one of its size, or they are not the image's own.
    """
    shape, title = (1, backbone.channels, backbone.size, backbone.size), backbone.origin["title"]
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    try:
        with torch.inference_mode():
            first, second = backbone.module(image), backbone.module(image)
    except Exception as error:
        raise ValueError(
            f"{title} cannot take an image of {shape[2]} x {shape[3]} pixels: {error}. Give size= "
            "as it was trained on."
        ) from error
    if first.ndim != 2 or not torch.equal(first, second):
        what = "no vector an image" if first.ndim != 2 else "other features each time"
        raise ValueError(
            f"{title} gives {what}, so that it is no encoder. Of a masked autoencoder, take the "
            'encoder alone, such as by arguments={"model_type": "vit"}.'
        )
    return int(first.shape[1])
