"""Which files make up the series of an exam, and what each of their slices says of itself."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skedema.scans._dicom_files import DicomFile
from skedema.scans._dicom_tags import Tags, read_header
from skedema.scans.errors import ScanError

if TYPE_CHECKING:
    from pydicom import Dataset

#: CT Image, Enhanced CT Image and Legacy Converted Enhanced CT Image Storage (PS3.4, B.5).
CT_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.2.1",
    "1.2.840.10008.5.1.4.1.1.2.2",
}

_ONE_SERIES = "give the list of files of one series, or a folder with one series"
_FAR = 1e5  # mm; no position is farther away


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice of a series, its pixels unread; lengths in mm, as the file states them (LPS)."""

    file: DicomFile
    frame: int
    label: str
    shape: tuple[int, int]
    position: NDArray[np.float64]
    orientation: NDArray[np.float64]
    spacing: NDArray[np.float64]
    slope: float
    intercept: float
    padding: tuple[int, int] | None
    space: str


def series_slices(files: Sequence[DicomFile]) -> list[Slice]:
    """Find the one series among files, and read the tags of its slices.

    Localizers, derived secondary images (screenshots, dose reports) and everything that is no CT
    image are left out; so are series of a single image beside others.

    Parameters
    ----------
    files : sequence of DicomFile
        All files of an exam.

    Returns
    -------
    list of Slice
        In the order of the files, alike in matrix, spacing, orientation and frame of reference.

    Raises
    ------
    ScanError
        If there is no series, or several, or slices that do not go together, or a tag that is
        missing or senseless.
    """
    slices = [one for file, header in _one_series(files) for one in _slices(file, header)]
    if len(slices) == 1:
        raise ScanError(f"{slices[0].label}: is a single slice; give the folder that it lies in")
    for one in slices[1:]:
        _check_alike(slices[0], one)
    return slices


def _one_series(files: Sequence[DicomFile]) -> list[tuple[DicomFile, Dataset]]:
    series: dict[str, list[tuple[DicomFile, Dataset]]] = {}
    left_out: Counter[str] = Counter()
    for file in files:
        header = read_header(file)
        reason = "no DICOM images" if header is None else _no_slice(Tags([header], file.label))
        if header is not None and not reason:
            uid = Tags([header], file.label).text("SeriesInstanceUID")
            if not uid:
                raise Tags([header], file.label).error("SeriesInstanceUID is missing")
            series.setdefault(uid, []).append((file, header))
        elif header is None and file.given:
            raise ScanError(
                f"{file.label}: is not a DICOM file (DICM is not at byte 128); "
                "give the slices of one series, or their folder"
            )
        else:
            left_out[reason] += 1
    if not series:
        what = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise ScanError(f"holds no CT slices ({what}); give the folder of an axial CT series")
    whole = [each for each in series.values() if len(each) > 1 or _frames(each[0][1]) > 1]
    if len(whole) > 1 or (not whole and len(series) > 1):
        listed = "\n".join(f"  {_describe(each)}" for each in whole or series.values())
        raise ScanError(f"holds {len(whole or series)} series; {_ONE_SERIES}:\n{listed}")
    return whole[0] if whole else next(iter(series.values()))


def _no_slice(tags: Tags) -> str:
    """Say why a file is no slice of an exam; empty where it is one."""
    if tags.text("SOPClassUID") not in CT_CLASSES:
        return "other than CT images"
    kind = tags.text("ImageType").upper().split("\\")
    if "LOCALIZER" in kind:
        return "localizers"
    return "derived secondary images" if kind[:2] == ["DERIVED", "SECONDARY"] else ""


def _frames(header: Dataset) -> int:
    return len(header.get("PerFrameFunctionalGroupsSequence") or [header])


def _describe(series: Sequence[tuple[DicomFile, Dataset]]) -> str:
    """Describe a series in a line, with what can be read."""
    file, header = series[0]
    tags = next(_layers(file, header))
    number, text = tags.text("SeriesNumber") or "?", tags.text("SeriesDescription")[:60]
    parts = [f"{sum(_frames(each) for _, each in series)} slices"]
    try:
        spacing = tags.numbers("PixelSpacing", 2, 0, _FAR)
        parts.append(f"{spacing[0]:.3g} x {spacing[1]:.3g} mm")
        every = [t for each in series for t in _layers(*each)]
        places = [t.numbers("ImagePositionPatient", 3, -_FAR, _FAR) for t in every]
        steps = np.linalg.norm(np.diff(np.unique(places, axis=0), axis=0), axis=1)
        parts.append(f"{np.median(steps):.3g} mm apart" if len(steps) else "at one place")
    except ScanError:
        parts.append("without geometry")
    parts.append(f"kernel {tags.text('ConvolutionKernel') or 'not stated'}")
    where = os.path.dirname(file.label)
    return f"series {number} {text!r}: {', '.join(parts)}" + (f", in {where}" if where else "")


