from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from skedema.scans.errors import ScanError
from skedema.scans.files import load_scan

VOXELS = np.arange(60, dtype=np.int16).reshape(3, 4, 5)


@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", "u2", "i4", "i8", "u8", "f2", "f4", ">f8"])
def test_npy_files_and_arrays_of_every_real_type_are_read(tmp_path, dtype):
    np.save(tmp_path / "scan.npy", VOXELS.astype(dtype))
    for cell in (tmp_path / "scan.npy", VOXELS.astype(dtype)):
        hu, affine, _ = load_scan(cell)
        assert affine is None
        assert hu.dtype == np.float32
        assert (hu == VOXELS).all()


def test_a_pickle_is_never_opened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "exploded",))

    (tmp_path / "bomb.npy").write_bytes(pickle.dumps(Bomb()))
    np.save(tmp_path / "object.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    (tmp_path / "exploded").unlink(missing_ok=True)
    for name in ("bomb.npy", "object.npy"):
        with pytest.raises(ScanError, match=f"{name}: cannot be read .*numbers only"):
            load_scan(tmp_path / name)
    assert not (tmp_path / "exploded").exists()
