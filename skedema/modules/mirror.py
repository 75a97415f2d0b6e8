"""Volumes as they look mirrored left to right."""

from __future__ import annotations

from torch import Tensor


def mirrored(volumes: Tensor) -> Tensor:
    """Mirror volumes left to right.

    Parameters
    ----------
    volumes : Tensor of shape (..., X, Y, Z)
        On RAS axes, as a `VolumeReader` gives them: x runs from left to right.

    Returns
    -------
    Tensor of shape (..., X, Y, Z)
        A new tensor.
    """
    return volumes.flip(-3)
