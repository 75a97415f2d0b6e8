"""Headers of MetaImage and NRRD files, read strictly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skedema.scans._checks import broken
from skedema.scans.errors import ScanError

CONVERT = "convert it to NIfTI (.nii.gz), e.g. with dcm2niix or SimpleITK"

#: Bytes within which a header must end.
MAX_HEADER = 2**20

# MetaIO's types have fixed sizes, whatever C calls them.
_META_TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4",
    "MET_UINT": "u4", "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip
_NRRD_TYPES = {
    "signed char": "i1", "int8": "i1", "int8_t": "i1",
    "uchar": "u1", "unsigned char": "u1", "uint8": "u1", "uint8_t": "u1",
    "short": "i2", "short int": "i2", "signed short": "i2", "signed short int": "i2",
    "int16": "i2", "int16_t": "i2",
    "ushort": "u2", "unsigned short": "u2", "unsigned short int": "u2", "uint16": "u2",
    "uint16_t": "u2",
    "int": "i4", "signed int": "i4", "int32": "i4", "int32_t": "i4",
    "uint": "u4", "unsigned int": "u4", "uint32": "u4", "uint32_t": "u4",
    "longlong": "i8", "long long": "i8", "long long int": "i8", "int64": "i8", "int64_t": "i8",
    "ulonglong": "u8", "unsigned long long": "u8", "uint64": "u8", "uint64_t": "u8",
    "float": "f4", "double": "f8",
}  # fmt: skip

# What turns the axes of a space to right, anterior, superior.
_SPACES = {
    "left-posterior-superior": (-1, -1, 1),
    "lps": (-1, -1, 1),
    "right-anterior-superior": (1, 1, 1),
    "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "las": (-1, 1, 1),
}


class ItkHeader(NamedTuple):
    """What a header says: the affine in RAS mm; `file` is "" where the voxels follow it."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    affine: NDArray[np.float64]
    packed: str  # "", "zlib" or "gzip"
    file: str = ""


def read_meta(start: bytes, name: str) -> tuple[ItkHeader, int]:
    """Read the header of a MetaImage file.

    Parameters
    ----------
    start : bytes
        The start of the file.
    name : str
        What messages call it.

    Returns
    -------
    header : ItkHeader
        What it says.
    n_bytes : int
        How long it is.

    Raises
    ------
    ScanError, ValueError
        If it is not understood.
    """
    end = start.find(b"\n", start.find(b"ElementDataFile"))
    if b"ElementDataFile" not in start or end < 0:
        raise broken(name, "it is no MetaImage, it states no ElementDataFile", CONVERT)
    fields = _fields(start[:end], "=", name)
    for key, plain in {
        "objecttype": ("image",),
        "binarydata": ("true",),
        "headersize": ("0",),
        "distanceunits": ("mm", "?"),
        "elementtointensityfunctionslope": ("1",),
        "elementtointensityfunctionoffset": ("0",),
    }.items():
        _expect(fields, key, plain, name)
    shape = tuple(int(n) for n in _first(fields, name, "dimsize").split())
    n = int(_first(fields, name, "ndims"))
    if len(shape) != n:
        raise broken(name, f"it states {n} dimensions but the size {shape}", CONVERT)
    if n != 3:
        return ItkHeader(shape, np.dtype("u1"), np.eye(4), ""), end + 1  # refused by its shape
    if fields.get("elementnumberofchannels", "1") != "1":
        raise _many_values(name)
    dtype = _META_TYPES.get(_first(fields, name, "elementtype").upper())
    if dtype is None:
        raise broken(name, f"its voxels are {fields['elementtype']}, which are not read", CONVERT)
    msb = fields.get("binarydatabyteordermsb", fields.get("elementbyteordermsb", "false"))
    spacing = _numbers(_first(fields, name, "elementspacing", "elementsize"), 3)
    axes = _numbers(
        _first(
            fields, name, "transformmatrix", "rotation", "orientation", plain="1 0 0 0 1 0 0 0 1"
        ),
        9,
    )
    origin = _numbers(_first(fields, name, "offset", "position", "origin", plain="0 0 0"), 3)
    affine = np.eye(4)
    affine[:3, :3] = axes.reshape(3, 3).T * spacing
    affine[:3, 3] = origin
    affine[:2] *= -1  # from LPS
    packed = "zlib" if fields.get("compresseddata", "false").lower() == "true" else ""
    file = fields["elementdatafile"]
    order = ">" if msb.lower() == "true" else "<"
    local = "" if file.upper() == "LOCAL" else file or "LIST"
    return ItkHeader(shape, np.dtype(order + dtype), affine, packed, local), end + 1


