"""HU windows: the ranges of CT numbers that become channels."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Window: TypeAlias = str | tuple[float, float]

#: Width and level (centre) in HU. Brain and subdural as head CT is customarily viewed; stroke
#: narrows the brain window to set oedematous grey matter off (the effect of narrow windows:
#: Lev et al., Radiology 1999, 213(1):150-155); bone spans skull and air cells, bone_wide
#: the densest bone as well (brain, subdural and bone_wide are what encoders of head CT were trained
#: on: FM-HCT, arXiv:2502.02779; HLIP, arXiv:2505.21862).
WINDOWS: dict[str, tuple[float, float]] = {
    "brain": (80.0, 40.0),
    "stroke": (40.0, 40.0),
    "subdural": (200.0, 80.0),
    "bone": (2000.0, 600.0),
    "bone_wide": (2800.0, 600.0),
}

_REMEDY = (
    f"give a name ({', '.join(WINDOWS)}), a pair (width, level) in HU, a sequence of these, "
    "or None for raw intensities"
)


def resolve_windows(windows: Window | Sequence[Window] | None) -> tuple[tuple[float, float], ...]:
    """Turn the parameter `windows` into ranges.

    Parameters
    ----------
    windows : str, (width, level), sequence of these, or None
        As in `VolumeReader`.

    Returns
    -------
    tuple of (lower, upper)
        One range in HU a channel, level - width / 2 to level + width / 2; empty for None.

    Raises
    ------
    TypeError, ValueError
        If it is none of these; the message names the nearest known name.

    Examples
    --------
    >>> resolve_windows(["brain", (200, 80)])
    ((0.0, 80.0), (-20.0, 180.0))
    """
    if windows is None:
        return ()
    if isinstance(windows, str) or _is_pair(windows):
        return (_range(windows),)
    if not isinstance(windows, Iterable):
        raise TypeError(f"windows={windows!r} is not a window; {_REMEDY}")
    ranges = tuple(_range(window) for window in windows)
    if not ranges:
        raise ValueError(f"windows={windows!r} is empty; {_REMEDY}")
    return ranges


def range_name(lower: float, upper: float) -> str:
    """Name a range of HU for people, by its window where it has one.

    Examples
    --------
    >>> range_name(0, 80), range_name(-20.5, 100)
    ('brain (0 to 80 HU)', '-20.5 to 100 HU')
    """
    values = f"{lower:g} to {upper:g} HU"
    for name in WINDOWS:
        if _range(name) == (lower, upper):
            return f"{name} ({values})"
    return values


def to_channels(
    hu: NDArray[np.float32], ranges: Sequence[tuple[float, float]]
) -> NDArray[np.float32]:
    """Map HU to 0 to 1 in each range, clipped; without ranges, one channel as it is."""
    if not ranges:
        return hu[None]
    channels = np.empty((len(ranges), *hu.shape), dtype=np.float32)
    for channel, (lower, upper) in zip(channels, ranges, strict=True):
        np.subtract(hu, np.float32(lower), out=channel)
        channel /= np.float32(upper - lower)
        np.clip(channel, 0, 1, out=channel)
    return channels


def _is_pair(window: Any) -> bool:
    return (
        isinstance(window, Iterable)
        and len(values := list(window)) == 2
        and all(isinstance(value, Real) for value in values)
    )


def _range(window: Any) -> tuple[float, float]:
    if isinstance(window, str):
        if window not in WINDOWS:
            near = difflib.get_close_matches(window.lower(), WINDOWS, n=1, cutoff=0.5)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ValueError(f"windows: {window!r} is not a known name{hint}; {_REMEDY}")
        window = WINDOWS[window]
    if not _is_pair(window):
        raise TypeError(f"windows: {window!r} is not a window; {_REMEDY}")
    width, level = (float(value) for value in window)
    if not (np.isfinite([width, level]).all() and width > 0):
        raise ValueError(
            f"windows: ({width:g}, {level:g}) is not a (width, level) pair in HU; "
            "both are finite and the width is positive"
        )
    return level - width / 2, level + width / 2
