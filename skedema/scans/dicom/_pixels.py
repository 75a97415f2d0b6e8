"""From the pixel data of a slice to HU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from skedema._extras import how_to_install
from skedema.scans.dicom._slice import CODING, Slice
from skedema.scans.dicom._tags import EXPORT
from skedema.scans.errors import ScanError, library_errors
from skedema.scans.scan import AIR

if TYPE_CHECKING:
    from pydicom import Dataset

#: Bytes that may follow the pixels: padding to an even length, or to a whole block.
_PADDING = 64


def slice_hu(dataset: Dataset, slice_: Slice) -> NDArray[np.float32]:
    """Decode a slice: stored value x slope + intercept, as float32 (rows, columns).

    Its slope, intercept and coding hold, whatever the data set says. Padding, and what is below
    -1024 HU, is -1024.
    """
    for keyword, value in zip(CODING, slice_.coding, strict=True):
        if value and str(dataset.get(keyword)) != value:
            setattr(dataset, keyword, int(value))
    stored = _decoded(dataset, slice_)
    if stored.shape != slice_.shape or stored.dtype.kind not in "iu":
        raise ScanError(
            f"{slice_.label}: its pixel data are {stored.dtype} of shape {stored.shape}, not whole "
            f"numbers of shape {slice_.shape}; export the exam again"
        )
    hu = stored.astype(np.float32)
    if slice_.slope != 1:
        hu *= np.float32(slice_.slope)
    hu += np.float32(slice_.intercept)
    if slice_.padding is not None:
        # Padding of signed pixels is often written as if unsigned: 63536 for -2000.
        bits = 8 * stored.dtype.itemsize
        ends = np.array([value % 2**bits for value in slice_.padding], dtype=f"u{bits // 8}")
        low, high = np.sort(ends.view(stored.dtype.newbyteorder("=")))
        hu[(stored >= low) & (stored <= high)] = AIR
    return np.maximum(hu, np.float32(AIR), out=hu)


def _decoded(dataset: Dataset, slice_: Slice) -> NDArray[np.integer]:
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.pixels.utils import pixel_array

    label = slice_.label
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        raise ScanError(f"{label}: TransferSyntaxUID is missing; export the exam again")
    remedy = "decompress it first, e.g. with dcmdjpeg of DCMTK or gdcmconv --raw"
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise ScanError(f"{label}: transfer syntax {syntax.name} is not read; {remedy}") from error
    if not decoder.is_available:
        raise ScanError(
            f"{label}: transfer syntax {syntax.name} needs a decoder that is not installed: "
            f"{how_to_install('dicom')}; or {remedy}"
        )
    with library_errors(label, EXPORT):
        if syntax.is_encapsulated:
            _check_stream(dataset, slice_)
        else:
            _check_size(dataset, label)
        pixels: NDArray[np.integer] = pixel_array(dataset, index=slice_.frame)
        return pixels


def _check_size(dataset: Dataset, label: str) -> None:
    """Refuse more pixel data than the tags speak of: one of these is wrong."""
    frames = int(dataset.get("NumberOfFrames") or 1)
    bits = dataset.Rows * dataset.Columns * frames * dataset.BitsAllocated
    n_bytes = (bits + 7) // 8
    found = len(dataset.PixelData)
    if found > n_bytes + _PADDING or any(dataset.PixelData[n_bytes + 1 :]):
        raise ScanError(
            f"{label}: there are {found:,} bytes of pixel data, {n_bytes:,} by Rows "
            f"({dataset.Rows}), Columns ({dataset.Columns}) and BitsAllocated "
            f"({dataset.BitsAllocated}), so that one of these is wrong; export the exam again"
        )


def _check_stream(dataset: Dataset, slice_: Slice) -> None:
    """Refuse compressed data that are cut off, or that would unpack to another size."""
    from pydicom.encaps import get_frame

    frames = int(dataset.get("NumberOfFrames") or 1)
    data = get_frame(dataset.PixelData, slice_.frame, number_of_frames=frames)
    if data[:4] == b"\xff\x4f\xff\x51":  # JPEG 2000: SOC, SIZ
        x, y, x_off, y_off = (int.from_bytes(data[k : k + 4], "big") for k in (8, 12, 16, 20))
        size = (y - y_off, x - x_off, int.from_bytes(data[40:42], "big"))
    elif data[:2] == b"\xff\xd8":  # JPEG and JPEG-LS: SOI
        size = _jpeg_size(data)
    else:  # RLE; JP2 boxes around JPEG 2000, which DICOM forbids
        if data[4:8] == b"jP  ":
            raise ScanError(f"{slice_.label}: holds a JP2 file; convert it to plain JPEG 2000")
        _check_rle(data, slice_)
        return
    if size != (*slice_.shape, 1):
        raise ScanError(
            f"{slice_.label}: its compressed data hold {size} rows, columns and values a pixel, "
            f"its tags say {(*slice_.shape, 1)}; export the exam again"
        )
    end = data.find(b"\xff\xd9")  # stands nowhere else: EOI, EOC
    if end < 0:
        raise ScanError(f"{slice_.label}: its compressed data are cut off; export the exam again")
    more = len(data[end + 2 :].rstrip(b"\0"))
    if more > _PADDING:
        raise ScanError(
            f"{slice_.label}: {more:,} bytes of other data follow its compressed data, so that "
            "there may be more slices than its tags speak of; export the exam again"
        )


def _jpeg_size(data: bytes) -> tuple[int, int, int]:
    """Rows, columns and values a pixel, of the frame header (SOF0 to 15, or 55 for JPEG-LS)."""
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            return (
                int.from_bytes(data[at + 5 : at + 7], "big"),
                int.from_bytes(data[at + 7 : at + 9], "big"),
                data[at + 9],
            )
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return (0, 0, 0)


def _check_rle(data: bytes, slice_: Slice) -> None:
    """Refuse what would unpack to more than a byte a pixel and segment (PS3.5, annex G).

    What is too short, or no RLE, is left to pydicom.
    """
    rows, columns = slice_.shape
    n = int.from_bytes(data[:4], "little")
    offsets = [int.from_bytes(data[k : k + 4], "little") for k in range(4, 4 + 4 * min(n, 15), 4)]
    for start, end in zip(offsets, [*offsets[1:], len(data)], strict=True):
        n_bytes, at, end = 0, start, min(end, len(data))
        while at < end and n_bytes <= rows * columns + _RLE_PADDING:
            count = data[at]
            if count < 128:
                n_bytes += count + 1
                at += count + 2
            else:
                n_bytes += 257 - count if count > 128 else 0
                at += 2 if count > 128 else 1
        if n_bytes > rows * columns + _RLE_PADDING:
            raise ScanError(
                f"{slice_.label}: its compressed data unpack to more than {rows} rows of {columns} "
                "pixels; export the exam again"
            )


_RLE_PADDING = 256  # bytes that careless programs write behind a segment