def read_nrrd(start: bytes, name: str) -> tuple[ItkHeader, int]:
    """Read the header of a NRRD file; parameters and results as those of `read_meta`.

    Parameters
    ----------
    start : bytes
        The start of the file.
    name : str
        What messages call it.

    Returns
    -------
    header : ItkHeader
        What it says.
    n_bytes : int
        How long it is.

    Raises
    ------
    ScanError, ValueError
        If it is not understood.
    """
    ends = [start.find(blank) + len(blank) for blank in (b"\n\n", b"\r\n\r\n") if blank in start]
    if not start.startswith(b"NRRD000") or not ends:
        raise broken(name, "it is no NRRD file with its voxels inside", CONVERT)
    fields = _fields(start[: min(ends)].replace(b":=", b"="), ":", name)
    for key in ("data file", "datafile", "line skip", "lineskip", "byte skip", "byteskip"):
        _expect(fields, key, ("0",), name)
    _expect(fields, "space units", ('"mm" "mm" "mm"',), name)
    shape = tuple(int(n) for n in _first(fields, name, "sizes").split())
    n = int(_first(fields, name, "dimension"))
    if len(shape) != n:
        raise broken(name, f"it states {n} dimensions but the size {shape}", CONVERT)
    directions = fields.get("space directions", "").lower().split()
    if "none" in directions:
        raise _many_values(name)
    if n != 3:
        return ItkHeader(shape, np.dtype("u1"), np.eye(4), ""), min(ends)  # refused by its shape
    encoding = _first(fields, name, "encoding").lower()
    if encoding not in ("raw", "gzip", "gz"):
        raise broken(name, f"its encoding is {encoding!r}; raw and gzip are read", CONVERT)
    dtype = _NRRD_TYPES.get(_first(fields, name, "type").lower())
    if dtype is None:
        raise broken(name, f"its voxels are {fields['type']!r}, which are not read", CONVERT)
    order = fields.get("endian", "" if dtype[1] != "1" else "little").lower()
    if order not in ("little", "big"):
        raise broken(name, f"its byte order is {order!r}, not 'little' or 'big'", CONVERT)
    space = fields.get("space", "").lower()
    if space not in _SPACES:
        raise broken(name, f"its space is {space!r}, not one of {', '.join(_SPACES)}", CONVERT)
    axes = _numbers(_first(fields, name, "space directions").translate(_COMMAS), 9)
    origin = _numbers(fields.get("space origin", "(0,0,0)").translate(_COMMAS), 3)
    affine = np.eye(4)
    affine[:3, :3] = axes.reshape(3, 3).T
    affine[:3, 3] = origin
    affine[:3] *= np.array(_SPACES[space])[:, None]
    packed = "" if encoding == "raw" else "gzip"
    dtype = (">" if order == "big" else "<") + dtype
    return ItkHeader(shape, np.dtype(dtype), affine, packed), min(ends)


_COMMAS = str.maketrans("(,)", "   ")


def _fields(header: bytes, separator: str, name: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in header.decode("latin-1").splitlines():
        key, found, value = (part.strip() for part in line.partition(separator))
        if found and not line.startswith("#"):
            if key.lower() in fields:
                raise broken(name, f"it states {key!r} twice", CONVERT)
            fields[key.lower()] = value
    return fields


def _expect(fields: dict[str, str], key: str, plain: tuple[str, ...], name: str) -> None:
    if key in fields and fields[key].lower() not in plain:
        raise broken(name, f"its {key} is {fields[key]!r}, which is not read", CONVERT)


def _first(fields: dict[str, str], name: str, *keys: str, plain: str = "") -> str:
    """Give the first of several spellings of a field."""
    found = next((fields[key] for key in keys if key in fields), plain)
    if not found:
        raise broken(name, f"it does not state its {keys[0]}", CONVERT)
    return found


def _numbers(text: str, n: int) -> NDArray[np.float64]:
    numbers = np.array([float(number) for number in text.split()])
    if numbers.size != n:
        raise ValueError(f"{n} numbers wanted, not {text!r}")
    return numbers


def _many_values(name: str) -> ScanError:
    return ScanError(f"{name}: holds several values a voxel; give one real number (HU) a voxel")
