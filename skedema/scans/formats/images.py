"""Images of nibabel: in memory, and FreeSurfer's files by way of it."""

from __future__ import annotations

import math
import os
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skedema.scans._budget import DEFAULT_MAX_BYTES, check_budget
from skedema.scans._voxels import as_volume, check_not_blank, check_shape, check_type
from skedema.scans.errors import ScanError, broken, library_errors
from skedema.scans.formats._geometry import Affine, check_affine, nifti_affine, stated_affine
from skedema.scans.formats.arrays import array_digest
from skedema.scans.formats.base import Format, format_of
from skedema.scans.formats.gzipped import decompress, peek
from skedema.scans.formats.nifti import check_header_budget, read_voxels
from skedema.scans.formats.nifti_header import read_header
from skedema.scans.scan import Scan

# nibabel.freesurfer.mghformat: bytes of the header, and room for what may follow the voxels.
_MGH_HEADER, _MGH_FOOTER = 284, 2**20
_MGH_TYPES = {0: "u1", 1: "i4", 3: "f4", 4: "i2", 10: "u2"}


class Image(Format):
    """A nibabel image in a cell.

    Where its voxels are still in a NIfTI file they are read by `read_voxels`, which verifies
    checksums; the geometry is the image's.
    """

    def load(self, cell: Any, name: str, max_bytes: int) -> Scan:
        """Read the voxels, the affine in mm."""
        proxy = cell.dataobj
        path = getattr(proxy, "file_like", None)
        if isinstance(path, str) and path.lower().endswith((".nii", ".nii.gz")):
            header = read_header(path, name)
            check_header_budget(header, name, max_bytes)
            stated_affine(header.fields, name)  # nibabel mends, in silence, some of what it refuses
            stated = (header.shape, header.dtype, header.offset, header.slope, header.inter)
            if stated != (proxy.shape, proxy.dtype, proxy.offset, proxy.slope, proxy.inter):
                raise broken(
                    name, "its header is not what it was when the image was opened", "open it again"
                )
            affine = image_affine(cell, name)
            return Scan(read_voxels(path, name, header), affine)
        affine = image_affine(cell, name)
        check_type(np.dtype(proxy.dtype), name)
        check_budget(cell.shape, np.dtype(np.float32), name, max_bytes)
        with library_errors(name), np.errstate(over="ignore"):
            voxels = _in_slabs(proxy) if is_proxy(proxy) else np.asanyarray(proxy, np.float32)
        return Scan(as_volume(voxels, name, max_bytes), affine)

    def key(self, cell: Any, name: str) -> tuple[Any, ...]:
        """Give that of its file while its voxels are there, else a digest; and its affine."""
        affine = image_affine(cell, name)
        filename = cell.get_filename()
        on_disk = hasattr(cell.dataobj, "get_unscaled")  # nibabel's ArrayProxy: not read yet
        if on_disk and filename and os.path.isfile(filename):
            kind = format_of(filename) or Format()
            return (*kind.key(filename, filename), affine.tobytes())
        most = DEFAULT_MAX_BYTES if is_proxy(cell.dataobj) else sys.maxsize  # else in memory
        return ("image", array_digest(self.load(cell, name, most).voxels), affine.tobytes())


class Mgz(Format):
    """A ``.mgz`` file of FreeSurfer."""

    def load(self, cell: str, name: str, max_bytes: int) -> Scan:
        """Read the voxels as float32, the affine in mm."""
        import nibabel

        first = peek(cell, name, 28)
        start = np.frombuffer(first.ljust(28, b"\0"), ">i4")
        if len(first) < 28 or start[0] != 1:
            raise broken(name, f"no header of FreeSurfer: it begins with {first[:4]!r}")
        shape = tuple(int(n) for n in start[1:5])
        check_shape(shape, name)
        dtype = _MGH_TYPES.get(int(start[5]))
        if dtype is None:
            raise broken(name, f"no type of voxels has the code {start[5]}")
        stored = np.dtype(">" + dtype)
        check_budget(shape, np.dtype(np.float32), name, max_bytes)
        n_bytes = _MGH_HEADER + math.prod(shape) * stored.itemsize
        held = 4 * math.prod(shape)
        data = decompress(cell, name, n_bytes + _MGH_FOOTER, least=n_bytes, held=held)
        if data.size < n_bytes:
            raise broken(name, f"there are {data.size:,} bytes, the header promises {n_bytes:,}")
        with library_errors(name):
            # Without the voxels: nibabel would copy them, twice.
            kind: Any = nibabel.freesurfer.mghformat.MGHHeader
            header = kind(data[:_MGH_HEADER].tobytes())
            affine = check_affine(header.get_affine(), shape[:3], name)
        flat = np.frombuffer(data, stored, math.prod(shape), offset=_MGH_HEADER)
        check_not_blank(flat, name)
        return Scan(as_volume(flat.reshape(shape, order="F"), name, max_bytes), affine)


def is_image(value: object) -> bool:
    """Tell an image of nibabel."""
    # Who holds an image has imported nibabel: no need to pay for its import here.
    nibabel = sys.modules.get("nibabel")
    return nibabel is not None and isinstance(value, nibabel.spatialimages.SpatialImage)


def image_affine(image: Any, name: str) -> Affine:
    """Give the checked affine of an image, in mm by the unit that its header states."""
    import nibabel

    if image.affine is None:
        raise ScanError(f"{name}: has no affine; give it one, e.g. nibabel.Nifti1Image(data, A)")
    check_shape(image.shape, name)
    if isinstance(image.header, nibabel.Nifti1Header):  # NIfTI-2 headers are, too
        return nifti_affine(image.header, image.affine, image.shape, name)
    return check_affine(image.affine, image.shape, name)


def is_proxy(dataobj: Any) -> bool:
    """Tell whether the voxels of an image are still in its file."""
    import nibabel

    untyped: Any = nibabel
    return bool(untyped.is_proxy(dataobj))


def _in_slabs(proxy: Any) -> NDArray[np.float32]:
    """Read a proxy by parts along its third axis: nibabel scales in float64, twice the memory."""
    volume = np.empty(proxy.shape, np.float32, order="F")
    step = -(-proxy.shape[2] // 4)  # packed files are unpacked from the start for each
    for start in range(0, proxy.shape[2], step):
        volume[:, :, start : start + step] = proxy[:, :, start : start + step]
    return volume
