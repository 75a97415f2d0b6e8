"""What a cell of a scan column may hold, and how its voxels and geometry are read."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skedema._caching.digest import digest
from skedema.scans._budget import DEFAULT_MAX_BYTES, checked_max_bytes
from skedema.scans._checks import as_volume, checked_acquisition, numeric, refused_by_system
from skedema.scans._content import WHOLE_SCANS, identity_of
from skedema.scans._paths import existing, is_list_of_paths
from skedema.scans.dicom._sniff import HEAD, starts_dicom
from skedema.scans.errors import ScanError
from skedema.scans.formats.images import image_affine, is_proxy, load_image, load_mgz
from skedema.scans.formats.itk import itk_files, load_itk
from skedema.scans.formats.nifti import load_nifti, nifti_files
from skedema.scans.formats.npy import load_npy
from skedema.scans.scan import Scan

_NIFTI = (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz")
_ITK = (".mha", ".mhd", ".nrrd")
_DICOM = (".dcm", ".zip")

#: Endings of the files that are read, and that mark a text as the path of a scan.
SCAN_SUFFIXES = (*_NIFTI, *_ITK, *_DICOM, ".npy", ".mgz")

_TO_NIFTI = "convert it to NIfTI (.nii.gz), e.g. with dcm2niix"


def looks_like_scan(value: object) -> bool:
    """Say whether a value is, by its looks, a scan and not a clinical measurement.

    A text counts when it ends in a scan suffix, or contains a path separator and names a folder
    with files in it or a DICOM file, whatever that is called. A list counts when it is one of
    paths: each a Path, a text with a separator or one that ends in ``.dcm``.

    Parameters
    ----------
    value : object
        A cell of a table.

    Returns
    -------
    bool
        True for the path of a scan or of a folder of files, a list of the files of a series, a
        nibabel image, and an array of three dimensions or more.

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
        return is_path and (_has_files(text) or _is_dicom(text))
    if isinstance(value, np.ndarray):
        return value.ndim >= 3
    if is_list_of_paths(value):
        return all(
            not isinstance(item, str)
            or "/" in item
            or os.sep in item
            or item.strip().lower().endswith(".dcm")
            for item in value  # type: ignore[attr-defined]
        )
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


