"""Headers of MetaImage and NRRD files, read strictly."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skedema.scans._remarks import note
from skedema.scans._voxels import axes_of_volume
from skedema.scans.errors import ScanError, broken

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
    """Read the header of a MetaImage file from its start; gives it and its length in bytes."""
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
    axes = axes_of_volume(shape)
    if len(axes) != 3:
        return _refused(shape), end + 1
    if fields.get("elementnumberofchannels", "1") != "1":
        raise _many_values(name)
    dtype = _META_TYPES.get(_first(fields, name, "elementtype").upper())
    if dtype is None:
        raise broken(name, f"its voxels are {fields['elementtype']}, which are not read", CONVERT)
    msb = fields.get("binarydatabyteordermsb", fields.get("elementbyteordermsb", "false"))
    spacing = _numbers(_first(fields, name, "elementspacing", "elementsize"), n)
    straight = " ".join(f"{number:g}" for number in np.eye(n).ravel())
    turn = _first(fields, name, "transformmatrix", "rotation", "orientation", plain=straight)
    origin = _first(fields, name, "offset", "position", "origin", plain="0 " * n)
    matrix = _numbers(turn, n * n).reshape(n, n).T * spacing
    affine = _affine_of_volume(matrix, _numbers(origin, n), axes, name)
    affine[:2] *= -1  # from LPS
    packed = "zlib" if fields.get("compresseddata", "false").lower() == "true" else ""
    file = fields["elementdatafile"]
    order = ">" if msb.lower() == "true" else "<"
    local = "" if file.upper() == "LOCAL" else file or "LIST"
    sides = tuple(shape[axis] for axis in axes)
    return ItkHeader(sides, np.dtype(order + dtype), affine, packed, local), end + 1


def read_nrrd(start: bytes, name: str) -> tuple[ItkHeader, int]:
    """Read the header of a NRRD file, as `read_meta` does."""
    ends = [start.find(blank) + len(blank) for blank in (b"\n\n", b"\r\n\r\n") if blank in start]
    if not start.startswith(b"NRRD000") or not ends:
        raise broken(name, "it is no NRRD file with its voxels inside", CONVERT)
    fields = _fields(start[: min(ends)].replace(b":=", b"="), ":", name)
    for key in ("data file", "datafile", "line skip", "lineskip", "byte skip", "byteskip"):
        _expect(fields, key, ("0",), name)
    _expect(fields, "space units", ('"mm" "mm" "mm"', '"mm" "mm" "mm" "s"'), name)
    shape = tuple(int(n) for n in _first(fields, name, "sizes").split())
    n = int(_first(fields, name, "dimension"))
    if len(shape) != n:
        raise broken(name, f"it states {n} dimensions but the size {shape}", CONVERT)
    directions = re.findall(r"none|\([^)]*\)", fields.get("space directions", "").lower())
    if any(shape[k] > 1 for k, each in enumerate(directions) if each == "none" and k < n):
        raise _many_values(name)
    spatial = [k for k in range(n) if k >= len(directions) or directions[k] != "none"]
    axes = [spatial[k] for k in axes_of_volume([shape[k] for k in spatial])]
    if len(axes) != 3:
        return _refused(shape), min(ends)
    encoding = _first(fields, name, "encoding").lower()
    if encoding not in ("raw", "gzip", "gz"):
        raise broken(name, f"its encoding is {encoding!r}; raw and gzip are read", CONVERT)
    dtype = _NRRD_TYPES.get(_first(fields, name, "type").lower())
    if dtype is None:
        raise broken(name, f"its voxels are {fields['type']!r}, which are not read", CONVERT)
    order = fields.get("endian", "" if dtype[1] != "1" else "little").lower()
    if order not in ("little", "big"):
        raise broken(name, f"its byte order is {order!r}, not 'little' or 'big'", CONVERT)
    n_space = len(spatial)
    matrix = np.array([_numbers(directions[k].translate(_COMMAS), n_space) for k in spatial]).T
    origin = fields.get("space origin", "0 " * n_space).translate(_COMMAS)
    kept = [spatial.index(axis) for axis in axes]
    affine = _affine_of_volume(matrix, _numbers(origin, n_space), kept, name)
    affine[:3] *= np.array(_SPACES[_space(fields, n_space, name)])[:, None]
    packed = "" if encoding == "raw" else "gzip"
    dtype = (">" if order == "big" else "<") + dtype
    sides = tuple(shape[axis] for axis in axes)
    return ItkHeader(sides, np.dtype(dtype), affine, packed), min(ends)


_COMMAS = str.maketrans("(,)", "   ")


def _refused(shape: tuple[int, ...]) -> ItkHeader:
    """Give what is going to be refused by its shape."""
    return ItkHeader(shape, np.dtype("u1"), np.eye(4), "")


def _affine_of_volume(
    matrix: NDArray[np.float64], origin: NDArray[np.float64], axes: list[int], name: str
) -> NDArray[np.float64]:
    """Leave axes of length 1 out of the map (n, n) and origin (n,), as ITK's Extract does."""
    left = [axis for axis in range(len(origin)) if axis not in axes]
    size = float(np.abs(matrix).max())
    for rows, columns in ((left, axes), (axes, left)):
        if (np.abs(matrix[np.ix_(rows, columns)]) > 1e-6 * size).any():
            why = "an axis of length 1 is not at right angles to the others"
            raise broken(name, why, CONVERT)
    affine = np.eye(4)
    affine[:3, :3] = matrix[np.ix_(axes, axes)]
    affine[:3, 3] = origin[axes]
    return affine


def _space(fields: dict[str, str], n_space: int, name: str) -> str:
    """Name the axes of the space that positions are in."""
    space = fields.get("space", "").lower().removesuffix("-time")
    space = space[:3] if n_space == 4 and space in ("lpst", "rast", "last") else space
    if not space and n_space > 3:
        # NRRD knows no name for what ITK writes of four dimensions.
        note(
            name,
            "names no space; its axes are taken to run to the left, back and top, as ITK "
            f"has them. {CONVERT[0].upper()}{CONVERT[1:]} where that is wrong, or to confirm it.",
        )
        return "lps"
    if space not in _SPACES:
        raise broken(name, f"its space is {space!r}, not one of {', '.join(_SPACES)}", CONVERT)
    return space


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
