"""Volumes on RAS axes as networks have them that were trained on others."""

from __future__ import annotations

from torch import Tensor

# Which of our axes a letter is of, and the letters that run the other way.
_AXIS = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}
_AGAINST = "LPI"


def turned(volumes: Tensor, axes: str) -> Tensor:
    """Permute and flip the last three axes from RAS to others.

    Parameters
    ----------
    volumes : Tensor of shape (..., X, Y, Z)
        On RAS axes, as a `VolumeReader` gives them.
    axes : str
        Three letters, where each axis runs to: ``"SPL"`` is first to superior, then to posterior,
        last to the left.

    Returns
    -------
    Tensor
        The same voxels.
    """
    first = volumes.ndim - 3
    order = [first + _AXIS[letter] for letter in axes]
    flips = [first + k for k, letter in enumerate(axes) if letter in _AGAINST]
    return volumes.permute(*range(first), *order).flip(flips)


def turned_back(volumes: Tensor, axes: str) -> Tensor:
    """Permute and flip the last three axes to RAS, which undoes `turned`.

    Parameters
    ----------
    volumes : Tensor of shape (..., A, B, C)
        On other axes.
    axes : str
        As in `turned`.

    Returns
    -------
    Tensor
        The same voxels.
    """
    first = volumes.ndim - 3
    flips = [first + k for k, letter in enumerate(axes) if letter in _AGAINST]
    order = [0, 0, 0]
    for k, letter in enumerate(axes):
        order[_AXIS[letter]] = first + k
    return volumes.flip(flips).permute(*range(first), *order)


def order_of(sizes: tuple[int, int, int], axes: str) -> tuple[int, int, int]:
    """Give sizes along X, Y and Z in the order of other axes."""
    first, second, third = (sizes[_AXIS[letter]] for letter in axes)
    return first, second, third
