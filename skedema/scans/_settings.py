"""The parameters of a `VolumeReader`, validated."""

from __future__ import annotations

import os
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from skedema.scans._budget import checked_max_bytes
from skedema.scans.files import checked_acquisition
from skedema.scans.head.template import SHAPE, SPACING
from skedema.scans.windows import resolve_windows


class ReaderSettings(NamedTuple):
    """The parameters of a `VolumeReader` in one spelling, validated: equal means equal volumes."""

    spacing: tuple[float, float, float] | None
    shape: tuple[int, int, int]
    ranges: tuple[tuple[float, float], ...]
    head_margin: float | None
    skull_strip: bool
    align: bool
    template: str | None
    brain_hu: float | None
    acquisition: int | None

    @property
    def preparation(self) -> tuple[Any, ...]:
        """What `prepare` takes."""
        return self.head_margin, self.skull_strip, self.align, self.template, self.brain_hu

    def before(self) -> str:
        """Say what is done to a scan before it is brought onto the grid."""
        margin, brain_hu = self.head_margin, self.brain_hu
        text = "" if margin is None else f"cropped to the head and {margin:g} mm around it, "
        text += "brain only, " if self.skull_strip else ""
        text += "head upright, " if self.align else ""
        text += "heads upright, brain only, of one size, " if self.template else ""
        return text + ("" if brain_hu is None else f"its median at {brain_hu:g} HU, ")


def reader_settings(reader: Any) -> ReaderSettings:
    """Validate the parameters of a reader; an error names the parameter and the remedy."""
    spacing, shape = _grid(reader.spacing, reader.shape, reader.template)
    margin = _number("head_margin", reader.head_margin, "0 mm or more around the head")
    if margin is not None and margin < 0:
        raise ValueError(f"head_margin={margin!r}: give 0 mm or more, or None")
    brain_hu = _number("brain_hu", reader.brain_hu, "the HU of a brain's median, such as 35")
    for name in ("skull_strip", "align"):
        if not isinstance(getattr(reader, name), bool | np.bool_):
            raise TypeError(f"{name}={getattr(reader, name)!r}: give True or False")
    if reader.align and spacing is None:
        raise ValueError("align=True needs a spacing in mm, not spacing=None")
    settings = ReaderSettings(
        spacing,
        shape,
        resolve_windows(reader.windows),
        margin,
        bool(reader.skull_strip),
        bool(reader.align),
        reader.template,
        brain_hu,
        checked_acquisition(reader.acquisition),
    )
    _check_template(settings)
    checked_max_bytes(reader.max_bytes)
    if reader.remote is not None and not isinstance(reader.remote, str | os.PathLike):
        raise TypeError(f"remote={reader.remote!r}: give a folder for copies of scans, or None")
    return settings


def _check_template(settings: ReaderSettings) -> None:
    if settings.template is None:
        if settings.brain_hu is not None:
            raise ValueError(f'brain_hu={settings.brain_hu:g} needs template="head"')
    elif settings.template != "head":
        raise ValueError(f'template={settings.template!r}: give "head" or None')
    elif settings.spacing is None:
        raise ValueError('template="head" needs a spacing in mm, not spacing=None')
    elif settings.head_margin is not None or settings.skull_strip or settings.align:
        raise ValueError(
            'template="head" crops, strips and aligns by itself: leave head_margin, skull_strip '
            "and align at their defaults"
        )


def _grid(
    spacing: Any, shape: Any, template: object
) -> tuple[tuple[float, float, float] | None, tuple[int, int, int]]:
    usual_spacing, usual_shape = ((2.25,) * 3, (96,) * 3) if template is None else (SPACING, SHAPE)
    if isinstance(spacing, str) and spacing == "auto":
        spacing = usual_spacing
    if isinstance(shape, str) and shape == "auto":
        shape = usual_shape
    known = None if spacing is None else _triple("spacing", spacing, Real)
    return known, _triple("shape", shape, Integral)


def _number(name: str, value: Any, what: str) -> float | None:
    if value is None:
        return None
    if not isinstance(value, Real) or isinstance(value, bool | np.bool_):
        raise TypeError(f"{name}={value!r}: give {what}, or None")
    if not np.isfinite(float(value)):
        raise ValueError(f"{name}={value!r}: give {what}, or None")
    return float(value)


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