def load_scan(
    cell: object, *, max_bytes: float = DEFAULT_MAX_BYTES, acquisition: int | None = None
) -> Scan:
    """Read the voxels and the geometry of one scan.

    Parameters
    ----------
    cell : str, path, list of paths, nibabel image or ndarray of shape (X, Y, Z)
        A NIfTI file (``.nii``, ``.nii.gz``, one of a pair ``.hdr`` and ``.img``), ``.mgz``,
        ``.mha``, ``.mhd``, ``.nrrd`` or ``.npy``; a DICOM series as a folder, a ``.zip``, a
        file (of any name) or the list of its files; or a scan in memory. Trailing axes of length
        1 are dropped, and leading ones of ``.mha``, ``.mhd`` and ``.nrrd``. Nothing is ever
        unpickled.
    max_bytes : int, default=2**31
        The most bytes that the voxels may take in memory, as they are given: a scan that would
        take more is refused before anything is allocated for it, whatever its format, so that a
        small file that unpacks to much does no harm. Reading takes up to three times as many. The
        default, 2 GiB, holds 1024 x 1024 x 512 voxels of float32; the head of a patient has up to
        512 x 512 x 600.
    acquisition : int or None, default=None
        Which of several passes over the same place in a DICOM series, e.g. before and after
        contrast, by its AcquisitionNumber; of no effect on other scans.

    Returns
    -------
    Scan
        Voxels in HU for CT: stored value x slope + intercept, as the file says; float32, or
        int16 where a file holds just these. An array that is float32 already is returned as
        it is, not copied. The affine is None for ``.npy`` files and arrays.

    Raises
    ------
    ScanError
        If there is nothing to read or it is not one finite, real 3-D volume with a usable
        geometry; if a file is damaged, is of another size than its header promises, or is blank;
        if it would take more than `max_bytes`.
    TypeError, ValueError
        If `max_bytes` is no number from 1.

    Warns
    -----
    UserWarning
        If a NIfTI header states no orientation, or two that differ; see `load_nifti`. If files of
        a DICOM series may be missing or contradict each other; see `load_dicom`.
    """
    name, most = scan_name(cell), checked_max_bytes(max_bytes)
    acquisition = checked_acquisition(acquisition)
    if isinstance(cell, np.ndarray):
        return Scan(as_volume(cell, name, most), None)
    if _is_image(cell):
        return load_image(cell, name, most)
    if is_list_of_paths(cell):
        return _load_dicom(cell, name, most, acquisition)
    if is_missing_scan(cell):
        raise ScanError("the scan is missing; leave the row out or give the path of its scan")
    path, is_folder = existing(cell, name)
    ending = path.strip().lower()
    if is_folder or ending.endswith(_DICOM):
        return _load_dicom(path, name, most, acquisition)
    if ending.endswith(_NIFTI):
        return load_nifti(path, name, most)
    if ending.endswith(_ITK):
        return load_itk(path, name, most)
    if ending.endswith(".npy"):
        return load_npy(path, name, most)
    if ending.endswith(".mgz"):
        return load_mgz(path, name, most)
    if _is_dicom(path):
        return _load_dicom(path, name, most, acquisition)
    raise ScanError(f"{name}: {_not_read(path)}")


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
    if is_list_of_paths(cell):
        first, n = os.fsdecode(cell[0]), len(cell)  # type: ignore[index, arg-type]
        return f"{first} and {n - 1} more" if n > 1 else first
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
    cell : str, path, list of paths, nibabel image or ndarray
        A cell of a scan column.

    Returns
    -------
    tuple
        Hashable. For a file its absolute path, what the system knows it by (`identity_of`) and its
        size (bytes), so that a file that was written anew or replaced gets another key, also where
        its time was set back or a link leads elsewhere; of both files where there are two; for a
        DICOM series what `dicom_key` gives; for a scan in memory a digest of its shape, type,
        voxels and affine.

    Raises
    ------
    ScanError
        If the cell is missing, names no file or holds something else than a scan.
    """
    if isinstance(cell, str) and cell.lower().endswith(WHOLE_SCANS):
        # Most cells, and asked for whenever a model predicts. What fails goes the long way, which
        # tells why.
        with suppress(OSError, ValueError):
            return ("file", *_file_key(cell))
    name = scan_name(cell)
    if isinstance(cell, np.ndarray):
        return ("array", _digest(numeric(cell, name)))
    if _is_image(cell):
        return _image_key(cell, name)
    if is_list_of_paths(cell):
        return _dicom_key(cell, name)
    if is_missing_scan(cell):
        raise ScanError("the scan is missing; leave the row out or give the path of its scan")
    path, is_folder = existing(cell, name)
    ending = path.strip().lower()
    if is_folder or ending.endswith(_DICOM):
        return _dicom_key(path, name)
    files: tuple[str, ...] = (path,)
    if ending.endswith(_NIFTI):
        files = nifti_files(path, name)
    elif ending.endswith(".mhd"):
        files = itk_files(path, name)
    elif not ending.endswith(SCAN_SUFFIXES) and _is_dicom(path):
        return _dicom_key(path, name)
    key: list[Any] = ["file"]
    for file in files:
        try:
            key += _file_key(file)
        except OSError as error:
            raise refused_by_system(name, error) from error
    return tuple(key)


def _file_key(path: str) -> tuple[str, tuple[int, ...], int]:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{path} is no regular file")
    return os.path.abspath(path), identity_of(status), status.st_size


def _has_files(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(entry.is_file() for entry, _ in zip(entries, range(64), strict=False))
    except (OSError, ValueError):  # no such folder; a NUL character
        return False


def _is_dicom(path: str) -> bool:
    """Say whether a file is DICOM by its first bytes: archives name them IM000001, or by UID."""
    try:
        if not os.path.isfile(path):  # a pipe would block for ever
            return False
        with open(path, "rb") as file:
            return starts_dicom(file.read(HEAD))
    except (OSError, ValueError):
        return False


def _is_image(value: object) -> bool:
    # Who holds an image has imported nibabel: no need to pay for its import here.
    nibabel = sys.modules.get("nibabel")
    return nibabel is not None and isinstance(value, nibabel.spatialimages.SpatialImage)


def _not_read(path: str) -> str:
    ending = os.path.splitext(path)[1]
    if ending in (".npz", ".pkl", ".pickle", ".joblib", ".pt", ".pth"):
        return f"{ending} files are never opened; save the array with numpy.save, as .npy"
    what = f"{ending} files are not read" if ending else "its name has no ending"
    return f"{what}; {_TO_NIFTI}"


# pydicom is an extra, and most scans are no DICOM series.
def _load_dicom(cell: object, name: str, max_bytes: int, acquisition: int | None) -> Scan:
    from skedema.scans.dicom import load_dicom

    return load_dicom(cell, name, max_bytes, acquisition)


def _dicom_key(cell: object, name: str) -> tuple[Any, ...]:
    from skedema.scans.dicom import dicom_key

    return dicom_key(cell, name)


def _image_key(image: Any, name: str) -> tuple[Any, ...]:
    affine = image_affine(image, name)
    filename = image.get_filename()
    on_disk = hasattr(image.dataobj, "get_unscaled")  # nibabel's ArrayProxy: not read yet
    if on_disk and filename and os.path.isfile(filename):
        return (*scan_key(filename), affine.tobytes())
    most = DEFAULT_MAX_BYTES if is_proxy(image.dataobj) else sys.maxsize  # else in memory already
    voxels = load_image(image, name, most).voxels
    return ("image", _digest(voxels), affine.tobytes())


def _digest(array: NDArray[Any]) -> str:
    return digest(f"{array.shape} {array.dtype.str}", array)
