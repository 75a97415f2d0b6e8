"""MetaImage and NRRD files, read without trust and without ITK.

SimpleITK 2.5.7 ends the whole process on some damaged MetaImage headers, gives voxels of damaged
compressed ones without an error and does not look at what follows the voxels. The headers are a
few lines of text, so that they are read here, strictly.

Formats: MetaIO documentation (itk.org/Wiki/ITK/MetaIO/Documentation); definition of NRRD
(teem.sourceforge.net/nrrd/format.html).
"""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skedema.scans._budget import check_budget
from skedema.scans._voxels import as_volume, check_not_blank, check_shape
from skedema.scans.errors import broken, library_errors, system_errors, unreadable
from skedema.scans.formats._geometry import check_affine
from skedema.scans.formats._stored import from_pieces, is_wide, read_stored
from skedema.scans.formats.base import Format
from skedema.scans.formats.gzipped import check_ratio, decompress_bytes, unpacked_from
from skedema.scans.formats.itk_header import CONVERT, MAX_HEADER, ItkHeader, read_meta, read_nrrd
from skedema.scans.scan import Scan


class _Image(NamedTuple):
    """A header, and the file and byte where its voxels begin."""

    header: ItkHeader
    path: str
    start: int


class MetaImage(Format):
    """A ``.mha`` file; its header may name another file for the voxels."""

    whole = False

    def load(self, cell: str, name: str, max_bytes: int) -> Scan:
        """Read the voxels as float32; the affine is turned to RAS axes."""
        image = _image(cell, name)
        header = image.header
        check_shape(header.shape, name, "SimpleITK.ReadImage(path)[:, :, :, 0], written anew")
        check_budget(header.shape, np.dtype(np.float32), name, max_bytes)
        affine = check_affine(header.affine, header.shape, name)
        voxels = _voxels(image, name).reshape(header.shape, order="F")
        return Scan(as_volume(voxels, name, max_bytes), affine)


class MetaHeader(MetaImage):
    """A ``.mhd`` file, whose voxels are in a file beside it."""

    def files(self, cell: str, name: str) -> tuple[str, ...]:
        """Give the file of the header and that of the voxels."""
        found = _image(cell, name).path
        return (cell,) if found == cell else (cell, found)


class Nrrd(MetaImage):
    """A ``.nrrd`` file, its voxels inside."""

    whole = True


def _image(path: str, name: str) -> _Image:
    with system_errors(name), open(path, "rb") as file:
        start = file.read(MAX_HEADER)
    if not start:
        raise broken(name, "the file is empty", CONVERT)
    read = read_nrrd if path.lower().endswith(".nrrd") else read_meta
    with library_errors(name, CONVERT):
        header, at = read(start, name)
    file_name = header.file
    if not file_name:
        return _Image(header, path, at)
    if os.path.basename(file_name) != file_name or file_name.startswith("LIST") or "%" in file_name:
        raise broken(name, f"its ElementDataFile is {file_name!r}, not a file beside it", CONVERT)
    beside = os.path.join(os.path.dirname(path), file_name)
    try:
        there = os.path.isfile(beside)
    except ValueError:  # a NUL character
        there = False
    if not there:
        raise broken(name, f"its voxels are missing, there is no {beside}", "put the file there")
    return _Image(header, beside, 0)


def _voxels(image: _Image, name: str) -> NDArray[Any]:
    """Read and unpack the voxels, which end where the file does, in the order of the file."""
    header = image.header
    n = math.prod(header.shape)
    n_bytes = n * header.dtype.itemsize
    flat: NDArray[Any]
    try:
        with system_errors(name), open(image.path, "rb") as file:
            n_stored = os.fstat(file.fileno()).st_size - image.start
            file.seek(image.start)
            if header.packed:
                check_ratio(n_stored, name, n_bytes, 4 * n)
            else:
                _check_size(n_stored, n_bytes, name)
            if header.packed == "zlib":
                flat = from_pieces(_inflated(file, name, n_bytes), header.dtype, n, name)
            elif not header.packed:
                flat = read_stored(file, header.dtype, n, name)
            elif is_wide(header.dtype):
                flat = from_pieces(unpacked_from(file, name, n_bytes), header.dtype, n, name)
            else:
                data = np.frombuffer(decompress_bytes(file.read(), name, n_bytes), np.uint8)
                _check_size(data.size, n_bytes, name)
                flat = data.view(header.dtype)
                check_not_blank(flat, name)
    except zlib.error as error:
        raise unreadable(name, error) from error
    _check_size(flat.size * header.dtype.itemsize, n_bytes, name)
    return flat


def _inflated(file: IO[bytes], name: str, n_bytes: int) -> Iterator[bytes]:
    """Unpack zlib in pieces, one byte more at most than there should be."""
    unpack = zlib.decompressobj()
    room = n_bytes + 1
    while not unpack.eof and room:
        packed = unpack.unconsumed_tail or file.read(2**18)
        piece = unpack.decompress(packed, min(2**20, room))
        if not (packed or piece):
            break
        room -= len(piece)
        yield piece
    if not unpack.eof or unpack.unused_data or file.read(1):
        raise broken(name, "its compressed data are cut off or too long")


def _check_size(n_found: int, n_bytes: int, name: str) -> None:
    if n_found != n_bytes:
        raise broken(
            name, f"there are {n_found:,} bytes of voxels, the header promises {n_bytes:,}"
        )