def _layers(file: DicomFile, header: Dataset) -> Iterator[Tags]:
    """Give the tags of each frame: its own functional groups, the shared ones, the file's."""
    frames = header.get("PerFrameFunctionalGroupsSequence")
    if not frames:
        yield Tags([header], file.label)
        return
    shared = [_inner(group) for group in header.get("SharedFunctionalGroupsSequence") or []]
    for k, frame in enumerate(frames):
        layers = [*_inner(frame), *(each for groups in shared for each in groups), header]
        yield Tags(layers, f"{file.label} frame {k + 1}")


def _inner(group: Dataset) -> list[Dataset]:
    return [item for element in group if element.VR == "SQ" for item in element.value]


def _slices(file: DicomFile, header: Dataset) -> Iterator[Slice]:
    stated = Tags([header], file.label)
    count = 1
    if stated.get("NumberOfFrames") is not None:
        count = int(stated.numbers("NumberOfFrames", 1, 1, 1e6)[0])
    if count != _frames(header):
        raise stated.error(
            f"{count} frames, but positions for {_frames(header)}", "export it as single slices"
        )
    for frame, tags in enumerate(_layers(file, header)):
        yield _slice(file, frame, tags)


def _slice(file: DicomFile, frame: int, tags: Tags) -> Slice:
    photometric = tags.text("PhotometricInterpretation")
    if photometric != "MONOCHROME2" or tags.get("SamplesPerPixel") not in (None, 1):
        raise tags.error(
            f"holds {photometric or 'no PhotometricInterpretation'}, not one HU value a pixel",
            "give the original MONOCHROME2 slices, not colour or inverted copies",
        )
    kind = tags.text("RescaleType").upper()
    if kind not in {"", "HU", "HU_MOD", "US"}:  # US: unspecified
        raise tags.error(f"RescaleType is {kind}, not HU", "give the series in HU")
    slope = tags.numbers("RescaleSlope", 1, 1e-6, 1e4)[0]
    intercept = tags.numbers("RescaleIntercept", 1, -1e6, 1e6)[0]
    rows, columns = (int(tags.numbers(key, 1, 1, 8192)[0]) for key in ("Rows", "Columns"))
    padding = None
    if tags.get("PixelPaddingValue") is not None:
        bounds = [tags.numbers("PixelPaddingValue", 1, -(2**31), 2**32)[0]] * 2
        if tags.get("PixelPaddingRangeLimit") is not None:
            bounds[1] = tags.numbers("PixelPaddingRangeLimit", 1, -(2**31), 2**32)[0]
        padding = (int(bounds[0]), int(bounds[1]))
    return Slice(
        file=file,
        frame=frame,
        label=tags.label,
        shape=(rows, columns),
        position=tags.numbers("ImagePositionPatient", 3, -_FAR, _FAR),
        orientation=tags.numbers("ImageOrientationPatient", 6, -1.01, 1.01),
        spacing=tags.numbers("PixelSpacing", 2, 0.05, 10.0),
        slope=float(slope),
        intercept=float(intercept),
        padding=padding,
        space=tags.text("FrameOfReferenceUID"),
    )


def _check_alike(first: Slice, other: Slice) -> None:
    pairs: list[tuple[str, Any, Any, float]] = [
        ("matrix sizes (rows, columns)", first.shape, other.shape, 0.0),
        ("pixel spacings (mm)", first.spacing, other.spacing, 1e-3),
        ("orientations", first.orientation, other.orientation, 2e-3),
    ]
    for what, one, two, tolerance in pairs:
        if not np.allclose(one, two, rtol=0, atol=tolerance):
            shown = [np.asarray(each).tolist() for each in (one, two)]
            raise ScanError(
                f"{other.label}: mixed {what}: {shown[1]}, and {shown[0]} in {first.label}; "
                f"{_ONE_SERIES}"
            )
    if first.space != other.space:
        raise ScanError(
            f"{other.label}: mixed frames of reference, another than {first.label}; {_ONE_SERIES}"
        )
