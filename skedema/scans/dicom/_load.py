"""A DICOM series as one scan, its geometry from the positions of its slices."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skedema._extras import how_to_install
from skedema.scans._budget import DEFAULT_MAX_BYTES, check_budget
from skedema.scans._paths import file_key
from skedema.scans._remarks import note
from skedema.scans._voxels import check_not_blank, check_shape
from skedema.scans.dicom._alike import check_alike
from skedema.scans.dicom._files import DicomFile, dicom_files, file_paths
from skedema.scans.dicom._geometry import SAME, stack, unit_axes
from skedema.scans.dicom._outliers import check_values
from skedema.scans.dicom._passes import one_pass
from skedema.scans.dicom._pixels import slice_hu
from skedema.scans.dicom._quiet import quiet
from skedema.scans.dicom._series import find_series
from skedema.scans.dicom._slice import Slice
from skedema.scans.dicom._tags import EXPORT, read_pixels
from skedema.scans.dicom._whole import check_whole
from skedema.scans.errors import ScanError, unreadable
from skedema.scans.scan import Scan


def load_dicom(
    cell: object,
    name: str,
    max_bytes: int = DEFAULT_MAX_BYTES,
    acquisition: int | None = None,
) -> Scan:
    """Read a series of CT slices.

    The files must hold exactly one series; localizers, derived secondary images (where there are
    original ones), other kinds of DICOM objects and other files are left out. Slices are sorted by
    their positions along their normal, never by name or number. Enhanced CT (all slices in one
    file) is read, too.

    Parameters
    ----------
    cell : str, path, or list or tuple of these
        A folder (with the folders in it), a zip, the files of a series, or one file of enhanced
        CT. Members of a zip are read in memory.
    name : str
        What messages call the scan.
    max_bytes : int, default=2**31
        The most bytes that the voxels may take in memory.
    acquisition : int or None, default=None
        AcquisitionNumber of the pass to read, where a series holds several over the same place
        (before and after contrast); of no effect elsewhere.

    Returns
    -------
    Scan
        Voxel (i, j, k) is column i, row j of slice k. HU as each slice's RescaleSlope and
        RescaleIntercept say; padding, and what is below -1024, is -1024. A tilted gantry gives a
        sheared affine. `depths` is None where the slices lie within 0.01 mm of even steps.

    Raises
    ------
    ScanError
        If pydicom is not installed, or the files hold no series, several, an incomplete one, one
        with several passes over the same place, one whose pixels or geometry cannot be told for
        certain, or one that would take more than `max_bytes`.

    Warns
    -----
    UserWarning
        If a slice is there twice, with the same pixels (one of them is left out); if a file was
        left out that may be a slice; if numbers or a stated count say that slices are missing, or
        a gap of up to 7.5 mm was bridged; if all slices are derived ones; if identifiers differ
        in a list of files; if tags of a slice contradict each other, or one at an end is blank.

    Examples
    --------
    >>> import tempfile
    >>> from pydicom.examples import ct
    >>> from skedema.scans.dicom import load_dicom
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for k in range(3):
    ...         ct.InstanceNumber, ct.ImagePositionPatient[2] = k, 5.0 * k
    ...         ct.save_as(f"{folder}/{k}.dcm")
    ...     scan = load_dicom(folder, "exam")
    >>> scan.voxels.shape, scan.spacing.round(2).tolist()
    ((128, 128, 3), [0.66, 0.66, 5.0])
    """
    try:
        import pydicom  # noqa: F401
    except ImportError as error:
        raise ScanError(
            f"{name}: reading DICOM needs pydicom: {how_to_install('dicom')}"
        ) from error
    try:
        with quiet(), dicom_files(cell, name, max_bytes) as files:
            scan, told = _load(files, isinstance(cell, list | tuple), max_bytes, acquisition)
    except ScanError as error:
        raise _named(name, error) from error
    except Exception as error:
        raise unreadable(name, error, EXPORT) from error
    for text in told:
        note(name, text)
    return scan


def dicom_key(cell: object, name: str) -> tuple[Any, ...]:
    """Identify a series by path, identity and size of each file, none opened."""
    try:
        return ("dicom", *map(file_key, file_paths(cell)))
    except ScanError as error:
        raise _named(name, error) from error
    except (OSError, ValueError) as error:
        raise unreadable(name, error, EXPORT) from error


def _load(
    files: Sequence[DicomFile], listed: bool, max_bytes: int, acquisition: int | None
) -> tuple[Scan, list[str]]:
    """Read the files; gives the scan, and what to warn of."""
    every, left_out, told = find_series(files, listed)
    normal = unit_axes(every[0].orientation, every[0].label)[2]
    slices = one_pass(every, normal, acquisition)
    told += check_alike(slices, listed)
    axes = unit_axes(slices[0].orientation, slices[0].label)
    places = _by_place(slices, axes[2])
    kept = [each[0] for each in places]
    if len(kept) == 1:
        raise ScanError(f"{kept[0].label}: all slices lie at one place; give the whole series")
    labels = [one.label for one in kept]
    positions = np.array([one.position for one in kept])
    here = {id(one) for one in kept}
    others = [one for one in every if id(one) not in here]
    told += check_whole(kept, positions @ axes[2], left_out, others, listed)
    affine, depths = stack(positions, axes, kept[0].spacing, labels)

    rows, columns = kept[0].shape
    shape = (columns, rows, len(kept))
    check_shape(shape, "series")
    check_budget(shape, np.dtype(np.float32), "series", max_bytes)
    voxels = np.empty((len(kept), rows, columns), dtype=np.float32)
    read = _Pixels(every).read
    doubles = []
    for k, (first, *more) in enumerate(places):
        voxels[k] = read(first)
        for other in more:
            if not np.array_equal(read(other), voxels[k]):
                raise ScanError(
                    f"{first.label} and {other.label}: two different slices at one place; "
                    "give the list of files of one reconstruction"
                )
            doubles.append(f"{other.label} is the same slice as {first.label}")
    if doubles:
        count = f", and {len(doubles) - 1} more are there twice" if len(doubles) > 1 else ""
        told.append(f"{doubles[0]}{count}; left out")
    check_not_blank(voxels.reshape(-1), "series")
    told += check_values(voxels, kept, read)
    return Scan(voxels.transpose(2, 1, 0), affine, depths), told


def _by_place(slices: Sequence[Slice], normal: NDArray[np.float64]) -> list[list[Slice]]:
    """Sort slices along their normal; those at one place together."""
    order = sorted(slices, key=lambda one: float(one.position @ normal))
    places = [[order[0]]]
    for one in order[1:]:
        if np.linalg.norm(one.position - places[-1][0].position) <= SAME:
            places[-1].append(one)
        else:
            places.append([one])
    return places


class _Pixels:
    """Reads slices; the file read last stays open in memory, as it may hold them all."""

    def __init__(self, slices: Sequence[Slice]) -> None:
        self._n_frames = Counter(id(one.file) for one in slices)
        self._file: Any = None
        self._dataset: Any = None

    def read(self, one: Slice) -> NDArray[np.float32]:
        if one.file is not self._file:
            self._dataset = None  # not both in memory
            self._dataset = read_pixels(
                one.file, math.prod(one.shape) * self._n_frames[id(one.file)]
            )
            self._file = one.file
        return slice_hu(self._dataset, one)


def _named(name: str, error: ScanError) -> ScanError:
    text = str(error)
    return ScanError(text if text.startswith(f"{name}: ") else f"{name}: {text}")
