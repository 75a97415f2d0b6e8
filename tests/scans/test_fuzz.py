"""Damage by chance: what is still read is what the file lawfully says."""

from __future__ import annotations

import gzip
import warnings

import nibabel as nib
import numpy as np
import pytest

from skedema.scans.errors import ScanError
from skedema.scans.files import load_scan

SHAPE = (12, 11, 10)
AFFINE = np.array([[-2.0, 0, 0.5, 5], [0.25, 3, 0, 6], [0, 0, 4, 7], [0, 0, 0, 1]])


def good(kind, sform, qform, order="<"):
    """Give the bytes of a good file with forms of these codes."""
    voxels = np.random.default_rng(0).integers(-1000, 1000, SHAPE).astype("i2")
    image = kind(voxels, AFFINE, kind.header_class(endianness=order))
    image.set_data_dtype(order + "i2")
    orthogonal = np.diag([-2.0, 3, 4, 1]) if qform else AFFINE
    image.set_sform(orthogonal, sform)
    image.set_qform(orthogonal, qform)
    image.header.set_slope_inter(1, -24)
    image.header.set_xyzt_units("mm")
    return image.to_bytes()


def read(path):
    """Read it; gives the scan and the warnings, or None where it is refused."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            scan = load_scan(path)
        except ScanError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017
            return None
    return scan, told


def same(scan, other):
    return scan.voxels.tobytes() == other.voxels.tobytes() and (scan.affine == other.affine).all()


def test_no_flipped_byte_of_a_packed_file_changes_the_scan(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "a.nii.gz"
    packed = gzip.compress(good(nib.Nifti1Image, 1, 0), mtime=0)
    path.write_bytes(packed)
    expected = load_scan(path)
    taken = set()
    for k in range(1000):
        data = bytearray(packed)
        at = k if k < 100 else -1 - (k - 100) if k < 200 else int(rng.integers(len(packed)))
        data[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        found = read(path)
        if found is not None:
            assert same(found[0], expected)
            taken.add(at % len(packed))
    # The flag for "text", time, level and system; the unused bits of the last byte before the
    # trailer. None of these changes the content.
    assert taken <= {*range(3, 10), len(packed) - 9}


def test_no_part_of_a_packed_file_is_read(tmp_path):
    path = tmp_path / "a.nii.gz"
    packed = gzip.compress(good(nib.Nifti1Image, 1, 0), mtime=0)
    assert len(packed) > 1500
    for n in (*range(500), *range(len(packed) - 500, len(packed))):
        path.write_bytes(packed[:n])
        assert read(path) is None


KINDS = {
    "sform": (nib.Nifti1Image, 1, 0, "<"),
    "both": (nib.Nifti1Image, 2, 1, "<"),
    "qform": (nib.Nifti1Image, 0, 1, "<"),
    "neither": (nib.Nifti1Image, 0, 0, "<"),
    "big-endian": (nib.Nifti1Image, 1, 1, ">"),
    "NIfTI-2": (nib.Nifti2Image, 1, 1, "<"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_mutated_header_is_refused_or_read_as_it_lawfully_says(tmp_path, kind):
    path = tmp_path / "a.nii"
    data = good(*KINDS[kind])
    path.write_bytes(data)
    expected, told_before = read(path)
    size = KINDS[kind][0].header_class.sizeof_hdr
    rng = np.random.default_rng(list(KINDS).index(kind))
    n_read = n_moved = 0
    for _ in range(400):
        mutated = bytearray(data)
        for at in rng.integers(size + 4, size=rng.integers(1, 4)):
            mutated[at] = (
                rng.integers(256)
                if rng.random() < 0.5
                else mutated[at] ^ (1 << int(rng.integers(8)))
            )
        path.write_bytes(mutated)
        found = read(path)
        if found is None:
            continue
        n_read += 1
        scan, told = found
        assert scan.voxels.shape == SHAPE or scan.voxels.size == np.prod(SHAPE)
        assert np.isfinite(scan.voxels).all()
        steps = np.linalg.norm(scan.affine[:3, :3], axis=0)
        assert ((steps >= 0.05) & (steps <= 50)).all()
        image = nib.load(path, mmap=False)
        scale = {"meter": 1000, "micron": 0.001}.get(image.header.get_xyzt_units()[0], 1)
        in_mm = image.affine * [[scale], [scale], [scale], [1]]
        np.testing.assert_allclose(scan.affine, in_mm, rtol=1e-12)
        assert (scan.voxels == image.get_fdata().reshape(scan.voxels.shape).astype("f4")).all()
        # What is stated once is believed: origin and direction where there is no qform.
        if kind == "sform":
            moved = np.abs(steps - np.linalg.norm(expected.affine[:3, :3], axis=0)) * SHAPE
        else:
            moved = np.abs((scan.affine - expected.affine) @ [*SHAPE, 1])
        if kind not in ("qform", "neither") and moved.max() > 3 and not told:
            n_moved += 1
        if kind == "neither":
            assert told
    assert n_read > 50
    assert not told_before or kind == "neither"
    # The sform is checked against the qform or the pixdim, so that it does not go wrong alone.
    assert n_moved == 0


@pytest.mark.parametrize("name", ["a.npy", "a.mgz", "a.hdr", "a.mha", "a.nrrd", "a.nii"])
def test_a_mutated_file_raises_nothing_but_a_scan_error(tmp_path, name):
    path = tmp_path / name
    voxels = np.random.default_rng(0).integers(-1000, 1000, SHAPE).astype("i2")
    if name == "a.npy":
        np.save(path, voxels)
    elif name in ("a.mha", "a.nrrd"):
        sitk = pytest.importorskip("SimpleITK")
        sitk.WriteImage(sitk.GetImageFromArray(voxels), str(path), True)
    else:
        kind = {"a.mgz": nib.MGHImage, "a.hdr": nib.Nifti1Pair, "a.nii": nib.Nifti1Image}[name]
        nib.save(kind(voxels, AFFINE), path)
    data = path.read_bytes()
    if name == "a.mgz":
        data = gzip.decompress(data)
    rng = np.random.default_rng(1)
    for _ in range(1000):
        mutated = bytearray(data)
        for at in rng.integers(min(len(data), 600), size=rng.integers(1, 5)):
            mutated[at] = rng.integers(256)
        if rng.random() < 0.1:
            del mutated[int(rng.integers(len(data))) :]
        path.write_bytes(gzip.compress(mutated, 1) if name == "a.mgz" else mutated)
        found = read(path)
        assert found is None or np.isfinite(found[0].voxels).all()
