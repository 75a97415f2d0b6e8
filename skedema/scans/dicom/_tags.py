"""The tags of DICOM files: read without the pixels, looked up with clear errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skedema.scans.dicom._files import DicomFile
from skedema.scans.dicom._sniff import HEAD, is_other_kind, starts_dicom
from skedema.scans.dicom._stream import Allowance, Bounded
from skedema.scans.errors import ScanError, library_errors

if TYPE_CHECKING:
    from pydicom import Dataset

_PIXELS = [
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "NumberOfFrames",
]  # fmt: skip
_HEADER = [
    *_PIXELS,
    "ImageType", "SOPClassUID", "PatientID", "StudyInstanceUID", "SeriesInstanceUID",
    "SeriesNumber", "SeriesDescription", "ConvolutionKernel", "FrameOfReferenceUID",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope",
    "RescaleIntercept", "RescaleType", "PixelPaddingValue", "PixelPaddingRangeLimit",
    "RealWorldValueMappingSequence", "SliceLocation", "InstanceNumber", "AcquisitionNumber",
    "AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime", "TemporalPositionIdentifier",
    "ContrastBolusAgent", "KVP", "ImagesInAcquisition", "NumberOfSeriesRelatedInstances",
    "NumberOfSlices", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "DirectoryRecordSequence",
]  # fmt: skip
_BESIDE_PIXELS = 2**20  # bytes of tags and of tables of offsets
_DEFLATED = b"1.2.840.10008.1.2.1.99"

# By (implicit VR, little-endian): PS3.5, A.1 to A.3.
_SYNTAX_OF = {
    (True, True): "1.2.840.10008.1.2",
    (False, True): "1.2.840.10008.1.2.1",
    (False, False): "1.2.840.10008.1.2.2",
}

#: The usual remedy.
EXPORT = "export the exam again"

#: Why a file has no tags: it is plainly no slice, or may be one that was damaged.
OTHER_KIND = "no DICOM images"
UNKNOWN = "unknown or damaged files"


def read_header(file: DicomFile) -> Dataset | str:
    """Read the tags of a file that a series is put together by.

    `OTHER_KIND` for what is no DICOM or a DICOMDIR, `UNKNOWN` for what may be a damaged slice. What
    begins as DICOM and cannot be read is an error.
    """
    from pydicom import dcmread

    with library_errors(file.label, EXPORT), file.open() as stream:
        head = stream.read(HEAD)
        if not starts_dicom(head):
            return OTHER_KIND if is_other_kind(file.label, head) else UNKNOWN
        if _DEFLATED in head:  # it unpacks to any size
            raise ScanError(
                f"{file.label}: deflated (transfer syntax {_DEFLATED.decode()}) is not read; "
                "decompress it first, e.g. with dcmconv of DCMTK"
            )
        stream.seek(0)
        bounded: Any = Bounded(stream, file.headers)
        dataset = dcmread(bounded, stop_before_pixels=True, specific_tags=list(_HEADER), force=True)
    return OTHER_KIND if "DirectoryRecordSequence" in dataset else dataset


def read_pixels(file: DicomFile, n_pixels: int) -> Dataset:
    """Read the pixel data of a file of so many pixels, still encoded, and the tags that decode it.

    More than these can take is refused.
    """
    from pydicom import dcmread

    tags: list[Any] = [*_PIXELS, "PixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"]
    most = Allowance(
        4 * n_pixels + _BESIDE_PIXELS,
        f"{file.label}: has more pixel data than its Rows, Columns and NumberOfFrames say; export "
        "the exam again",
    )
    with library_errors(file.label, EXPORT), file.open() as stream:
        bounded: Any = Bounded(stream, most)
        dataset = dcmread(bounded, specific_tags=tags, force=True)
        while stream.read(2**16):  # a zip compares the checksum at the end
            pass
    if not dataset.get("PixelData"):
        raise ScanError(f"{file.label}: has no pixel data, or was cut off; export the exam again")
    if not dataset.file_meta:  # without preamble and header: as the tags are encoded
        implicit, little = dataset.original_encoding
        syntax = _SYNTAX_OF[bool(implicit), bool(little)]
        dataset.file_meta.TransferSyntaxUID = syntax  # type: ignore[assignment]
    return dataset


class Tags:
    """The tags of one slice, in its file or in the functional groups of its frame.

    The `layers` are looked through in order; `label` is what messages call the slice.
    """

    def __init__(self, layers: Sequence[Dataset], label: str) -> None:
        self.layers = layers
        self.label = label

    def get(self, keyword: str) -> Any:
        """Give the value of a tag; None where it is absent or empty."""
        try:
            values = (layer.get(keyword) for layer in self.layers)
            return next((value for value in values if value not in (None, "")), None)
        except Exception as error:  # values are converted when they are looked up
            raise self.error(f"{keyword} is not readable ({error})") from error

    def text(self, keyword: str) -> str:
        """Give a value as text, several joined by a backslash; empty where the tag is absent."""
        value = self.get(keyword)
        if value is None:
            return ""
        many = isinstance(value, Sequence) and not isinstance(value, str)
        return "\\".join(map(str, value)).strip() if many else str(value).strip()

    def every(self, keyword: str) -> list[Any]:
        """Give the items of a sequence, of all layers."""
        return [item for layer in self.layers for item in layer.get(keyword) or []]

    def number(self, keyword: str) -> float | None:
        """Give the number of a tag; None where it is absent or no number."""
        try:
            return float(self.numbers(keyword, 1, -1e9, 1e9)[0])
        except ScanError:
            return None

    def whole(self, keyword: str) -> int | None:
        """Give the whole number of a tag; None where it is absent or no whole number."""
        value = self.number(keyword)
        return int(value) if value is not None and value == int(value) else None

    def numbers(self, keyword: str, count: int, low: float, high: float) -> NDArray[np.float64]:
        """Give the so many numbers of a tag that must be there, within plausible bounds."""
        value = self.get(keyword)
        if value is None:
            raise self.error(f"{keyword} is missing")
        try:
            numbers = np.atleast_1d(np.array(value, dtype=np.float64))
        except Exception as error:
            raise self.error(f"{keyword} is {value!s:.60}, no number") from error
        if numbers.shape != (count,):
            raise self.error(f"{keyword} is {value!s:.60}, not {count} numbers")
        if not ((numbers >= low) & (numbers <= high)).all():  # NaN is not, either
            raise self.error(f"{keyword} is {value!s:.60}, not within {low:g} to {high:g}")
        return numbers

    def error(
        self, what: str, remedy: str = "export the exam again with all its tags"
    ) -> ScanError:
        """Say what is wrong with the slice."""
        return ScanError(f"{self.label}: {what}; {remedy}")
