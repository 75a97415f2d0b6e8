"""What a cell of a scan column may hold, and how its voxels and geometry are read."""

from __future__ import annotations

import os
import sys
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skedema.scans._checks import affine_mm, as_volume, check_shape, check_type, numeric, unreadable
from skedema.scans.errors import ScanError

#: Endings that mark a text as the path of a scan. Recognising one is not reading it: files are
#: read where they end in .nii, .nii.gz or .npy.
SCAN_SUFFIXES = (".nii", ".nii.gz", ".npy", ".mha", ".nrrd", ".dcm", ".img", ".hdr", ".mgz")

_READ_SUFFIXES = (".nii.gz", ".nii", ".npy")
_TO_NIFTI = "convert it to NIfTI (.nii.gz), e.g. with dcm2niix"


def looks_like_scan(value: object) -> bool:
    """Say whether a value is, by its looks, a scan and not a clinical measurement.

    Nothing is opened: a text counts when it ends in a scan suffix, or contains a path separator
    and names a folder with files in it.

    Parameters
    ----------
    value : object
        A cell of a table.

    Returns
    -------
    bool
        True for the path of a scan or of a folder of files, a nibabel image, and an array of
        three dimensions or more.

    Examples
    --------
    >>> looks_like_scan("scans/sub-01.NII.GZ"), looks_like_scan("male"), looks_like_scan(71.0)
    (True, False, False)
    """
    if isinstance(value, str | os.PathLike):
        text = os.fspath(value)
        if not isinstance(text, str) or len(text) > 4096:
            return False
        if text.strip().lower().endswith(SCAN_SUFFIXES):
            return True
        # A bare word such as "left" may be a category and, by chance, a folder beside the script.
        is_path = not isinstance(value, str) or "/" in text or os.sep in text
        return is_path and _has_files(text)
    if isinstance(value, np.ndarray):
        return value.ndim >= 3
    return _is_image(value)


def is_missing_scan(cell: object) -> bool:
    """Say whether a cell stands for "no scan": None, NaN, pandas.NA or NaT.

    Parameters
    ----------
    cell : object
        A cell of a scan column.

    Returns
    -------
    bool
        True where there is no scan.
    """
    if cell is None or type(cell).__name__ in {"NAType", "NaTType"}:
        return True
    return isinstance(cell, float | np.floating) and bool(np.isnan(cell))


def load_scan(cell: object) -> tuple[NDArray[np.float32], NDArray[np.float64] | None]:
    """Read the voxels and the geometry of one scan.

    Parameters
    ----------
    cell : str, path, nibabel image or ndarray of shape (X, Y, Z)
        Path of a ``.nii``, ``.nii.gz`` or ``.npy`` file, or a scan in memory. Trailing axes of
        length 1 are dropped. Nothing is ever unpickled.

    Returns
    -------
    hu : ndarray of shape (X, Y, Z), float32
        Voxels in the order of the file, in HU for CT: stored value x slope + intercept, as the
        file says. An array that is float32 already is returned as it is, not copied.
    affine : ndarray of shape (4, 4), float64, or None
        Voxel index to position in mm, axes pointing right, anterior and superior (RAS). None
        where there is no geometry: ``.npy`` files and arrays.

    Raises
    ------
    ScanError
        If there is nothing to read or it is not one finite, real 3-D volume with a usable
        geometry.

    Warns
    -----
    UserWarning
        If a NIfTI header states voxel sizes but no orientation (sform and qform codes 0). It is
        then read as nibabel does, first axis towards the left.
    """
    if isinstance(cell, np.ndarray):
        return as_volume(cell, scan_name(cell)), None
    if _is_image(cell):
        return _load_image(cell, scan_name(cell))
    path = _existing_file(cell)
    name = scan_name(cell)
    suffix = next((s for s in _READ_SUFFIXES if path.lower().endswith(s)), None)
    if suffix is None:
        ending = Path(path).suffix
        what = f"{ending} files are not read" if ending else "its name has no ending"
        raise ScanError(f"{name}: {what}; {_TO_NIFTI}")
    if suffix == ".npy":
        return as_volume(_load_npy(path, name), name), None
    return _load_nifti(path, name)


