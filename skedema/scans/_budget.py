"""How much memory a scan may take: one bound for every format, checked before any is taken."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np

from skedema.scans.errors import ScanError

#: 2 GiB, float32 of 1024 x 1024 x 512 voxels or 512 x 512 x 2048: a head CT has up to
#: 512 x 512 x 600 (0.6 GB), a whole body about 512 x 512 x 1500 (1.6 GB). Reading takes at most
#: three times the array, which a machine of 8 GB still bears.
DEFAULT_MAX_BYTES = 2**31

_NO_MACHINE_HAS = 2**40


def checked_max_bytes(max_bytes: Any) -> int:
    """Give the bound as a whole number of bytes."""
    if not isinstance(max_bytes, Real) or isinstance(max_bytes, bool | np.bool_):
        raise TypeError(f"max_bytes={max_bytes!r}: give the most bytes that a scan may take")
    number = float(max_bytes)
    if not 1 <= number < math.inf:
        raise ValueError(f"max_bytes={max_bytes!r}: give 1 byte or more, such as 2**31")
    return int(number)


def check_budget(
    shape: tuple[int, ...], held: np.dtype[Any], name: str, max_bytes: int, more: int = 0
) -> None:
    """Refuse a scan of so many voxels, held so, and of so many bytes more, that is too large.

    The message says by how much, and how to allow it.
    """
    n_voxels = math.prod(shape)
    n_bytes = n_voxels * held.itemsize + more
    if n_bytes > max_bytes:
        raise ScanError(
            f"{name}: has {n_voxels:,} voxels, its shape is {shape}, and would take {n_bytes:,} "
            f"bytes of memory as {held.name}; at most {max_bytes:,} are taken: crop it, or restore "
            f"the file if that is wrong{or_allow(n_bytes)}"
        )


def or_allow(n_bytes: int) -> str:
    """Say how to let a scan take so many bytes."""
    if n_bytes > _NO_MACHINE_HAS:
        return ""
    how = f"max_bytes={n_bytes}"
    return f"; where it is right, allow it by VolumeReader({how}) or load_scan(scan, {how})"
