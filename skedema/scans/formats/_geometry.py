"""Where voxels lie: the affine of an image, checked to be one that a scanner could have made."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skedema.scans._remarks import note
from skedema.scans.errors import ScanError, broken

Affine = NDArray[np.float64]

_MM_PER_UNIT = {"meter": 1000.0, "mm": 1.0, "micron": 0.001, "unknown": 1.0}

#: What a scanner can make, generously: mm between voxels, mm across, and mm from the origin.
#: Wrong units (meter or micron for mm) and damaged headers fall outside.
SPACING_MM = (0.05, 50.0)
MAX_EXTENT_MM = 2000.0
MAX_ORIGIN_MM = 1e5

#: Axes are at right angles but for the tilt of the gantry, 30 degrees at most. The volume of
#: the unit cell, 1 at right angles, is cos(60 degrees) here.
_MIN_CELL = 0.5

#: mm that statements on the same geometry may differ by.
TOLERANCE_MM = 1.0

_CORRECT = "correct the sform in the header, or convert the DICOM files again"


def check_affine(matrix: Any, shape: tuple[int, ...], name: str) -> Affine:
    """Check that an affine (voxel index to RAS mm) is invertible and plausible for a scan.

    Along axes with more than one voxel these lie 0.05 to 50 mm apart and span 2000 mm at most;
    axes are within 60 degrees of right angles; the first voxel is within 100 m of the origin.
    """
    affine: Affine = np.array(matrix, dtype=np.float64)
    axes = affine[:3, :3]
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(axes, axis=0)
    usable = np.isfinite(affine).all() and np.isfinite(lengths).all() and (lengths > 0).all()
    if not usable or (affine[3] != (0, 0, 0, 1)).any():
        raise ScanError(f"{name}: its affine is not usable\n{affine}\n{_CORRECT}")
    for axis, (n, mm) in enumerate(zip(shape[:3], lengths, strict=True)):
        far = n > 1 and n * mm > MAX_EXTENT_MM
        if far or (n > 1 and not SPACING_MM[0] <= mm <= SPACING_MM[1]):
            raise ScanError(
                f"{name}: along axis {axis} voxels are {mm:.4g} mm apart and span {n * mm:.4g} mm, "
                f"scanners make {SPACING_MM[0]:g} to {SPACING_MM[1]:g} mm and up to "
                f"{MAX_EXTENT_MM:g} mm; check the unit in xyzt_units, the pixdim and the sform"
            )
    cell = abs(np.linalg.det(axes / lengths))
    if cell < 1e-6:
        raise ScanError(f"{name}: its affine is singular\n{affine}\n{_CORRECT}")
    if cell < _MIN_CELL:
        raise ScanError(
            f"{name}: its axes are {90 - np.rad2deg(np.arcsin(cell)):.0f} degrees from right "
            f"angles, no gantry tilts beyond 30\n{affine}\n{_CORRECT}"
        )
    if (np.abs(affine[:3, 3]) > MAX_ORIGIN_MM).any():
        raise ScanError(
            f"{name}: its affine puts the first voxel more than {MAX_ORIGIN_MM / 1000:g} m from "
            f"the origin\n{affine}\n{_CORRECT}"
        )
    return affine


def stated_affine(header: Any, name: str) -> Affine:
    """Give the affine of a NIfTI header, in its unit: the sform, else the qform, else a guess."""
    for form in ("sform", "qform"):
        code = int(header[f"{form}_code"])
        if not 0 <= code <= 5:
            raise broken(name, f"its {form} code is {code}, not one of 0 to 5")
    if header["sform_code"]:
        sform: Affine = np.asarray(header.get_sform(), dtype=np.float64)
        return sform
    if header["qform_code"]:
        try:
            return _qform(header)
        except Exception as error:
            raise broken(name, f"its qform is not usable: {error}") from error
    base: Affine = np.asarray(header.get_base_affine(), dtype=np.float64)
    return base


def nifti_affine(header: Any, affine: Any, shape: tuple[int, ...], name: str) -> Affine:
    """Bring a NIfTI image's affine to mm and check it, warning where the header is in doubt."""
    try:
        unit = header.get_xyzt_units()[0]
    except KeyError as error:
        why = f"no unit has the code {int(header['xyzt_units']) & 7}"
        raise broken(name, why, "set xyzt_units: 2 for mm") from error
    scale = _MM_PER_UNIT[unit]
    in_mm: Affine = np.array(affine, dtype=np.float64)
    in_mm[:3] *= scale
    in_mm = check_affine(in_mm, shape, name)
    if not (header["sform_code"] or header["qform_code"]):
        note(
            name,
            "the header states no orientation (sform and qform codes 0); it is "
            "taken to run from right to left, posterior to anterior, inferior to superior. "
            "Set the sform where that is wrong, or to confirm it.",
        )
    elif header["sform_code"]:
        _compare(header, scale, shape, name)
    return in_mm


def _qform(header: Any) -> Affine:
    """Give the affine of the quaternion; 0 for its handedness counts as 1, as NIfTI says."""
    header = header.copy()
    if header["pixdim"][0] == 0:
        header["pixdim"][0] = 1
    affine: Affine = np.asarray(header.get_qform(), dtype=np.float64)
    return affine


def _compare(header: Any, scale: float, shape: tuple[int, ...], name: str) -> None:
    """Warn where the header says elsewhere that voxels lie elsewhere than the sform says."""
    sform = header.get_sform()
    if header["qform_code"]:
        try:
            moved = np.array(
                [
                    (sform - _qform(header)) @ [*corner, 1]
                    for corner in itertools.product(*((0, n - 1) for n in shape[:3]))
                ]
            )
            distance = float(np.linalg.norm(moved, axis=1).max()) * scale
        except Exception as error:
            note(name, f"the sform is used; the qform beside it is not usable ({error}).")
            return
        if not distance <= TOLERANCE_MM:
            note(
                name,
                f"sform and qform of the header are in conflict, by {distance:.1f} mm at "
                "a corner of the volume. The sform is used; set both to the right one.",
            )
        return
    stated = np.array(header["pixdim"][1:4], dtype=np.float64) * scale
    found = np.linalg.norm(sform[:3, :3], axis=0) * scale
    if not (np.abs(stated - found) * (np.array(shape[:3]) - 1) <= TOLERANCE_MM).all():
        note(
            name,
            f"voxels measure {_mm(found)} mm by the sform but {_mm(stated)} mm by the "
            "pixdim of the header. The sform is used; set both to the right one.",
        )


def _mm(lengths: NDArray[np.float64]) -> str:
    return " x ".join(f"{length:.4g}" for length in lengths)
