"""Arrays that numpy saved, read without trust."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from skedema.scans._budget import check_budget
from skedema.scans._voxels import as_volume, check_shape, check_type
from skedema.scans.errors import broken, system_errors, unreadable
from skedema.scans.formats._stored import read_stored
from skedema.scans.formats.base import Format
from skedema.scans.scan import Scan

_SAVE = "write it anew with numpy.save, numbers only"

# What else people name .npy, by its first bytes. None of these is opened.
_OTHERS = {
    b"PK": "it is an archive, perhaps of numpy.savez",
    b"\x80": "it is a pickle, which may run anything",
}


class Npy(Format):
    """A ``.npy`` file, without geometry; nothing is ever unpickled."""

    def load(self, cell: str, name: str, max_bytes: int) -> Scan:
        """Read the voxels as float32."""
        with system_errors(name), open(cell, "rb") as file:
            shape, fortran, dtype = _header(file, name)
            check_budget(shape, np.dtype(np.float32), name, max_bytes)
            n_bytes = file.tell() + math.prod(shape) * dtype.itemsize
            n_found = os.fstat(file.fileno()).st_size
            if n_found != n_bytes:
                raise broken(
                    name, f"it has {n_found:,} bytes, its header promises {n_bytes:,}", _SAVE
                )
            flat = read_stored(file, dtype, math.prod(shape), name)
        voxels = flat.reshape(shape, order="F" if fortran else "C")
        return Scan(as_volume(voxels, name, max_bytes), None)


def _header(file: Any, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    start = file.read(6)
    if not start:
        raise broken(name, "the file is empty", _SAVE)
    if start != np.lib.format.MAGIC_PREFIX:
        other = (what for magic, what in _OTHERS.items() if start.startswith(magic))
        raise broken(name, next(other, f"it begins with {start!r}, not as .npy files do"), _SAVE)
    file.seek(0)
    version: tuple[int, ...] | None = None
    try:
        version = np.lib.format.read_magic(file)
        readers = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        shape, fortran, dtype = readers[version](file)
    except OSError:
        raise
    except KeyError as error:
        raise broken(name, f"version {version} of the format", _SAVE) from error
    except Exception as error:  # numpy evaluates a literal: syntax, memory, recursion, Unicode
        raise unreadable(name, error, _SAVE) from error
    if dtype.hasobject:
        raise broken(name, "it holds Python objects, which may run anything", _SAVE)
    check_type(dtype, name)
    shape = tuple(int(n) for n in shape)
    check_shape(shape, name, "array[..., 0]")
    return shape, fortran, dtype
