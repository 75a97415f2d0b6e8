"""What voxels must be, whatever holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skedema.scans._budget import check_budget
from skedema.scans.errors import ScanError

# Few voxels may well be equal in a test or an example, a whole head is not.
_MAY_BE_EQUAL = 1000
_PIECE = 2**18


def check_type(dtype: np.dtype[Any], name: str) -> None:
    if dtype.kind in "iuf" and dtype.itemsize <= 8:
        return
    kinds = {
        "c": "complex numbers",
        "b": "true and false",
        "V": "colours (RGB) or records",
        "O": "Python objects",
        "f": "floats of 128 bits",
    }
    what = kinds.get(dtype.kind, f"{dtype} values")
    raise ScanError(f"{name}: holds {what}; give one real number (HU) a voxel")


def axes_of_volume(shape: Sequence[int]) -> list[int]:
    """Leave out axes of length 1 beyond three: the last ones (time), then the first (channels)."""
    axes = list(range(len(shape)))
    for end in (-1, 0):
        while len(axes) > 3 and shape[axes[end]] == 1:
            axes.pop(end)
    return axes


def check_shape(shape: tuple[int, ...], name: str, one: str = "image.slicer[..., 0]") -> None:
    """Three axes with voxels on each, and perhaps more axes of length 1.

    `one` is what gives one of several volumes.
    """
    if len(shape) < 3 or set(shape[3:]) - {1}:
        if len(shape) == 4 and shape[0] == 1:
            one = "array[0]"  # channels first, as networks want it
        many = f"; give one volume, e.g. {one}" if len(shape) > 3 else ""
        few = "; give a volume" if len(shape) < 3 else ""
        raise ScanError(
            f"{name}: has {len(shape)} dimensions {shape}, a scan has 3 (X, Y, Z){many}{few}"
        )
    if min(shape) <= 0:
        raise ScanError(f"{name}: has no voxels, its shape is {shape}; convert it again")


def numeric(array: NDArray[Any], name: str) -> NDArray[Any]:
    check_type(array.dtype, name)
    if isinstance(array, np.ma.MaskedArray):
        raise ScanError(f"{name}: a masked array; fill it first, e.g. .filled(-1024)")
    return array


def as_volume(array: NDArray[Any], name: str, max_bytes: int) -> NDArray[np.float32]:
    """Check that the array is one finite 3-D volume; return it as float32."""
    array = numeric(array, name)
    check_shape(array.shape, name)
    check_budget(array.shape, np.dtype(np.float32), name, max_bytes)
    array = array.reshape(array.shape[:3])
    with np.errstate(over="ignore"):
        volume = np.asarray(array, dtype=np.float32)
    if array.dtype.kind == "f":
        check_finite(volume, name)
    return volume


def check_finite(volume: NDArray[np.float32], name: str) -> None:
    flat = volume.ravel(order="K")
    count = 0
    for start in range(0, flat.size, _PIECE):  # a mask of all voxels would take memory
        piece = flat[start : start + _PIECE]
        count += piece.size - int(np.isfinite(piece).sum())
    if count:
        raise ScanError(
            f"{name}: {count} voxels are NaN, infinite or too large for float32; "
            "set them to a number first, -1024 HU for air"
        )


def check_not_blank(flat: NDArray[Any], name: str) -> None:
    """Refuse a file whose voxels, given in one row, are all the same."""
    if flat.size <= _MAY_BE_EQUAL:
        return
    first = flat[0]
    for start in range(0, flat.size, _PIECE):
        if (flat[start : start + _PIECE] != first).any():
            return
    raise ScanError(
        f"{name}: is blank, all {flat.size:,} voxels are {first}; "
        "convert it again, or leave the scan out"
    )
