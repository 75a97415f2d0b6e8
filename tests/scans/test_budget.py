from __future__ import annotations

import re

import nibabel as nib
import numpy as np
import pytest
from joblib import Memory

from skedema import AttentionMixerClassifier, VolumeReader
from skedema._caching.meaning import digest
from skedema.scans import ScanError, check
from skedema.scans.cache import VolumeCache, reading
from skedema.scans.files import load_scan, scan_key

pytest.importorskip("pydicom")
from pydicom.uid import RLELossless

from ._memory import FORMATS, noise, write_dicom


def at_the_edge(write, name, kind):
    def make(folder):
        return write(folder, name, kind)

    return make


#: Scans of noise that take more than 4 MB.
TOO_LARGE = {name: at_the_edge(write, name, kind) for name, write, kind in FORMATS[::3]} | {
    "exam.zip": lambda folder: write_dicom(folder, "exam.zip", None),
    "list": lambda folder: sorted(map(str, write_dicom(folder, "list", RLELossless).iterdir())),
    "enhanced.dcm": lambda folder: write_dicom(folder, "enhanced.dcm", None),
}


@pytest.mark.filterwarnings("ignore:.* is not in HU")  # the voxels are any numbers
@pytest.mark.parametrize("case", TOO_LARGE)
def test_the_remedy_of_a_scan_that_is_too_large_is_followed(tmp_path, case):
    cell = TOO_LARGE[case](tmp_path)
    name = str(cell[0] if isinstance(cell, list) else cell)
    message = refusal(cell, 4_000_000)
    assert message.startswith(name)
    assert "4,000,000" in message or "4000000" in message
    remedy = re.search(r"by VolumeReader\(max_bytes=(\d+)\) or load_scan\(scan, max_", message)
    assert remedy, message
    assert load_scan(cell, max_bytes=int(remedy[1])).voxels.nbytes > 4_000_000
    assert VolumeReader(shape=4, max_bytes=int(remedy[1])).read(cell).shape == (1, 4, 4, 4)


def refusal(cell, max_bytes):
    with pytest.raises(ScanError) as caught:
        load_scan(cell, max_bytes=max_bytes)
    return str(caught.value)


def test_scans_in_memory_are_bounded_too():
    array = noise("u1", (50, 40, 30))
    for cell in (array, nib.Nifti1Image(array, np.eye(4)), nib.MGHImage(array, np.eye(4))):
        assert "60,000 voxels" in refusal(cell, 239_999)
        assert load_scan(cell, max_bytes=240_000).voxels.nbytes == 240_000
        assert load_scan(cell, max_bytes=2.4e5).voxels.nbytes == 240_000


@pytest.mark.parametrize("bad", [0, -1, np.nan, np.inf])
def test_a_bound_below_a_byte_is_refused(bad):
    for call in (
        lambda: VolumeReader(max_bytes=bad).fit([]),
        lambda: load_scan(np.ones((2, 2, 2)), max_bytes=bad),
        lambda: check([], max_bytes=bad),
    ):
        with pytest.raises(ValueError, match=r"max_bytes=.*: give 1 byte or more"):
            call()


@pytest.mark.parametrize("bad", [None, "2 GB", True])
def test_a_bound_that_is_no_number_is_refused(bad):
    with pytest.raises(TypeError, match=r"max_bytes=.*: give the most bytes"):
        VolumeReader(max_bytes=bad).fit([])


def test_a_scan_is_the_same_under_every_bound(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, noise("i2", (20, 20, 20)))
    one, other = VolumeReader(shape=4), VolumeReader(shape=4, max_bytes=10**6)
    assert reading(one) == reading(other)
    assert digest(one, "reader") == digest(other, "reader")
    cache, memory = VolumeCache(), Memory(tmp_path / "kept", verbose=0)
    first = cache.get(one, path, memory)
    assert cache.get(other, path, memory) is first
    again = VolumeCache()
    np.testing.assert_array_equal(again.get(other, path, memory), first)
    assert again.n_reads == 0


def test_the_classifier_and_the_check_take_the_bound(tmp_path):
    scans = []
    for k in range(6):
        np.save(tmp_path / f"{k}.npy", noise("i2", (20, 20, 20)) % 80)
        scans.append(str(tmp_path / f"{k}.npy"))
    X, y = np.array(scans, dtype=object)[:, None], [0, 1] * 3
    small = VolumeReader(spacing=None, shape=6, max_bytes=10_000)
    clf = AttentionMixerClassifier(image=0, volume=small, encoder="cnn", max_epochs=1)
    with pytest.raises(ScanError, match=r"\d\.npy: .*VolumeReader\(max_bytes=32000\)"):
        clf.fit(X, y)
    clf.set_params(volume__max_bytes=32_000).fit(X, y)
    assert "max_bytes=32000" in check(scans, max_bytes=10_000)["findings"][0][0]
    assert check(scans, max_bytes=32_000)["readable"].all()


def test_keys_of_images_in_memory_know_no_bound(monkeypatch):
    image = nib.Nifti1Image(noise("i2", (9, 9, 9)), np.eye(4))
    key = scan_key(image)
    monkeypatch.setattr("skedema.scans.formats.images.DEFAULT_MAX_BYTES", 10)
    assert scan_key(image) == key