def scan_name(cell: object) -> str:
    """Name a scan for messages.

    Parameters
    ----------
    cell : object
        A cell of a scan column.

    Returns
    -------
    str
        Its path, or what it is where there is no path.
    """
    if isinstance(cell, str | os.PathLike):
        return os.fsdecode(cell) or "empty path"
    if isinstance(cell, np.ndarray):
        return f"array of shape {cell.shape}"
    if _is_image(cell):
        filename = cell.get_filename()  # type: ignore[attr-defined]
        return str(filename or f"nibabel image of shape {cell.shape}")  # type: ignore[attr-defined]
    return f"{type(cell).__name__} {cell!r:.60}"


def scan_key(cell: object) -> tuple[Any, ...]:
    """Identify the content of a scan, for caches.

    Parameters
    ----------
    cell : str, path, nibabel image or ndarray
        A cell of a scan column.

    Returns
    -------
    tuple
        Hashable. For a file its absolute path, time of change (ns) and size (bytes), so that a
        file that was written anew gets another key; for a scan in memory a digest of its shape,
        type, voxels and affine.

    Raises
    ------
    ScanError
        If the cell is missing, names no file or holds something else than a scan.
    """
    if isinstance(cell, np.ndarray):
        return ("array", _digest(numeric(cell, scan_name(cell))))
    if _is_image(cell):
        return _image_key(cell, scan_name(cell))
    path = _existing_file(cell)
    status = os.stat(path)
    return ("file", os.path.abspath(path), status.st_mtime_ns, status.st_size)


def _has_files(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(entry.is_file() for entry, _ in zip(entries, range(64), strict=False))
    except (OSError, ValueError):  # no such folder; a NUL character
        return False


def _is_image(value: object) -> bool:
    # Who holds an image has imported nibabel: no need to pay for its import here.
    nibabel = sys.modules.get("nibabel")
    return nibabel is not None and isinstance(value, nibabel.spatialimages.SpatialImage)


def _existing_file(cell: object) -> str:
    name = scan_name(cell)
    if is_missing_scan(cell):
        raise ScanError("the scan is missing; leave the row out or give the path of its scan")
    if not isinstance(cell, str | os.PathLike):
        raise ScanError(
            f"{name}: not a scan; give a path, a nibabel image or a 3-D array of numbers"
        )
    path = os.fsdecode(cell)
    if not path.strip():
        raise ScanError("empty path; give the path of a scan, or None where there is no scan")
    if os.path.isdir(path):
        raise ScanError(
            f"{name}: is a folder, and DICOM series are not read yet; "
            "convert it to NIfTI, e.g. with dcm2niix"
        )
    if not os.path.exists(path):
        where = "" if os.path.isabs(path) else f" (looked in {os.getcwd()})"
        raise ScanError(f"{name}: there is no such file; correct the path{where}")
    return path


def _load_npy(path: str, name: str) -> NDArray[Any]:
    try:
        with open(path, "rb") as file:
            voxels: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:
        raise unreadable(name, error, "write it anew with numpy.save, numbers only") from error
    return voxels


def _load_nifti(path: str, name: str) -> tuple[NDArray[np.float32], NDArray[np.float64] | None]:
    import nibabel

    try:
        # Without mmap: a file that shrinks while it is mapped ends the process.
        image = nibabel.load(path, mmap=False)
    except Exception as error:
        raise unreadable(name, error, "restore or convert the file again") from error
    if not _is_image(image):
        raise ScanError(f"{name}: holds a {type(image).__name__}, not a volume; {_TO_NIFTI}")
    return _load_image(image, name)


def _load_image(image: Any, name: str) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    affine = affine_mm(image, name)
    check_type(np.dtype(image.dataobj.dtype), name)
    check_shape(image.shape, name)  # before reading: a long time series may be large
    try:
        with np.errstate(over="ignore"):
            voxels = np.asanyarray(image.dataobj, dtype=np.float32)
    except Exception as error:  # gzip, zlib, short files and senseless headers raise many types
        raise unreadable(name, error, "restore or convert the file again") from error
    return as_volume(voxels, name), affine


def _image_key(image: Any, name: str) -> tuple[Any, ...]:
    affine = affine_mm(image, name)
    filename = image.get_filename()
    on_disk = hasattr(image.dataobj, "get_unscaled")  # nibabel's ArrayProxy: not read yet
    if on_disk and filename and os.path.isfile(filename):
        return (*scan_key(filename), affine.tobytes())
    voxels, _ = _load_image(image, name)
    return ("image", _digest(voxels), affine.tobytes())


def _digest(array: NDArray[Any]) -> str:
    digest = blake2b(f"{array.shape} {array.dtype.str}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
