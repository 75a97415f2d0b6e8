from __future__ import annotations

import warnings

import nibabel as nib
import numpy as np
import pytest
from joblib import Memory

from skedema import VolumeReader
from skedema.scans import check
from skedema.scans._remarks import Remark, Told, gathered, packed, tell, told_once, unpacked
from skedema.scans.cache import VolumeCache

READER = VolumeReader(shape=6, spacing=30.0)


def voxels(shift=0.0, seed=0):
    """Noise with the histogram of a head, 24 cubed."""
    rng = np.random.default_rng(seed)
    hu = rng.normal(35, 6, (24, 24, 24))
    hu[:10], hu[10:12] = rng.normal(-1000, 6, (10, 24, 24)), rng.uniform(200, 1500, (2, 24, 24))
    return (hu + shift).astype(np.int16)


@pytest.fixture
def scans(tmp_path):
    """Paths of five scans, of which the second and the fourth are stored values."""
    paths = []
    for k in range(5):
        paths.append(str(tmp_path / f"{k}.nii.gz"))
        nib.save(
            nib.Nifti1Image(voxels(1024 if k in (1, 3) else 0, k), np.diag([8, 8, 8, 1])), paths[-1]
        )
    return paths


def raised(function, *args, **kwargs):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(*args, **kwargs)
    return [str(each.message) for each in caught]


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_reader_warns_once_a_call_and_names_the_rows(scans, n_jobs):
    reader = VolumeReader(shape=6, spacing=30.0, n_jobs=n_jobs)
    (message,) = raised(reader.transform, scans)
    assert message.startswith(
        f"2 of 5 scans are not in HU (row 1 '{scans[1]}', row 3 '{scans[3]}'). "
    )
    assert "ts soft tissue lies at 105" in message
    assert "where HU have 20 to 80; subtract 1024" in message
    assert raised(reader.transform, scans[::2]) == []
    (message,) = raised(reader.read, scans[1])
    assert message.startswith(f"1 of 1 scans is not in HU ('{scans[1]}'). Its soft tissue")


def test_following_the_remedy_ends_the_warning(scans):
    image = nib.load(scans[1])
    mended = nib.Nifti1Image(image.get_fdata() - 1024, image.affine)
    assert raised(READER.transform, [mended]) == []
    assert not any("HU" in text for text in check([mended])["findings"][0] if "not in" in text)


def test_check_finds_it(scans):
    found = check(scans)["findings"]
    assert [any("not in HU: its soft tissue lies" in text for text in row) for row in found] == [
        k in (1, 3) for k in range(5)
    ]


def test_many_are_counted_and_some_are_named():
    told = [Told(f"row {k}", "", Remark("pose", "it is so")) for k in range(9)]
    told += [Told("row 2", "", Remark("intensity", "they are so"))] * 2
    (message,) = raised(tell, told, 12)
    assert message == (
        "1 of 12 scans is not in HU (row 2). They are so. 9 of 12 scans are left as scanned, for "
        "no pose of the head is found that can be trusted (row 0, row 1, row 2, row 3, row 4 and 4 "
        "more). It is so. skedema.scans.check(scans, volume=...) lists what is odd about each."
    )


def test_who_gathers_hears_what_is_told_within():
    odd = Told("", "'a'", Remark("mask", "it is so"))
    with gathered() as told:
        tell([odd], 3)
    assert told == [odd]

    def twice():
        with told_once():
            tell([odd], 1)
            tell([odd], 7)

    (message,) = raised(twice)
    assert message.startswith("1 of 7 scans is read without a brain mask")


def test_remarks_pack_into_numbers_and_damaged_numbers_into_nothing():
    remarks = (Remark("mask", 'é "so"'), Remark("pose", ""))
    assert unpacked(packed(remarks)) == remarks
    assert unpacked(packed(())) == ()
    for bad in (np.array([1.0, 2.0]), np.array([]), packed(remarks)[:-1]):
        assert unpacked(bad) is None


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_cache_keeps_remarks_with_its_volumes(scans, tmp_path, n_jobs):
    memory = Memory(tmp_path / "memory", verbose=0)
    cache = VolumeCache()
    assert raised(cache.read_ahead, READER, scans, memory, n_jobs) == []
    about = [cache.about(READER, scan, memory).remarks for scan in scans]
    assert [len(each) for each in about] == [0, 1, 0, 1, 0]
    assert cache.n_reads == 5
    later = VolumeCache()
    for scan in scans:
        later.get(READER, scan, memory)
    assert [later.about(READER, scan, memory).remarks for scan in scans] == about
    assert later.n_reads == 0


def test_remarks_on_scans_read_before_there_was_a_memory_are_kept_in_it(scans, tmp_path):
    cache, memory = VolumeCache(), Memory(tmp_path / "memory", verbose=0)
    about = cache.about_all(READER, scans)
    cache.about_all(READER, scans, memory)
    later = VolumeCache()
    for one, other in zip(later.about_all(READER, scans, memory), about, strict=True):
        assert one.remarks == other.remarks
        assert (one.measures == other.measures).all()
    assert later.n_reads == 0


def test_what_a_cache_does_not_know_it_reads(scans):
    cache = VolumeCache()
    cache.get(READER, scans[1], keep=False)
    assert len(cache.about(READER, scans[1]).remarks) == 1
    assert cache.n_reads == 1
    cache.clear()
    assert len(cache.about(READER, scans[1]).remarks) == 1
    assert cache.n_reads == 2


def test_a_scan_that_is_told_of_with_its_index_and_without_is_one():
    odd = Remark("intensity", "odd")
    told = [Told("row 0", "'a'", odd), Told("row 0 (index 'P1')", "'a'", odd)]
    (message,) = raised(tell, [*told, Told("row 1", "'a'", odd)], 2)
    assert message.startswith("2 of 2 scans are not in HU (row 0 (index 'P1') 'a', row 1 'a'). ")
