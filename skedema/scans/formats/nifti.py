"""NIfTI files read without trust: nothing in them is believed that something else contradicts."""

from __future__ import annotations

import math
import os
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skedema.scans._budget import DEFAULT_MAX_BYTES, check_budget
from skedema.scans._voxels import check_finite, check_not_blank
from skedema.scans.errors import ScanError, broken, system_errors
from skedema.scans.formats._geometry import nifti_affine, stated_affine
from skedema.scans.formats._stored import from_pieces, is_wide, pieces_of, scaled
from skedema.scans.formats.base import Format
from skedema.scans.formats.gzipped import decompress, unpacked
from skedema.scans.formats.nifti_header import NiftiHeader, read_header
from skedema.scans.scan import Scan


class Nifti(Format):
    """A NIfTI-1 or NIfTI-2 file, or a pair of them, of either byte order.

    A file is read where everything in it agrees: magic, type, dimensions, and to the byte the
    size of the (unpacked) file. Nothing may follow the voxels, not even zeros: a header whose
    dimensions were damaged would look like that. What is compressed is verified by its checksum.

    The geometry is the sform where its code is above 0, else the qform where its code is. A
    warning tells where both codes are 0 (the axes are then taken to run to the left, anterior and
    superior), or where sform and qform, or sform and pixdim where there is no qform, differ by more
    than 1 mm anywhere in the volume.
    """

    def load(self, cell: str, name: str, max_bytes: int = DEFAULT_MAX_BYTES) -> Scan:
        """Read stored value x slope + intercept; int16 where that is what is stored."""
        files = self.files(cell, name)
        names = [name if each == cell else f"{name}: {os.path.basename(each)}" for each in files]
        header = read_header(files[0], names[0], pair=len(files) == 2)
        check_header_budget(header, name, max_bytes)
        stated = stated_affine(header.fields, names[0])
        affine = nifti_affine(header.fields, stated, header.shape, names[0])
        return Scan(read_voxels(files[-1], names[-1], header), affine)


class NiftiPair(Nifti):
    """A header and its voxels in two files, which either of them stands for."""

    whole = False

    def files(self, cell: str, name: str) -> tuple[str, str]:
        """Give the file of the header and that of the voxels; there must be one of each."""
        stem, ending = os.path.splitext(cell)
        if ending.lower() == ".gz":
            stem, ending = os.path.splitext(stem)
        other = {".hdr": ".img", ".img": ".hdr"}[ending.lower()]
        other = other.upper() if ending.isupper() else other
        found = [stem + other + gz for gz in ("", ".gz") if os.path.isfile(stem + other + gz)]
        if not found:
            raise ScanError(
                f"{name}: half of a pair, {stem + other} is missing; put it beside, or convert "
                "both to one .nii.gz"
            )
        if len(found) == 2:
            raise ScanError(
                f"{name}: there are both {found[0]} and {found[1]}; remove the wrong one"
            )
        return (cell, found[0]) if ending.lower() == ".hdr" else (found[0], cell)


def read_voxels(path: str, name: str, header: NiftiHeader) -> NDArray[Any]:
    """Read the voxels that a header describes, in Fortran order."""
    if is_wide(header.dtype):
        volume = _by_pieces(path, name, header)
    else:
        data = _exactly(path, name, header)
        _check_extensions(data[: header.offset], header, name)
        flat = np.frombuffer(data, header.dtype, offset=header.offset)
        check_not_blank(flat, name)
        volume = scaled(flat, header.slope, header.inter)
    largest = 2.0 ** (8 * header.dtype.itemsize) * abs(header.slope) + abs(header.inter)
    if header.dtype.kind == "f" or largest > 1e38:
        check_finite(volume, name)
    return volume.reshape(header.shape[:3], order="F")


def check_header_budget(header: NiftiHeader, name: str, max_bytes: int) -> None:
    """Refuse what would take too much memory; extensions of the header count, too."""
    check_budget(header.shape, header.held, name, max_bytes, header.offset)


def _exactly(path: str, name: str, header: NiftiHeader) -> NDArray[np.uint8]:
    """Read a file that must unpack to just so many bytes."""
    n_bytes = header.n_bytes
    if path.lower().endswith(".gz"):
        data = decompress(path, name, n_bytes, held=_held_bytes(header))
        n_found = data.size
    else:
        with system_errors(name), open(path, "rb") as file:
            n_found = os.fstat(file.fileno()).st_size
            data = np.fromfile(file, np.uint8, n_bytes if n_found == n_bytes else 0)
            n_found = n_found if n_found != n_bytes else data.size
    _check_length(n_found, n_bytes, name)
    return data


def _by_pieces(path: str, name: str, header: NiftiHeader) -> NDArray[np.float32]:
    """Read and scale a file that must unpack to just so many bytes, few of them at a time."""
    n_bytes = header.n_bytes
    with system_errors(name), open(path, "rb") as file:
        if path.lower().endswith(".gz"):
            pieces = unpacked(path, name, n_bytes, held=_held_bytes(header))
        else:
            _check_length(os.fstat(file.fileno()).st_size, n_bytes, name)
            pieces = pieces_of(file)
        start = b""
        while len(start) < header.offset and (piece := next(pieces, b"")):
            start += piece
        voxels = chain([start[header.offset :]], pieces)
        n = (n_bytes - header.offset) // header.dtype.itemsize
        volume = from_pieces(voxels, header.dtype, n, name, header.slope, header.inter)
    missing = (n - volume.size) * header.dtype.itemsize
    _check_length(n_bytes - missing, n_bytes, name)
    extensions = np.frombuffer(start[: header.offset], np.uint8)
    _check_extensions(extensions, header, name)
    return volume


def _held_bytes(header: NiftiHeader) -> int:
    return math.prod(header.shape) * header.held.itemsize


def _check_length(n_found: int, n_bytes: int, name: str) -> None:
    if n_found != n_bytes:
        raise broken(
            name,
            f"there are {n_found:,} bytes, the header promises {n_bytes:,}: it is "
            f"{'cut off' if n_found < n_bytes else 'too long, or the header is damaged'}",
        )


def _check_extensions(data: NDArray[np.uint8], header: NiftiHeader, name: str) -> None:
    """Check that the extensions of a single file, if any, end before the voxels begin."""
    at = header.fields.template_dtype.itemsize + 4
    if header.offset < at or not data[at - 4]:  # a pair; no extension
        return
    integer = np.dtype(header.fields.endianness + "i4")
    while at + 8 <= header.offset:
        size = int(np.frombuffer(data, integer, 1, offset=at)[0])
        if size == 0:
            return
        if size < 8 or at + size > header.offset:
            raise broken(name, f"a header extension of {size} bytes runs into the voxels")
        at += size
