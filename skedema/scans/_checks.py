"""What a volume and its geometry must be, and the errors where they are not."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skedema.scans.errors import ScanError

_MM_PER_UNIT = {"meter": 1000.0, "mm": 1.0, "micron": 0.001, "unknown": 1.0}


def check_type(dtype: np.dtype[Any], name: str) -> None:
    if dtype.kind in "iuf":
        return
    kinds = {"c": "complex numbers", "b": "true and false", "V": "colours (RGB) or records"}
    what = kinds.get(dtype.kind, f"{dtype} values")
    raise ScanError(f"{name}: holds {what}; give one real number (HU) a voxel")


def check_shape(shape: tuple[int, ...], name: str) -> None:
    """Three axes with voxels on each, and perhaps more of length 1."""
    if len(shape) < 3 or set(shape[3:]) - {1}:
        many = "; give one volume, e.g. image.slicer[..., 0]" if len(shape) > 3 else ""
        raise ScanError(
            f"{name}: has {len(shape)} dimensions {shape}, a scan has 3 (X, Y, Z){many}"
        )
    if 0 in shape:
        raise ScanError(f"{name}: has no voxels, its shape is {shape}; convert it again")


def numeric(array: NDArray[Any], name: str) -> NDArray[Any]:
    check_type(array.dtype, name)
    if isinstance(array, np.ma.MaskedArray):
        raise ScanError(f"{name}: a masked array; fill it first, e.g. .filled(-1024)")
    return array


def as_volume(array: NDArray[Any], name: str) -> NDArray[np.float32]:
    """Check that the array is one finite 3-D volume; return it as float32."""
    array = numeric(array, name)
    check_shape(array.shape, name)
    array = array.reshape(array.shape[:3])
    with np.errstate(over="ignore"):
        volume = np.asarray(array, dtype=np.float32)
    if not np.isfinite(volume).all():
        count = volume.size - int(np.isfinite(volume).sum())
        raise ScanError(
            f"{name}: {count} voxels are NaN, infinite or too large for float32; "
            "set them to a number first, -1024 HU for air"
        )
    return volume


def affine_mm(image: Any, name: str) -> NDArray[np.float64]:
    """Voxel index to RAS mm, in the unit of length that the header states."""
    import nibabel

    if image.affine is None:
        raise ScanError(f"{name}: has no affine; give it one, e.g. nibabel.Nifti1Image(data, A)")
    affine = np.array(image.affine, dtype=np.float64)
    header = image.header
    is_nifti = isinstance(header, nibabel.Nifti1Header)  # NIfTI-2 headers are, too
    if is_nifti:
        if not (header["sform_code"] or header["qform_code"]):
            warnings.warn(
                f"{name}: the header states no orientation (sform and qform codes 0); it is "
                "taken to run from right to left, posterior to anterior, inferior to superior. "
                "Set the sform where that is wrong, or to confirm it.",
                stacklevel=2,
            )
        try:
            unit = header.get_xyzt_units()[0]
        except KeyError as error:
            raise unreadable(name, error, "set the unit of length in xyzt_units") from error
        affine[:3] *= _MM_PER_UNIT[unit]
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or not (lengths > 0).all():
        raise ScanError(f"{name}: its affine is not usable\n{affine}\n{_set_affine()}")
    if abs(np.linalg.det(affine[:3, :3] / lengths)) < 1e-6:
        raise ScanError(f"{name}: its affine is singular\n{affine}\n{_set_affine()}")
    return affine


def _set_affine() -> str:
    return "correct the sform in the header, or convert the DICOM files again"


def unreadable(name: str, error: BaseException, remedy: str) -> ScanError:
    return ScanError(f"{name}: cannot be read ({type(error).__name__}: {error}); {remedy}")
