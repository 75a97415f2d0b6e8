"""What a cell of a scan column may hold, and which format reads it."""

from __future__ import annotations

import os
from contextlib import suppress
from numbers import Integral
from typing import Any

import numpy as np

from skedema.scans._addresses import FOLDERS, scheme_of, shown
from skedema.scans._budget import DEFAULT_MAX_BYTES, checked_max_bytes
from skedema.scans._paths import existing, is_list_of_paths
from skedema.scans._remote.scan import RemoteScan, is_address, not_asked
from skedema.scans._voxels import as_volume
from skedema.scans.errors import ScanError
from skedema.scans.formats._geometry import check_affine
from skedema.scans.formats.arrays import Array
from skedema.scans.formats.base import Format, ending_of, format_of
from skedema.scans.formats.dicom import Dicom, has_files, is_dicom
from skedema.scans.formats.images import Image, is_image
from skedema.scans.scan import Scan

_ARRAY, _IMAGE, _DICOM = Array(), Image(), Dicom()


def looks_like_scan(value: object) -> bool:
    """Say whether a value is, by its looks, a scan and not a clinical measurement.

    A text counts when it ends as files of a format do, or contains a path separator and names a
    folder with files in it or a DICOM file, whatever that is called. A list counts when it is
    one of paths: each a Path, a text with a separator or one that ends in ``.dcm``.

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
    if isinstance(value, RemoteScan):
        return True
    if (scheme := scheme_of(value)) is not None:
        # What has an ending tells; a folder only where it is one of a store, not a page.
        return ending_of(shown(str(value))) is not None or scheme in FOLDERS
    if isinstance(value, str | os.PathLike):
        text = os.fspath(value)
        if not isinstance(text, str) or len(text) > 4096:
            return False
        if ending_of(text):
            return True
        # A bare word such as "left" may be a category and, by chance, a folder beside the script.
        is_path = not isinstance(value, str) or "/" in text or os.sep in text
        return is_path and (has_files(text) or is_dicom(text))
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
    return is_image(value)


def could_be_scan(cell: object) -> bool:
    """Say whether a cell of a scan column is worth reading: it looks like a scan, or is a path."""
    if isinstance(cell, str):
        return "/" in cell or os.sep in cell or os.path.exists(cell) or looks_like_scan(cell)
    return isinstance(cell, os.PathLike) or looks_like_scan(cell)


def holds_several(cell: object) -> bool:
    """Tell several scans in one cell from the files of one series."""
    if isinstance(cell, np.ndarray):
        return bool(cell.dtype == object)
    return isinstance(cell, list | tuple) and any(map(_is_whole_scan, cell))


def _is_whole_scan(item: object) -> bool:
    if isinstance(item, str | os.PathLike):
        return ending_of(str(item)) not in (None, ".dcm")
    return looks_like_scan(item)


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
        If a NIfTI header states no orientation, or two that differ. If files of a DICOM series may
        be missing or contradict each other; see `skedema.scans.dicom.load_dicom`.
    """
    name, most = scan_name(cell), checked_max_bytes(max_bytes)
    acquisition = checked_acquisition(acquisition)
    if not isinstance(cell, RemoteScan):
        return _load(cell, name, most, acquisition)
    try:
        with cell.local() as path:
            return _load(path, name, most, acquisition)
    except ScanError:
        if cell.is_here():
            raise
    with cell.local() as path:  # another process had to make room meanwhile
        return _load(path, name, most, acquisition)


def _load(cell: Any, name: str, most: int, acquisition: int | None) -> Scan:
    kind, cell = _format_of(cell, name)
    if isinstance(kind, Dicom):
        return kind.load(cell, name, most, acquisition)
    scan = kind.load(cell, name, most)
    if type(kind).__module__.startswith("skedema."):  # these check while they read
        return scan
    voxels = as_volume(np.asarray(scan.voxels), name, most)
    affine = None if scan.affine is None else check_affine(scan.affine, voxels.shape, name)
    return scan._replace(voxels=voxels, affine=affine)


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
    if isinstance(cell, RemoteScan):
        return cell.name
    if isinstance(cell, str | os.PathLike):
        return _path_name(cell) or "empty path"
    if is_list_of_paths(cell):
        first, n = _path_name(cell[0]), len(cell)  # type: ignore[index, arg-type]
        return f"{first} and {n - 1} more" if n > 1 else first
    if isinstance(cell, np.ndarray):
        return f"array of shape {cell.shape}"
    if is_image(cell):
        filename = cell.get_filename()  # type: ignore[attr-defined]
        return str(filename or f"nibabel image of shape {cell.shape}")  # type: ignore[attr-defined]
    return f"{type(cell).__name__} {cell!r:.60}"


def _path_name(path: Any) -> str:
    text = os.fsdecode(path)
    return shown(text) if scheme_of(text) else text


def scan_key(cell: object) -> tuple[Any, ...]:
    """Identify the content of a scan, for caches.

    Parameters
    ----------
    cell : str, path, list of paths, nibabel image or ndarray
        A cell of a scan column.

    Returns
    -------
    tuple
        Hashable. For each file its absolute path, what the system tells it by and its size (bytes),
        so that a file that was written anew or replaced gets another key, also where its time was
        set back or a link leads elsewhere; for a scan in memory a digest of its shape, type, voxels
        and affine.

    Raises
    ------
    ScanError
        If the cell is missing, names no file or holds something else than a scan.
    """
    if isinstance(cell, RemoteScan):
        return cell.key
    if isinstance(cell, str) and (kind := format_of(cell)) and kind.whole:
        # Most cells, and asked for whenever a model predicts. What fails goes the long way, which
        # tells why.
        with suppress(ScanError):
            return kind.key(cell, cell)
    name = scan_name(cell)
    kind, cell = _format_of(cell, name)
    return kind.key(cell, name)


def checked_acquisition(acquisition: Any) -> int | None:
    """Check the parameter `acquisition`."""
    if acquisition is None:
        return None
    if not isinstance(acquisition, Integral) or isinstance(acquisition, bool | np.bool_):
        raise TypeError(f"acquisition={acquisition!r}: give a whole number, or None")
    return int(acquisition)


def _format_of(cell: Any, name: str) -> tuple[Format, Any]:
    """Give the format of a cell, and the cell as that takes it: of a path, a text."""
    if isinstance(cell, np.ndarray):
        return _ARRAY, cell
    if is_image(cell):
        return _IMAGE, cell
    if is_address(cell):
        raise ScanError(not_asked(name))
    if is_list_of_paths(cell):
        return _DICOM, cell
    if is_missing_scan(cell):
        raise ScanError("the scan is missing; leave the row out or give the path of its scan")
    path, is_folder = existing(cell, name)
    if is_folder:
        return _DICOM, path
    kind = format_of(path)
    if kind is None and not is_dicom(path):
        raise ScanError(f"{name}: {_not_read(path)}")
    return kind or _DICOM, path


def _not_read(path: str) -> str:
    ending = os.path.splitext(path)[1]
    if ending in (".npz", ".pkl", ".pickle", ".joblib", ".pt", ".pth"):
        return f"{ending} files are never opened; save the array with numpy.save, as .npy"
    what = f"{ending} files are not read" if ending else "its name has no ending"
    return f"{what}; convert it to NIfTI (.nii.gz), e.g. with dcm2niix"
