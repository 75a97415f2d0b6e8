"""From the positions of slices to an affine, and to depths where they are not evenly spaced."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skedema.scans.errors import ScanError

#: Slices nearer than this (mm) are at one place: no scanner steps as little.
SAME = 0.01

#: Slices that lie this near (mm) to even steps are evenly spaced.
EVEN = 0.01

#: How far (mm) slices may lie off the line that they are stacked along.
STRAIGHT = 0.1

#: Largest angle (degrees) between that line and the slices' normal; gantries tilt to 30.
LARGEST_TILT = 45.0

#: Slices are missing where a step is longer than so many times the usual step there: one slice
#: left out doubles it.
MISSING = 1.8

#: The usual step is the median of the five steps around it, so that a series may change its step
#: (3 mm at the skull base, 7 above); it is never taken to be longer than this (mm).
LONGEST_USUAL = 10.0


def unit_axes(orientation: NDArray[np.float64], label: str) -> NDArray[np.float64]:
    """Give the directions along a slice's rows, along its columns, and their normal, one a row.

    They come from ImageOrientationPatient (PS3.3, C.7.6.2.1.1), shape (6,), which must be of two
    unit vectors at right angles up to rounding.
    """
    row, column = orientation.reshape(2, 3)
    lengths = np.linalg.norm([row, column], axis=1)
    if not np.allclose(lengths, 1, atol=2e-3) or abs(row @ column) > 2e-3:
        raise ScanError(
            f"{label}: ImageOrientationPatient {orientation.round(4).tolist()} is not two unit "
            "vectors at right angles; export the exam again"
        )
    row = row / lengths[0]
    column = column - (column @ row) * row
    column /= np.linalg.norm(column)
    return np.array([row, column, np.cross(row, column)])


def stack(
    positions: NDArray[np.float64],
    axes: NDArray[np.float64],
    spacing: NDArray[np.float64],
    labels: Sequence[str],
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Put slices together: their affine, and depths where they are not evenly spaced.

    The affine leads from voxels to RAS in mm, depths are those of `Scan`. Voxel (i, j, k) is column
    i, row j of slice k. Where the gantry was tilted, slices slide sideways as they go on: the third
    column of the affine is their mean step, as their positions say, whatever the tag of the tilt
    says.

    `positions` (n, 3) are those of ImagePositionPatient (centre of the first voxel, mm, LPS),
    sorted along the normal, no two at one place, n >= 2; `axes` those of `unit_axes`; `spacing` is
    PixelSpacing, between rows, then between columns (mm).
    """
    heights = positions @ axes[2]
    middle, centred = positions.mean(axis=0), heights - heights.mean()
    # Least squares; what goes along the normal is exact: 1 mm a mm.
    slide = centred @ (positions - middle) / (centred @ centred)
    off = np.linalg.norm(positions - middle - np.outer(centred, slide), axis=1)
    if off.max() > STRAIGHT:
        raise ScanError(
            f"{labels[int(off.argmax())]}: lies {off.max():.2f} mm beside the line of the other "
            "slices; give the list of files of one straight series"
        )
    tilt = np.degrees(np.arccos(np.clip(1 / np.linalg.norm(slide), -1, 1)))
    if tilt > LARGEST_TILT:
        raise ScanError(
            f"{labels[0]}: the slices slide sideways, by an angle of {tilt:.0f} degrees; "
            "give an axial series"
        )
    step = (heights[-1] - heights[0]) / (len(heights) - 1)
    affine = np.eye(4)
    affine[:3, 0] = axes[0] * spacing[1]
    affine[:3, 1] = axes[1] * spacing[0]
    affine[:3, 2] = slide * step
    affine[:3, 3] = middle + centred[0] * slide
    affine[:2] *= -1  # LPS to RAS
    depths = (heights - heights[0]) / step
    if np.abs(depths - np.arange(len(depths))).max() * step <= EVEN:
        return affine, None
    return affine, depths


def find_gaps(heights: NDArray[np.float64]) -> list[tuple[int, float]]:
    """Find where slices are missing, by the steps between the others (rising heights in mm).

    Gives the slice below each gap, and the usual step there in mm.
    """
    steps = np.diff(heights)
    gaps = []
    for k, step in enumerate(steps.tolist()):
        usual = min(float(np.median(steps[max(0, k - 2) : k + 3])), LONGEST_USUAL)
        if step > MISSING * usual:
            gaps.append((k, usual))
    return gaps
