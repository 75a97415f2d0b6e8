"""The parameters of a `VolumeReader`, validated."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from skedema.scans._budget import checked_max_bytes
from skedema.scans.files import checked_acquisition
from skedema.scans.windows import resolve_windows


class ReaderSettings(NamedTuple):
    """The parameters of a `VolumeReader` in one spelling, validated: equal means equal volumes."""

    spacing: tuple[float, float, float] | None
    shape: tuple[int, int, int]
    ranges: tuple[tuple[float, float], ...]
    head_margin: float | None
    skull_strip: bool
    align: bool
    acquisition: int | None


def reader_settings(reader: Any) -> ReaderSettings:
    """Validate the parameters of a reader; an error names the parameter and the remedy."""
    spacing = None if reader.spacing is None else _triple("spacing", reader.spacing, Real)
    shape = _triple("shape", reader.shape, Integral)
    margin = reader.head_margin
    if margin is not None:
        if not isinstance(margin, Real) or isinstance(margin, bool | np.bool_):
            raise TypeError(f"head_margin={margin!r}: give mm around the head, or None")
        margin = float(margin)
        if not 0 <= margin < np.inf:
            raise ValueError(f"head_margin={margin!r}: give 0 mm or more, or None")
    for name in ("skull_strip", "align"):
        if not isinstance(getattr(reader, name), bool | np.bool_):
            raise TypeError(f"{name}={getattr(reader, name)!r}: give True or False")
    if reader.align and spacing is None:
        raise ValueError("align=True needs a spacing in mm, not spacing=None")
    checked_max_bytes(reader.max_bytes)
    acquisition = checked_acquisition(reader.acquisition)
    windows = resolve_windows(reader.windows)
    return ReaderSettings(
        spacing, shape, windows, margin, bool(reader.skull_strip), bool(reader.align), acquisition
    )


def _triple(name: str, value: Any, kind: type) -> tuple[Any, Any, Any]:
    """One number for all three axes, or three: positive and finite."""
    many = isinstance(value, Iterable) and not isinstance(value, str)
    values = tuple(value) if many else (value,) * 3
    unit, convert = ("a number of mm", float) if kind is Real else ("a whole number", int)
    remedy = f"give {unit} above 0, or three of them (x, y, z)"
    if not all(isinstance(v, kind) and not isinstance(v, bool | np.bool_) for v in values):
        raise TypeError(f"{name}={value!r}: {remedy}")
    if len(values) != 3 or not all(np.isfinite(v) and v > 0 for v in values):
        raise ValueError(f"{name}={value!r}: {remedy}")
    first, second, third = (convert(v) for v in values)
    return first, second, third
