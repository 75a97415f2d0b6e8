"""What is wrong with the scans of a cohort, before a long fit."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from skedema._caching.digest import digest, file_digest
from skedema._each import bar, each, named
from skedema._told import recorded
from skedema.scans._budget import DEFAULT_MAX_BYTES, checked_max_bytes
from skedema.scans._column import scan_cells
from skedema.scans._findings import degrees, duplicates, odd_geometry, odd_values, outliers
from skedema.scans._intensity import look
from skedema.scans._reading import checked
from skedema.scans._remote.scan import RemoteScan, at_address
from skedema.scans._settings import ReaderSettings
from skedema.scans.errors import ScanError
from skedema.scans.files import checked_acquisition, is_missing_scan, load_scan, scan_name
from skedema.scans.reader import VolumeReader
from skedema.scans.scan import Scan

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = (
    "scan", "readable", "shape", "spacing", "orientation", "tilt", "low", "high", "checksum",
    "findings",
)  # fmt: skip


def check(
    scans: Any,
    *,
    checksum: Any = None,
    max_bytes: float | None = None,
    acquisition: int | None = None,
    volume: VolumeReader | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> pd.DataFrame:
    """Read every scan once and say what is odd about it.

    Nothing is changed and no scan is refused: a finding is something to look at before a long fit,
    and one that cannot be read is a finding, too.

    Parameters
    ----------
    scans : sequence of n scans
        A list, Series, table of one column or array of cells, as `VolumeReader.transform` takes.
    checksum : sequence of n str, or None, default=None
        SHA-256 that each scan's file should have, as 64 hexadecimal digits; None or NaN where it
        is not known.
    max_bytes : int or None, default=None
        The most bytes that the voxels of a scan may take, as for `VolumeReader`; None is that of
        `volume`, or 2**31.
    acquisition : int or None, default=None
        As that of `VolumeReader`: which of several passes in a DICOM series is read; None is that
        of `volume`.
    volume : VolumeReader or None, default=None
        How scans are to be read: its `head_margin`, `skull_strip`, `align` and `template` are
        tried, so that heads, brain masks and poses that are not found or not to be trusted are
        findings, and heads that are cut off. With its `remote`, scans at addresses are fetched.
    n_jobs : int or None, default=None
        Number of processes (as in joblib), each with one scan in memory at a time.
    verbose : int, default=0
        Above 0, shows progress on standard error.

    Returns
    -------
    DataFrame of n rows
        With the index of `scans` where that is a Series or table of pandas. The columns

        scan : str
            Path, or what it is.
        readable : bool
            Whether it could be read.
        shape : tuple of 3 ints or None
            Voxels along the axes in the order of the file.
        spacing : tuple of 3 floats or None
            Size of a voxel in mm; the usual distance of slices where these are uneven. None
            without a geometry.
        orientation : str
            Where the axes point, e.g. "RAS", or closest to; missing without a geometry.
        tilt : float
            Angle in degrees between the third axis and the normal of the slices: not 0 under a
            tilted gantry.
        low, high : float
            Range of the voxels in HU.
        checksum : str or None
            SHA-256 of the file; missing for what is no single file.
        findings : list of str
            Texts; an empty list when nothing is odd.

    Raises
    ------
    TypeError
        If `scans` is no column of scans.
    ValueError
        If `checksum` does not go with it, or an entry is no SHA-256; if `max_bytes` is below 1.

    Notes
    -----
    Found are: scans that are missing or cannot be read, warnings raised while reading, another
    checksum than the expected one, duplicates (the same file content or the same voxels in two
    rows), a constant image, a range of values that is no CT's (highest below 200 or above 10,000
    HU, lowest 0 HU or more), soft tissue or air where HU have none (stored values, a wrong slope,
    inverted grey), no geometry, a field of view of less than 100 or more than 350 mm,
    slices thicker than 10 mm or pixels wider than 2 mm, fewer than 8 slices, uneven slices, axes
    more than 5 degrees oblique, slices more than 1 degree tilted, and, among 10 scans or more, a
    shape or spacing more than 5 % off the median where 90 % of the others are within.

    Examples
    --------
    >>> import numpy as np
    >>> from skedema.scans import check
    >>> table = check([np.zeros((64, 64, 20)), None])
    >>> table["readable"].tolist()
    [True, False]
    >>> table["findings"][0][0]
    'constant image: every voxel is 0 HU; replace the scan'
    """
    import pandas as pd

    cells = scan_cells(scans)
    index = scans.index if isinstance(scans, pd.Series | pd.DataFrame) else None
    index = pd.RangeIndex(len(cells)) if index is None else index
    expected = _expected(checksum, len(cells), index)
    if volume is not None:
        acquisition = volume.acquisition if acquisition is None else acquisition
        max_bytes = volume.max_bytes if max_bytes is None else max_bytes
    acquisition = checked_acquisition(acquisition)
    most = checked_max_bytes(DEFAULT_MAX_BYTES if max_bytes is None else max_bytes)
    settings = None if volume is None else volume.settings()
    remote = None if volume is None else volume.remote
    tasks = [
        (at_address(cell, remote), checksum, most, acquisition, settings)
        for cell, checksum in zip(cells, expected, strict=True)
    ]
    progress = bar("checking scans", "scan", len(cells), shown=verbose)
    rows = list(each(_look, tasks, n_jobs, progress))
    duplicates(rows, list(index))
    outliers(rows, "shape", "shape")
    outliers(rows, "spacing", "voxels in mm")
    table = {column: [row[column] for row in rows] for column in _COLUMNS}
    frame = pd.DataFrame(table, index=index)
    numbers = {"readable": bool, "tilt": float, "low": float, "high": float}
    return frame.astype(numbers)


@named(lambda cell, *_: repr(scan_name(cell)))
def _look(
    cell: object,
    expected: str | None,
    max_bytes: int,
    acquisition: int | None,
    settings: ReaderSettings | None,
) -> dict[str, Any]:
    """Read one scan; gives its row, and the digest of its voxels for finding duplicates."""
    name = "missing" if is_missing_scan(cell) else scan_name(cell)
    findings: list[str] = []
    row: dict[str, Any] = dict.fromkeys(_COLUMNS)
    row |= {"scan": name, "readable": False, "findings": findings, "voxels": None}
    with recorded() as raised:
        try:
            scan = load_scan(cell, max_bytes=max_bytes, acquisition=acquisition)
        except ScanError as error:
            findings.append(str(error).removeprefix(f"{name}: "))
        except Exception as error:  # a check of thousands is not to end at one of them
            findings.append(f"cannot be read ({type(error).__name__}: {error})")
        else:
            row["readable"] = True
            upended = np.asarray(scan.voxels.T, dtype=np.float32)  # as they lie in a file
            row |= _geometry(scan) | {"voxels": digest(str(scan.voxels.shape), upended)}
            row["low"], row["high"] = float(scan.voxels.min()), float(scan.voxels.max())
            findings += odd_values(row["low"], row["high"]) + odd_geometry(scan, row)
            findings += _remarks(scan, settings, max_bytes)
    row["checksum"] = _checksum(cell)
    if expected is not None and row["checksum"] != expected:
        findings += _other_checksum(row, expected)
    findings += dict.fromkeys(text.removeprefix(f"{name}: ") for text in raised)
    return row


def _remarks(scan: Scan, settings: ReaderSettings | None, max_bytes: int) -> list[str]:
    """Say what a reader would remark or refuse."""
    found = [str(remark) for remark in look(scan)]
    if settings is not None:
        try:
            found += [str(remark) for remark in checked(scan, settings, max_bytes).remarks]
        except ScanError as error:
            found.append(str(error))
    return found


def _other_checksum(row: dict[str, Any], expected: str) -> list[str]:
    if row["checksum"] is not None:
        return [
            f"checksum is {row['checksum']}, expected was {expected}: the file was changed or "
            "damaged; restore it, or correct what is expected"
        ]
    if row["readable"]:
        return ["checksum not known, for there is no single file: leave what is expected empty"]
    return []


def _checksum(cell: object) -> str | None:
    # Only of plain files: reading a pipe or a device may never end.
    try:
        if isinstance(cell, RemoteScan):
            return cell.content()
        if not isinstance(cell, str | os.PathLike) or not os.path.isfile(cell):
            return None
        return file_digest(cell)
    except (OSError, ValueError):
        return None


def _geometry(scan: Scan) -> dict[str, Any]:
    shape = tuple(int(n) for n in scan.voxels.shape)
    size = scan.spacing
    if scan.affine is None or size is None:
        return {"shape": shape}
    import nibabel

    axes = scan.affine[:3, :3]
    codes = nibabel.orientations.aff2axcodes(scan.affine)  # type: ignore[no-untyped-call]
    normal = np.cross(axes[:, 0], axes[:, 1])
    return {
        "shape": shape,
        "spacing": tuple(round(float(mm), 4) for mm in size),
        "orientation": "".join(codes),
        "tilt": round(degrees(normal, axes[:, 2]), 2),
    }


def _expected(checksum: Any, n: int, index: Any) -> list[str | None]:
    if checksum is None:
        return [None] * n
    import pandas as pd

    if isinstance(checksum, str):
        raise ValueError(f"checksum={checksum!r}: one text; give a sequence of one a scan")
    if isinstance(checksum, pd.Series) and not checksum.index.equals(index):
        raise ValueError(
            "checksum: its index is not that of the scans; take both from the same table, "
            "or give checksum.to_list()"
        )
    values = list(checksum)
    if len(values) != n:
        raise ValueError(f"checksum: {len(values)} entries for {n} scans; give one a scan")
    return [_sha256(value, label) for value, label in zip(values, index, strict=True)]


def _sha256(value: Any, label: Any) -> str | None:
    if is_missing_scan(value):
        return None
    text = value.strip().lower() if isinstance(value, str) else ""
    if len(text) != 64 or set(text) - set("0123456789abcdef"):
        raise ValueError(
            f"checksum, row {label!r}: {value!r} is no SHA-256; give 64 hexadecimal digits, "
            "or None where it is not known"
        )
    return text
