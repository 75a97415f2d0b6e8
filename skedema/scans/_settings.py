"""The parameters of a `VolumeReader`, validated."""

from __future__ import annotations

import os
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, NamedTuple, get_args

import numpy as np

from skedema.scans._budget import checked_max_bytes
from skedema.scans.errors import ScanError
from skedema.scans.files import checked_acquisition
from skedema.scans.grid.kinds import Kind
from skedema.scans.grid.resampling import extent_and_middle
from skedema.scans.head.prepare import Preparation
from skedema.scans.head.template import SHAPE, SPACING
from skedema.scans.scan import Scan
from skedema.scans.windows import range_name, resolve_windows

Triple = tuple[float, float, float]

_LINEAR: tuple[Kind, Kind, Kind] = ("linear", "linear", "linear")
_WORDS = {"cubic": "cubic splines", "area": "area", "nearest": "nearest voxel", "linear": "linear"}


class ReaderSettings(NamedTuple):
    """The parameters of a `VolumeReader` in one spelling, validated: equal means equal volumes.

    A new one gets a default, which changes nothing; see `identity`.
    """

    spacing: Triple | None
    shape: tuple[int, int, int]
    ranges: tuple[tuple[float, float], ...]
    head_margin: float | None
    skull_strip: bool
    align: bool
    template: str | None
    brain_hu: float | None
    acquisition: int | None
    square: bool = False
    axes: str = "patient"
    first_spacing: Triple | None = None
    crop: float | None = None
    window_first: bool = False
    interpolation: tuple[Kind, Kind, Kind] = _LINEAR

    @property
    def identity(self) -> tuple[Any, ...]:
        """Give all that decides volumes, so that what was kept before a setting was known is found.

        Those with a default are named, where they differ from it.
        """
        usual = self._field_defaults
        changed = [(name, getattr(self, name)) for name in usual]
        first = len(self) - len(usual)
        return *self[:first], *((name, value) for name, value in changed if value != usual[name])

    @property
    def preparation(self) -> Preparation:
        """What `prepare` takes."""
        return Preparation(**{name: getattr(self, name) for name in Preparation._fields})

    def spacing_on(self, scan: Scan) -> Triple | None:
        """Give the size of the grid's voxels on a scan, None where it is stretched over it."""
        if not self.square:
            return self.spacing
        if scan.affine is None:
            raise ScanError(
                'spacing="square" needs the size of its voxels, and it has no geometry; give a '
                "NIfTI file or image, or use spacing=None"
            )
        extent, _ = extent_and_middle(scan.voxels.shape, scan.depths)
        steps = np.abs(scan.affine[:3, :3]) @ extent / self.shape
        x = y = float(steps[:2].max())
        return x, y, float(steps[2])

    def summary(self) -> str:
        """Say in one line what reading does."""
        spacing, shape = self.spacing, self.shape
        if spacing is not None:
            extent = [round(n * mm, 1) for n, mm in zip(shape, spacing, strict=True)]
            size = f"of {_times(_short(spacing))} mm ({_times(extent)} mm)"
        else:
            size = f"over each scan's field of view{', made square' if self.square else ''}"
        windows = ", ".join(range_name(*each) for each in self.ranges)
        channels = f"windows {windows}" if windows else "intensities as they are"
        grid = f"RAS grid of {_times(shape)} voxels {size}"
        if self.interpolation != _LINEAR:
            grid += f" by {' x '.join(_WORDS[kind] for kind in _short(self.interpolation))}"
        late = ", each before it is brought there" if self.window_first else ""
        return f"{self._before()}{grid}, {channels}{late}"

    def _before(self) -> str:
        margin, brain_hu = self.head_margin, self.brain_hu
        text = "along each scan's own axes, " if self.axes == "scan" else ""
        if self.first_spacing is not None:
            text += f"first {_times(_short(self.first_spacing))} mm by cubic splines, "
        text += "" if margin is None else f"cropped to the head and {margin:g} mm around it, "
        text += "brain only, " if self.skull_strip else ""
        text += "head upright, " if self.align else ""
        text += "heads upright, brain only, of one size, " if self.template else ""
        text += "" if self.crop is None else f"cropped to what is above {self.crop:g} HU, "
        return text + ("" if brain_hu is None else f"its median at {brain_hu:g} HU, ")


