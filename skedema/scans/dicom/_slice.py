"""What one slice of a series says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skedema.scans.dicom._files import DicomFile
from skedema.scans.dicom._tags import Tags

if TYPE_CHECKING:
    from pydicom import Dataset

FARTHEST = 1e5  # mm; no position is farther away

#: How pixels are stored.
CODING = ("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")

#: Values 3 and 4 of ImageType and FrameType of what is no HU: PS3.3, C.8.2.1.1.1 (multi-energy CT)
#: and C.8.15.2 (enhanced CT); without R where vendors write these so. A sum, a mean, a maximum or
#: a minimum of HU are HU, and so are virtual monoenergetic images and those without a material.
_NO_HU = {
    *("RCBF", "RCBV", "CBF", "CBV", "MTT", "TTP", "TMAX", "PEI", "PERMEABILITY", "TTD", "TTS"),
    *("SUBTRACTION", "DIVISION", "MULTIPLICATION", "STD_DEVIATION", "T_TEST", "Z_SCORE"),
    *("MAT_SPECIFIC", "MAT_FRACTIONAL", "MAT_VALUE_BASED", "EFF_ATOMIC_NUM", "ELECTRON_DENSITY"),
}
_IN_HU = {"", "HU", "HU_MOD", "US"}  # RescaleType (PS3.3, C.11.1.1.2); US: unspecified
_UNITS_OF_HU = {"[hnsf'u]", "hnsf'u", "[hu]", "hu"}  # UCUM, and what is written in its place


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """One slice of a series, its pixels unread; lengths in mm, as the file states them (LPS).

    Texts are empty, and numbers None, where the tag is absent.
    """

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
    coding: tuple[str, ...]  # values of `CODING`
    space: str
    patient: str
    study: str
    series: str
    number: int | None
    location: float | None
    acquisition: int | None
    time: float | None  # of the acquisition, in seconds
    kind: tuple[str, ...]  # phase, contrast agent, kernel and kV: differ between passes
    promised: int | None  # how many slices there should be


def frames_of(file: DicomFile, header: Dataset) -> Iterator[Tags]:
    """Give the tags of each frame: of its own functional groups, the shared ones, then the file."""
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


def slices_of(file: DicomFile, header: Dataset) -> Iterator[Slice]:
    """Read the tags of the slices of a file, one a frame; what is no HU is refused."""
    stated = Tags([header], file.label)
    every = list(frames_of(file, header))
    count = 1
    if stated.get("NumberOfFrames") is not None:
        count = int(stated.numbers("NumberOfFrames", 1, 1, 1e6)[0])
    if count != len(every):
        raise stated.error(
            f"{count} frames, but positions for {len(every)}", "export it as single slices"
        )
    for frame, tags in enumerate(every):
        yield _slice(file, frame, tags)


def _slice(file: DicomFile, frame: int, tags: Tags) -> Slice:
    _check_hu(tags)
    slope = tags.numbers("RescaleSlope", 1, 1e-6, 1e4)[0]
    intercept = tags.numbers("RescaleIntercept", 1, -1e6, 1e6)[0]
    rows, columns = (int(tags.numbers(key, 1, 1, 8192)[0]) for key in ("Rows", "Columns"))
    padding = None
    if tags.get("PixelPaddingValue") is not None:
        bounds = [tags.numbers("PixelPaddingValue", 1, -(2**31), 2**32)[0]] * 2
        if tags.get("PixelPaddingRangeLimit") is not None:
            bounds[1] = tags.numbers("PixelPaddingRangeLimit", 1, -(2**31), 2**32)[0]
        padding = (int(bounds[0]), int(bounds[1]))
    kind = ("ContrastBolusAgent", "ConvolutionKernel", "KVP")
    phase = tags.text("TemporalPositionIdentifier") or tags.text("TemporalPositionIndex")
    promises = ("ImagesInAcquisition", "NumberOfSeriesRelatedInstances", "NumberOfSlices")
    return Slice(
        file=file,
        frame=frame,
        label=tags.label,
        shape=(rows, columns),
        position=tags.numbers("ImagePositionPatient", 3, -FARTHEST, FARTHEST),
        orientation=tags.numbers("ImageOrientationPatient", 6, -1.01, 1.01),
        spacing=tags.numbers("PixelSpacing", 2, 0.05, 10.0),
        slope=float(slope),
        intercept=float(intercept),
        padding=padding,
        coding=tuple(tags.text(keyword) for keyword in CODING),
        space=tags.text("FrameOfReferenceUID"),
        patient=tags.text("PatientID"),
        study=tags.text("StudyInstanceUID"),
        series=tags.text("SeriesInstanceUID"),
        number=tags.whole("InstanceNumber"),
        location=tags.number("SliceLocation"),
        acquisition=_first(tags.whole(k) for k in ("AcquisitionNumber", "FrameAcquisitionNumber")),
        time=_time(tags),
        kind=(phase, *(tags.text(keyword) for keyword in kind)),
        promised=max((n for k in promises if (n := tags.whole(k)) is not None), default=None),
    )


def _check_hu(tags: Tags) -> None:
    """Refuse what is no HU, by all that says so."""
    photometric = tags.text("PhotometricInterpretation")
    if photometric != "MONOCHROME2" or tags.get("SamplesPerPixel") not in (None, 1):
        raise tags.error(
            f"holds {photometric or 'no PhotometricInterpretation'}, not one HU value a pixel",
            "give the original MONOCHROME2 slices, not colour or inverted copies",
        )
    unit = tags.text("RescaleType").upper()
    if unit not in _IN_HU:
        raise tags.error(f"RescaleType is {unit}, not HU", "give the series in HU")
    for keyword in ("ImageType", "FrameType"):
        kinds = tags.text(keyword).upper().split("\\")[2:]
        if any(_NO_HU & {kind.strip(), *kind.strip().split("_")} for kind in kinds):
            raise tags.error(
                f"{keyword} is {tags.text(keyword)}: a derived quantity, not HU",
                "give the series in HU that it was computed from",
            )
    units = {
        str(code.get("CodeValue") or "").strip()
        for mapping in (*tags.layers, *tags.every("RealWorldValueMappingSequence"))
        for code in mapping.get("MeasurementUnitsCodeSequence") or []
    }
    if units and not any(each.lower() in _UNITS_OF_HU for each in units):
        raise tags.error(
            f"its real-world values are in {', '.join(sorted(units))}, not HU",
            "give the series in HU that it was computed from",
        )


def _time(tags: Tags) -> float | None:
    """Seconds of a day, and of the days before where the date is stated."""
    text = tags.text("AcquisitionDateTime") or tags.text("FrameAcquisitionDateTime")
    if not text and tags.text("AcquisitionTime"):
        text = tags.text("AcquisitionDate").rjust(8, "0")[:8] + tags.text("AcquisitionTime")
    digits = text.replace(":", "").split("+")[0].split("-")[0]
    try:
        year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:8])
        clock = digits[8:14].ljust(6, "0")
        seconds = 3600 * int(clock[:2]) + 60 * int(clock[2:4]) + int(clock[4:6])
        part = float("0." + digits[15:].ljust(1, "0"))
    except ValueError:
        return None
    return 86400 * (372 * year + 31 * month + day) + seconds + part


def _first(values: Any) -> Any:
    return next((value for value in values if value is not None), None)
