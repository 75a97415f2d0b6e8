"""What is odd about a scan, alone and beside the others of its cohort."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skedema.scans.scan import Scan

_HEAD = (100.0, 350.0)  # mm, extent of a head's field of view
_THICK, _WIDE = 10.0, 2.0  # mm, slices and pixels above which a head CT is unusual
_FEW = 8  # slices
_OBLIQUE, _TILTED = 5.0, 1.0  # degrees
_BONE, _SENSELESS = 200.0, 10_000.0  # HU: bone reaches beyond the one, metal stays below the other
_UNEVEN = 0.01  # of the usual distance of slices

_AGREE, _ALIKE, _COHORT = 0.9, 0.05, 10  # share that agree, how closely, in at least so many scans


def degrees(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Angle between two lines."""
    across, along = np.linalg.norm(np.cross(a, b)), abs(float(a @ b))
    return float(np.degrees(np.arctan2(across, along)))


def odd_values(low: float, high: float) -> list[str]:
    if low == high:
        return [f"constant image: every voxel is {low:g} HU; replace the scan"]
    found = []
    if high < _BONE:
        found.append(
            f"highest value {high:g} HU: bone and air are clipped, or this is no CT; "
            "take the original scan if there is one"
        )
    elif high > _SENSELESS:
        found.append(f"highest value {high:g} HU: not even metal reads so; see its slope")
    if low >= 0:
        found.append(
            f"lowest value {low:g} HU: no air; was the rescale intercept not applied? "
            "Convert the scan again"
        )
    return found


def odd_geometry(scan: Scan, row: dict[str, Any]) -> list[str]:
    found = []
    if min(row["shape"]) < _FEW:
        found.append(f"few slices: {' x '.join(map(str, row['shape']))} voxels")
    if scan.affine is None:
        found.append("no geometry: left and right cannot be told, and sizes in mm are not known")
        return found
    spacing = np.array(row["spacing"])
    extent = spacing * row["shape"]
    if scan.depths is not None and len(scan.depths) > 1:
        steps = np.diff(scan.depths) * np.linalg.norm(scan.affine[:3, 2])
        extent[2] = steps.sum() + spacing[2]
        if np.ptp(steps) > _UNEVEN * spacing[2]:
            found.append(f"uneven slices: {steps.min():.2f} to {steps.max():.2f} mm apart")
    if (extent < _HEAD[0]).any() or (extent > _HEAD[1]).any():
        sizes = " x ".join(f"{mm:.0f}" for mm in extent)
        found.append(
            f"field of view {sizes} mm, where a head's is {_HEAD[0]:g} to {_HEAD[1]:g} mm a side: "
            "another body part, a part of the head, or wrong sizes"
        )
    slices = 2 if spacing[2] >= spacing.max() * 0.99 else int(spacing.argmax())
    if spacing[slices] > _THICK:
        found.append(f"thick slices: {spacing[slices]:g} mm")
    pixels = np.delete(spacing, slices)
    if pixels.max() > _WIDE:
        found.append(f"wide pixels: {pixels[0]:g} x {pixels[1]:g} mm")
    axes = scan.affine[:3, :3] / np.linalg.norm(scan.affine[:3, :3], axis=0)
    oblique = float(np.degrees(np.arccos(np.clip(np.abs(axes).max(axis=0).min(), 0, 1))))
    if oblique > _OBLIQUE:
        found.append(f"oblique by {oblique:.1f} degrees to the patient's axes")
    if row["tilt"] > _TILTED:
        found.append(f"tilted gantry: the slices lean by {row['tilt']:.1f} degrees")
    return found


def duplicates(rows: list[dict[str, Any]], labels: Sequence[Any]) -> None:
    """Add a finding to rows with the same file content, or else with the same voxels."""
    seen: set[frozenset[int]] = set()
    for key, what in (("checksum", "file content"), ("voxels", "voxels")):
        groups = defaultdict(list)
        for k, row in enumerate(rows):
            if row[key] is not None:
                groups[row[key]].append(k)
        for group in groups.values():
            if len(group) < 2 or frozenset(group) in seen:
                continue
            seen.add(frozenset(group))
            for k in group:
                others = [other for other in group if other != k]
                names = ", ".join(f"{rows[o]['scan']} (row {labels[o]!r})" for o in others[:3])
                more = f" and {len(others) - 3} more" if len(others) > 3 else ""
                rows[k]["findings"].append(f"duplicate: the same {what} as {names}{more}")


def outliers(rows: list[dict[str, Any]], column: str, what: str) -> None:
    """Add a finding to rows that differ from nearly all others along an axis."""
    sized = [row for row in rows if row[column] is not None]
    if len(sized) < _COHORT:
        return
    values = np.array([row[column] for row in sized], dtype=np.float64)
    usual = np.median(values, axis=0)
    alike = np.abs(values - usual) <= _ALIKE * usual
    share = alike.sum(axis=0) / (len(sized) - 1)  # of the others, for a row that is not alike
    for row, value, same in zip(sized, values, alike, strict=True):
        axes = np.flatnonzero(~same & (share >= _AGREE))
        if len(axes):
            near = ", ".join(f"{usual[axis]:g} along axis {axis}" for axis in axes)
            row["findings"].append(
                f"unlike the cohort: {what} {' x '.join(f'{n:g}' for n in value)}, "
                f"where {share[axes].min():.0%} of the others have about {near}"
            )