def reader_settings(reader: Any) -> ReaderSettings:
    """Validate the parameters of a reader; an error names the parameter and the remedy."""
    square = isinstance(reader.spacing, str) and reader.spacing == "square"
    spacing, shape = _grid(None if square else reader.spacing, reader.shape, reader.template)
    margin = _number("head_margin", reader.head_margin, "0 mm or more around the head")
    if margin is not None and margin < 0:
        raise ValueError(f"head_margin={margin!r}: give 0 mm or more, or None")
    brain_hu = _number("brain_hu", reader.brain_hu, "the HU of a brain's median, such as 35")
    for name in ("skull_strip", "align", "window_first"):
        if not isinstance(getattr(reader, name), bool | np.bool_):
            raise TypeError(f"{name}={getattr(reader, name)!r}: give True or False")
    if reader.align and spacing is None:
        raise ValueError(f"align=True needs a spacing in mm, not spacing={reader.spacing!r}")
    ranges = resolve_windows(reader.windows)
    if reader.window_first and not ranges:
        raise ValueError("window_first=True needs windows, not windows=None")
    first = reader.first_spacing
    settings = ReaderSettings(
        spacing,
        shape,
        ranges,
        margin,
        bool(reader.skull_strip),
        bool(reader.align),
        reader.template,
        brain_hu,
        checked_acquisition(reader.acquisition),
        square=square,
        axes=_one_of("axes", reader.axes, ("patient", "scan")),
        first_spacing=None if first is None else _triple("first_spacing", first, Real),
        crop=_threshold(reader.crop),
        window_first=bool(reader.window_first) and len(ranges) > 1,
        interpolation=_kinds(reader.interpolation),
    )
    _check_template(settings, reader.spacing)
    _check_together(settings)
    checked_max_bytes(reader.max_bytes)
    if reader.remote is not None and not isinstance(reader.remote, str | os.PathLike):
        raise TypeError(f"remote={reader.remote!r}: give a folder for copies of scans, or None")
    return settings


def _check_template(settings: ReaderSettings, spacing: object) -> None:
    if settings.template is None:
        if settings.brain_hu is not None:
            raise ValueError(f'brain_hu={settings.brain_hu:g} needs template="head"')
    elif settings.template != "head":
        raise ValueError(f'template={settings.template!r}: give "head" or None')
    elif settings.spacing is None:
        raise ValueError(f'template="head" needs a spacing in mm, not spacing={spacing!r}')
    elif settings.head_margin is not None or settings.skull_strip or settings.align:
        raise ValueError(
            'template="head" crops, strips and aligns by itself: leave head_margin, skull_strip '
            "and align at their defaults"
        )


def _check_together(settings: ReaderSettings) -> None:
    """Refuse what contradicts: heads that are turned, and what goes along a scan's own axes."""
    own = ("axes", "first_spacing", "crop", "interpolation")
    changed = [name for name in own if getattr(settings, name) != settings._field_defaults[name]]
    if changed and (settings.align or settings.template):
        turning = "align=True" if settings.align else 'template="head"'
        raise ValueError(
            f"{turning} turns heads and places the grid by them: leave {', '.join(changed)} at the "
            f"default, or {'align' if settings.align else 'template'}"
        )
    if settings.crop is not None and settings.head_margin is not None:
        raise ValueError("crop and head_margin both crop: leave one of them None")
    if settings.axes == "patient":
        for name in ("first_spacing", "interpolation"):
            if name in changed:
                raise ValueError(
                    f"{name}={_given(getattr(settings, name))} goes along the axes of the scan, "
                    f'which may be oblique: give axes="scan" with it, or leave {name} at its '
                    "default"
                )


def _grid(spacing: Any, shape: Any, template: object) -> tuple[Triple | None, tuple[int, int, int]]:
    usual_spacing, usual_shape = ((2.25,) * 3, (96,) * 3) if template is None else (SPACING, SHAPE)
    if isinstance(spacing, str) and spacing == "auto":
        spacing = usual_spacing
    if isinstance(shape, str) and shape == "auto":
        shape = usual_shape
    known = None if spacing is None else _triple("spacing", spacing, Real)
    return known, _triple("shape", shape, Integral)


def _threshold(crop: Any) -> float | None:
    if isinstance(crop, str):
        if crop != "foreground":
            raise ValueError(f'crop={crop!r}: give "foreground", a number of HU, or None')
        return 0.0
    return _number("crop", crop, '"foreground", a number of HU')


def _kinds(interpolation: Any) -> tuple[Kind, Kind, Kind]:
    known = get_args(Kind)
    many = isinstance(interpolation, Iterable) and not isinstance(interpolation, str)
    kinds = tuple(interpolation) if many else (interpolation,) * 3
    if len(kinds) != 3:
        raise ValueError(f"interpolation={interpolation!r}: give one, or three (x, y, z)")
    x, y, z = (_one_of("interpolation", kind, known) for kind in kinds)
    return x, y, z


def _one_of(name: str, value: Any, known: tuple[Any, ...]) -> Any:
    if value not in known:
        choices = ", ".join(f'"{each}"' for each in known[:-1])
        raise ValueError(f'{name}: {value!r} is not known; give {choices} or "{known[-1]}"')
    return value


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


def _short(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """One where all three are the same."""
    return values[:1] if len(set(values)) == 1 else values


def _given(values: tuple[Any, ...]) -> str:
    short = _short(values)
    return repr(short[0] if len(short) == 1 else short)


def _times(numbers: Iterable[float]) -> str:
    return " x ".join(f"{number:g}" for number in numbers)
