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
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skedema.scans._checks import (
    as_volume,
    broken,
    check_not_blank,
    check_shape,
    refused_by_system,
    unreadable,
)
from skedema.scans._geometry import check_affine
from skedema.scans.errors import ScanError
from skedema.scans.gzipped import check_ratio, decompress_bytes
from skedema.scans.itk_header import CONVERT, MAX_HEADER, ItkHeader, read_meta, read_nrrd
from skedema.scans.scan import Scan


class _Image(NamedTuple):
    """A header, and the file and byte where its voxels begin."""

    header: ItkHeader
    path: str
    start: int


def load_itk(path: str, name: str) -> Scan:
    """Read a ``.mha``, ``.mhd`` or ``.nrrd`` file.

    Parameters
    ----------
    path : str
        The file. The voxels of a ``.mhd`` are in a file beside it, those of the others inside.
    name : str
        What messages call it.

    Returns
    -------
    Scan
        Voxels as float32; the affine in mm, turned to RAS axes.

    Raises
    ------
    ScanError
        If the file is damaged, of another size than its header promises, of a variant that is
        not read (the message names it), or no scan.
    """
    image = _image(path, name)
    header = image.header
    check_shape(header.shape, name, "SimpleITK.ReadImage(path)[:, :, :, 0], written anew")
    affine = check_affine(header.affine, header.shape, name)
    n_bytes = math.prod(header.shape) * header.dtype.itemsize
    flat = np.frombuffer(_voxels(image, name, n_bytes), header.dtype)
    check_not_blank(flat, name)
    return Scan(as_volume(flat.reshape(header.shape, order="F"), name), affine)


def itk_files(path: str, name: str) -> tuple[str, ...]:
    """Give the files that the image consists of.

    Parameters
    ----------
    path : str
        The file.
    name : str
        What messages call it.

    Returns
    -------
    tuple of str
        The file, and that of the voxels where it is another one.

    Raises
    ------
    ScanError
        If the header cannot be read.
    """
    found = _image(path, name).path
    return (path,) if found == path else (path, found)


def _image(path: str, name: str) -> _Image:
    try:
        with open(path, "rb") as file:
            start = file.read(MAX_HEADER)
    except (OSError, MemoryError) as error:
        raise refused_by_system(name, error) from error
    if not start:
        raise broken(name, "the file is empty", CONVERT)
    read = read_nrrd if path.lower().endswith(".nrrd") else read_meta
    try:
        header, at = read(start, name)
    except ScanError:
        raise
    except Exception as error:  # what should be numbers is none, or there are too few
        raise unreadable(name, error, CONVERT) from error
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


def _voxels(image: _Image, name: str, n_bytes: int) -> NDArray[np.uint8]:
    """Read and unpack the voxels; they end where the file does."""
    packed = image.header.packed
    try:
        with open(image.path, "rb") as file:
            n_stored = os.fstat(file.fileno()).st_size - image.start
            file.seek(image.start)
            if not packed:
                _check_size(n_stored, n_bytes, name)
                return np.fromfile(file, np.uint8, n_bytes)
            check_ratio(n_stored, name, n_bytes)
            stored = file.read()
        if packed == "gzip":
            data: NDArray[Any] = decompress_bytes(stored, name, n_bytes)
        else:
            unpack = zlib.decompressobj()
            data = np.frombuffer(unpack.decompress(stored, n_bytes + 1), np.uint8)
            if unpack.unused_data or not unpack.eof:
                raise broken(name, "its compressed data are cut off or too long")
    except (OSError, MemoryError) as error:
        raise refused_by_system(name, error) from error
    except zlib.error as error:
        raise unreadable(name, error) from error
    _check_size(data.size, n_bytes, name)
    return data


def _check_size(n_found: int, n_bytes: int, name: str) -> None:
    if n_found != n_bytes:
        raise broken(
            name, f"there are {n_found:,} bytes of voxels, the header promises {n_bytes:,}"
        )
