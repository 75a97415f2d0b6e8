"""NIfTI files read without trust: nothing in them is believed that something else contradicts."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skedema.scans._checks import broken, check_finite, check_not_blank, refused_by_system
from skedema.scans._geometry import nifti_affine, stated_affine
from skedema.scans.errors import ScanError
from skedema.scans.gzipped import decompress
from skedema.scans.nifti_header import NiftiHeader, read_header
from skedema.scans.scan import Scan


def load_nifti(path: str, name: str) -> Scan:
    """Read a NIfTI-1 or NIfTI-2 file, or a pair of them, of either byte order.

    A file is read where everything in it agrees: magic, type, dimensions, and to the byte the
    size of the (unpacked) file. Nothing may follow the voxels, not even zeros: a header whose
    dimensions were damaged would look like that. What is compressed is verified by its checksum.

    The geometry is the sform where its code is above 0, else the qform where its code is.

    Parameters
    ----------
    path : str
        A ``.nii`` or ``.nii.gz`` file, or one of a pair ``.hdr`` and ``.img``, both perhaps with
        ``.gz`` behind.
    name : str
        What messages call it.

    Returns
    -------
    Scan
        Voxels, stored value x slope + intercept, as float32 or, where that changes nothing,
        as int16 if they are stored so; the affine in mm.

    Raises
    ------
    ScanError
        If the file is damaged, states something that cannot be, or is no scan: not 3-D, not real
        numbers, blank, or with a geometry that no scanner makes.

    Warns
    -----
    UserWarning
        If both codes are 0 (the axes are then taken to run to the left, anterior and superior);
        if sform and qform, or sform and pixdim where there is no qform, differ by more than 1 mm
        anywhere in the volume.
    """
    files = nifti_files(path, name)
    names = [name if each == path else f"{name}: {os.path.basename(each)}" for each in files]
    header = read_header(files[0], names[0], pair=len(files) == 2)
    stated = stated_affine(header.fields, names[0])
    affine = nifti_affine(header.fields, stated, header.shape, names[0])
    return Scan(read_voxels(files[-1], names[-1], header), affine)


def nifti_files(path: str, name: str) -> tuple[str, ...]:
    """Give the files that a NIfTI image consists of.

    Parameters
    ----------
    path : str
        The file, or one of a pair.
    name : str
        What messages call it.

    Returns
    -------
    tuple of str
        The file; or that of the header, then that of the voxels.

    Raises
    ------
    ScanError
        If the other one of a pair is missing, or there are two of it.
    """
    stem, ending = os.path.splitext(path)
    if ending.lower() == ".gz":
        stem, ending = os.path.splitext(stem)
    other = {".hdr": ".img", ".img": ".hdr"}.get(ending.lower())
    if other is None:
        return (path,)
    other = other.upper() if ending.isupper() else other
    found = [stem + other + gz for gz in ("", ".gz") if os.path.isfile(stem + other + gz)]
    if not found:
        raise ScanError(
            f"{name}: half of a pair, {stem + other} is missing; put it beside, or convert both "
            "to one .nii.gz"
        )
    if len(found) == 2:
        raise ScanError(f"{name}: there are both {found[0]} and {found[1]}; remove the wrong one")
    return (path, found[0]) if ending.lower() == ".hdr" else (found[0], path)


def read_voxels(path: str, name: str, header: NiftiHeader) -> NDArray[Any]:
    """Read the voxels that a header describes.

    Parameters
    ----------
    path : str
        The file of the voxels.
    name : str
        What messages call it.
    header : NiftiHeader
        The header.

    Returns
    -------
    ndarray of shape (X, Y, Z)
        In Fortran order; see `load_nifti`.

    Raises
    ------
    ScanError
        If the file is damaged or of another size, or the voxels are not finite or all equal.
    """
    data = _exactly(path, name, header.n_bytes)
    _check_extensions(data, header, name)
    flat = np.frombuffer(data, header.dtype, offset=header.offset)
    check_not_blank(flat, name)
    volume = _scaled(flat, header.slope, header.inter)
    largest = 2.0 ** (8 * header.dtype.itemsize) * abs(header.slope) + abs(header.inter)
    if header.dtype.kind == "f" or largest > 1e38:
        check_finite(volume, name)
    return volume.reshape(header.shape[:3], order="F")


def _exactly(path: str, name: str, n_bytes: int) -> NDArray[np.uint8]:
    """Read a file that must unpack to just so many bytes."""
    if path.lower().endswith(".gz"):
        data = decompress(path, name, n_bytes)
        n_found = data.size
    else:
        try:
            with open(path, "rb") as file:
                n_found = os.fstat(file.fileno()).st_size
                data = np.fromfile(file, np.uint8, n_bytes if n_found == n_bytes else 0)
                n_found = n_found if n_found != n_bytes else data.size
        except (OSError, MemoryError) as error:
            raise refused_by_system(name, error) from error
    if n_found != n_bytes:
        raise broken(
            name,
            f"there are {n_found:,} bytes, the header promises {n_bytes:,}: it is "
            f"{'cut off' if n_found < n_bytes else 'too long, or the header is damaged'}",
        )
    return data


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


def _scaled(flat: NDArray[Any], slope: float, inter: float) -> NDArray[Any]:
    """Give stored x slope + inter, rounded once, in one pass over memory."""
    dtype = flat.dtype
    with np.errstate(over="ignore", invalid="ignore"):
        if slope == 1 and inter == 0:
            # Half the memory; bytes and unsigned numbers could not hold the HU of air.
            return flat if dtype == np.int16 else np.require(flat, np.float32, ["A", "W"])
        volume = np.empty(flat.size, np.float32)
        whole = slope == int(slope) and inter == int(inter)
        largest = 2 ** (8 * dtype.itemsize) * abs(slope) + abs(inter)
        if dtype.kind != "f" and whole and largest <= 2**24:  # exact in float32
            np.multiply(flat, np.float32(slope), out=volume, dtype=np.float32, casting="unsafe")
            volume += np.float32(inter)
            return volume
        for start in range(0, flat.size, 2**16):
            piece = flat[start : start + 2**16].astype(np.float64)
            piece *= slope
            piece += inter
            volume[start : start + 2**16] = piece
    return volume
