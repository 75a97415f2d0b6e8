"""NIfTI headers, checked before a voxel is read."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from skedema.scans._voxels import check_shape, check_type
from skedema.scans.errors import ScanError, broken, system_errors
from skedema.scans.formats._stored import held_type
from skedema.scans.formats.gzipped import check_once, peek, unpacked

#: Bytes before the voxels, header extensions above all: those of dcm2niix and FreeSurfer are
#: smaller by orders.
MAX_OFFSET = 2**26

# nifti1.h, DT_*: the real numbers, and what the others are.
_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4"}
_TYPES |= {1024: "i8", 1280: "u8", 32: "c8", 1792: "c16"}
_OTHER_TYPES = {0: "no stated type", 1: "single bits", 128: "colours (RGB)", 1536: "128-bit floats"}
_OTHER_TYPES |= {2048: "complex numbers", 2304: "colours (RGBA)"}

# Size of the header: where its magic stands, that of single files, that of pairs.
_MAGIC = {348: (344, b"n+1\0", b"ni1\0"), 540: (4, b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n")}

_AGAIN = "convert it to NIfTI again, e.g. with dcm2niix"
_SCALE = "set scl_slope to 1 and scl_inter to 0 where the voxels are stored in HU"


class NiftiHeader(NamedTuple):
    """What a checked header says of the voxels; `fields` is nibabel's header."""

    fields: Any
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int
    slope: float
    inter: float

    @property
    def n_bytes(self) -> int:
        """Bytes up to the end of the voxels."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize

    @property
    def held(self) -> np.dtype[Any]:
        """What the voxels are held as."""
        return held_type(self.dtype, self.slope, self.inter)


def read_header(path: str, name: str, pair: bool = False) -> NiftiHeader:
    """Read and check a header, of a pair or of one file; the geometry only by its pixdim."""
    import nibabel

    start = _start(path, name, pair)
    size, order = _size_and_order(start, name)
    if len(start) < size:
        raise broken(name, f"{len(start)} bytes are no NIfTI header, which has {size}")
    at, single, double = _MAGIC[size]
    magic = start[at : at + len(single)]
    if magic == (single if pair else double):
        where = "one file, named .nii" if pair else "a pair of files, named .hdr and .img"
        raise broken(name, f"its magic {magic!r} is that of {where}", f"name it so, or {_AGAIN}")
    if magic != (double if pair else single):
        old = "; ANALYZE 7.5 states no orientation" if size == 348 and not any(magic) else ""
        raise broken(name, f"its magic is {magic!r}, not that of NIfTI{old}", _AGAIN)
    kind: Any = nibabel.Nifti1Header if size == 348 else nibabel.Nifti2Header
    fields = kind(start[:size], endianness=order, check=False)
    shape = _shape(fields, name)
    dtype = _dtype(fields, order, name)
    offset = _offset(fields, 0 if pair else size + 4, name)
    slope, inter = _scaling(fields, name)
    return NiftiHeader(fields, shape, dtype, offset, slope, inter)


def _start(path: str, name: str, pair: bool) -> bytes:
    gz = path.lower().endswith(".gz")
    with system_errors(name):
        if gz and pair:  # nothing but the header: verify it here
            start = b""
            for piece in unpacked(path, name, MAX_OFFSET, least=348):
                start += piece[: 540 - len(start)]
            check_once(start, path, name)
            return start
        if gz:
            return peek(path, name, 540)
        with open(path, "rb") as file:
            return file.read(540)


def _size_and_order(start: bytes, name: str) -> tuple[int, str]:
    if not start:
        raise broken(name, "the file is empty")
    if (size := int.from_bytes(start[:4], "little")) in _MAGIC:
        return size, "<"
    if (size := int.from_bytes(start[:4], "big")) in _MAGIC:
        return size, ">"
    gz = start[:2] == b"\x1f\x8b"
    hint = "it is compressed by gzip" if gz else f"it begins with {start[:4]!r}"
    remedy = "name it .nii.gz" if gz else "restore or convert the file again"
    raise broken(name, f"no NIfTI header: {hint}", remedy)


def _shape(fields: Any, name: str) -> tuple[int, ...]:
    dim = [int(n) for n in fields["dim"]]
    if not 1 <= dim[0] <= 7:
        raise broken(name, f"its header states {dim[0]} dimensions, not 1 to 7")
    shape = tuple(dim[1 : dim[0] + 1])
    check_shape(shape, name)
    for axis, (n, step) in enumerate(zip(shape[:3], fields["pixdim"][1:4], strict=True)):
        if n > 1 and not (np.isfinite(step) and step > 0):
            raise broken(name, f"its pixdim along axis {axis} is {step:g}", f"set it, or {_AGAIN}")
    return shape


def _dtype(fields: Any, order: str, name: str) -> np.dtype[Any]:
    code, bits = int(fields["datatype"]), int(fields["bitpix"])
    if code in _OTHER_TYPES:
        raise ScanError(f"{name}: holds {_OTHER_TYPES[code]}; give one real number (HU) a voxel")
    if code not in _TYPES:
        raise broken(name, f"no type of voxels has the code {code}")
    dtype = np.dtype(order + _TYPES[code])
    check_type(dtype, name)
    if bits != 8 * dtype.itemsize:
        raise broken(name, f"its bitpix is {bits}, but {dtype.name} has {8 * dtype.itemsize} bits")
    return dtype


def _offset(fields: Any, least: int, name: str) -> int:
    offset = float(fields["vox_offset"])
    if not (offset >= 0 and offset == int(min(offset, 2.0**62))):
        raise broken(name, f"its vox_offset is {offset:g}, not a whole number from 0")
    if offset < least:
        raise broken(
            name,
            f"its vox_offset is {offset:g}: the header would be read as voxels, which begin at "
            f"{least} or later",
            f"set it, or {_AGAIN}",
        )
    if offset > MAX_OFFSET:
        raise broken(name, f"its vox_offset is {offset:g}, more than {MAX_OFFSET:,} are not read")
    return int(offset)


def _scaling(fields: Any, name: str) -> tuple[float, float]:
    """Slope and intercept; a slope of 0 means unscaled, and so do two NaN, as nibabel writes."""
    slope, inter = float(fields["scl_slope"]), float(fields["scl_inter"])
    if slope == 0 or (math.isnan(slope) and math.isnan(inter)):
        return 1.0, 0.0
    if not (math.isfinite(slope) and math.isfinite(inter)):
        raise broken(name, f"its slope is {slope:g} and its intercept {inter:g}", _SCALE)
    return slope, inter
