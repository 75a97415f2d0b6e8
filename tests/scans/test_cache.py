from __future__ import annotations

import os
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import nibabel as nib
import numpy as np
import pytest
from joblib import Memory, Parallel, delayed
from sklearn.base import clone

from skedema._caching import store
from skedema.scans import ScanError, VolumeReader, _content, cache
from skedema.scans.cache import VolumeCache, reading
from skedema.scans.files import scan_key

READER = VolumeReader(shape=8, spacing=2)
VOXELS = np.arange(8**3, dtype=np.int16).reshape(8, 8, 8)
NBYTES = 8**3 * 4


@pytest.fixture
def memory(tmp_path):
    return Memory(tmp_path / "memory", verbose=0)


def entries(memory):
    return sorted((memory.location / "skedema" / "volumes").iterdir())


def n_reads(cell, memory, reader=READER):
    """How many scans a new process would read for it (0 or 1)."""
    volumes = VolumeCache()
    volumes.get(reader, cell, memory)
    return volumes.n_reads


def test_each_distinct_scan_is_read_once(write_scan):
    volumes = VolumeCache()
    paths = [write_scan(VOXELS + k, name=f"{k}.nii.gz") for k in range(3)]
    for _ in range(4):
        for path in paths:
            volume = volumes.get(READER, path)
            assert (volume == READER.read(path)).all()
            assert volumes.get(READER, str(path)) is volume
    assert volumes.n_reads == len(volumes) == 3
    assert volumes.nbytes == 3 * NBYTES


def test_scans_in_memory_are_known_by_their_content():
    volumes = VolumeCache()
    changing = VOXELS.copy()
    for cell in [VOXELS, VOXELS.copy(), nib.Nifti1Image(VOXELS, np.eye(4)), changing]:
        volumes.get(READER, cell)
    assert volumes.n_reads == 2
    changing[:] = 0
    assert volumes.get(READER, changing).max() == 0
    assert volumes.n_reads == 3


def test_settings_that_change_the_volume_are_told_apart_and_others_are_not():
    volumes = VolumeCache()
    volumes.get(READER, VOXELS)
    volumes.get(VolumeReader(shape=(8, 8, 8), spacing=2.0, windows=(80, 40), n_jobs=2), VOXELS)
    assert volumes.n_reads == 1
    for other in [{"shape": 7}, {"spacing": 3}, {"windows": "bone"}, {"windows": None}]:
        volumes.get(VolumeReader(**{"shape": 8, "spacing": 2, **other}), VOXELS)
    assert volumes.n_reads == 5


def test_volumes_are_read_only_and_the_scan_itself_stays_writable():
    voxels = VOXELS.astype(np.float32)
    for windows in (None, "brain"):
        volume = VolumeCache().get(VolumeReader(shape=8, windows=windows), voxels)
        assert volume.dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            volume[0] = 0
    voxels[0] = 0


def test_a_file_that_changed_on_disk_is_read_anew(write_scan):
    volumes = VolumeCache()
    path = write_scan(VOXELS)
    assert volumes.get(READER, path).max() == 1
    write_scan(np.zeros_like(VOXELS))
    os.utime(path, ns=(1, 1))
    assert volumes.get(READER, path).max() == 0


def test_the_least_recently_used_volume_goes_first():
    volumes = VolumeCache(max_bytes=2 * NBYTES)
    scans = [VOXELS + k for k in range(3)]
    volumes.get(READER, scans[0])
    volumes.get(READER, scans[1])
    volumes.get(READER, scans[0])
    volumes.get(READER, scans[2])  # drops 1
    assert volumes.nbytes == 2 * NBYTES
    assert volumes.n_reads == 3
    volumes.get(READER, scans[0])
    assert volumes.n_reads == 3
    volumes.get(READER, scans[1])
    assert volumes.n_reads == 4


def test_a_volume_that_is_not_to_be_kept_is_given_and_not_held(memory):
    volumes = VolumeCache()
    for _ in range(2):
        assert (volumes.get(READER, VOXELS, keep=False) == READER.read(VOXELS)).all()
    assert (volumes.n_reads, len(volumes), volumes.nbytes) == (2, 0, 0)
    volumes.get(READER, VOXELS, memory, keep=False)
    volume = volumes.get(READER, VOXELS, memory)  # from disk
    assert volumes.get(READER, VOXELS, keep=False) is volume
    assert (volumes.n_reads, len(volumes)) == (3, 1)


def test_a_volume_larger_than_the_cache_is_given_but_not_kept():
    volumes = VolumeCache(max_bytes=NBYTES - 1)
    assert volumes.get(READER, VOXELS).shape == (1, 8, 8, 8)
    assert (len(volumes), volumes.nbytes) == (0, 0)


def test_clear_forgets():
    volumes = VolumeCache()
    volumes.get(READER, VOXELS)
    volumes.clear()
    assert (len(volumes), volumes.nbytes) == (0, 0)
    volumes.get(READER, VOXELS)
    assert volumes.n_reads == 2


def test_a_pickled_cache_comes_back_empty_with_its_bound():
    volumes = VolumeCache(max_bytes=12345)
    volumes.get(READER, VOXELS)
    again = pickle.loads(pickle.dumps(volumes))
    assert (again.max_bytes, len(again), again.nbytes, again.n_reads) == (12345, 0, 0, 0)
    assert len(pickle.dumps(volumes)) < 200


def test_threads_that_ask_at_once_read_once(write_scan):
    volumes = VolumeCache()
    paths = [write_scan(VOXELS + k, name=f"{k}.nii") for k in range(4)]
    barrier = Barrier(8)

    def ask(_):
        barrier.wait()
        return [volumes.get(READER, path) for path in paths * 3]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert volumes.n_reads == 4
    assert all(a is b for answer in answers for a, b in zip(answer, answers[0], strict=True))


def test_an_error_is_raised_each_time_and_not_kept(write_scan):
    volumes = VolumeCache()
    path = write_scan(np.full((3, 3, 3), np.nan))
    for _ in range(2):
        with pytest.raises(ScanError, match="NaN"):
            volumes.get(READER, path)
        with pytest.raises(ScanError, match="missing"):
            volumes.get(READER, None)
    assert len(volumes) == 0
    write_scan(VOXELS)
    assert volumes.get(READER, path).shape == (1, 8, 8, 8)


def test_a_memory_keeps_volumes_on_disk_for_other_caches(write_scan, memory):
    path = write_scan(VOXELS)
    first, second = VolumeCache(), VolumeCache()
    expected = first.get(READER, path, memory)
    found = second.get(READER, path, memory)
    assert (found == expected).all()
    assert not found.flags.writeable
    assert (first.n_reads, second.n_reads) == (1, 0)
    second.get(VolumeReader(shape=8, spacing=3), path, memory)
    assert second.n_reads == 1


@pytest.mark.parametrize("windows", [None, "brain", ["brain", "bone", (3, 7)]], ids=str)
def test_volumes_are_bit_equal_with_and_without_memory(blobs, write_scan, memory, windows):
    voxels, affine = blobs
    affine[:3, :3] = affine[:3, :3] @ [[1, 0.02, 0], [-0.02, 1, 0.1], [0, 0, 1]]
    reader = VolumeReader(shape=(9, 8, 7), spacing=3.3, windows=windows)
    path = write_scan(voxels, affine)
    for cell in (path, voxels, nib.Nifti1Image(voxels, affine), nib.load(path)):
        expected = reader.read(cell)
        written = VolumeCache().get(reader, cell, memory)
        volumes = VolumeCache()
        found = volumes.get(reader, cell, memory)
        assert volumes.n_reads == 0
        for volume in (written, found):
            assert volume.dtype == expected.dtype
            assert volume.shape == expected.shape
            assert volume.tobytes() == expected.tobytes()


def test_a_touched_moved_or_copied_file_is_known_on_disk(write_scan, memory):
    path = write_scan(VOXELS)
    assert n_reads(path, memory) == 1
    os.utime(path, ns=(1, 1))
    assert n_reads(path, memory) == 0
    copy = shutil.copy(path, path.with_name("copy.nii.gz"))
    path.unlink()
    assert n_reads(copy, memory) == 0
    assert len(entries(memory)) == 1


@pytest.mark.parametrize("name", ["scan.nii", "scan.npy"])
def test_a_file_changed_in_place_is_not_known_whatever_its_time_says(tmp_path, memory, name):
    path = tmp_path / name
    for voxels in (VOXELS, VOXELS + np.int16(1)):
        if name == "scan.npy":
            np.save(path, voxels)
        else:
            nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)
        os.utime(path, ns=(10**18, 10**18))
        _content.digest_at.cache_clear()
        volumes = VolumeCache()
        assert (volumes.get(READER, path, memory) == READER.read(path)).all()
        assert volumes.n_reads == 1
    assert len(entries(memory)) == 2


def test_a_file_that_changes_while_it_is_read_is_not_kept(write_scan, memory):
    class Slow(VolumeReader):
        def read(self, scan):
            write_scan(VOXELS + 1)
            return super().read(scan)

    path = write_scan(VOXELS)
    reader = Slow(shape=8, spacing=2)
    assert n_reads(path, memory, reader) == 1
    write_scan(VOXELS)
    assert n_reads(path, memory, reader) == 1
    assert not (memory.location / "skedema").exists()


@pytest.mark.parametrize("ask", [VolumeCache.get, VolumeCache.about])
@pytest.mark.parametrize("n_looks", [1, 2])
def test_what_was_read_of_a_file_is_not_kept_for_the_one_that_takes_its_place(
    write_scan, memory, monkeypatch, ask, n_looks
):
    path = write_scan(VOXELS)
    is_still, looks = cache._is_still, []

    def changes_then(cell, key):
        same = is_still(cell, key)
        looks.append(same)
        if len(looks) == n_looks:
            write_scan(VOXELS * 0)
            os.utime(path, ns=(1, 1))
        return same

    with monkeypatch.context() as patch:
        patch.setattr(cache, "_is_still", changes_then)
        ask(VolumeCache(), READER, path, memory)
    assert looks == [True, n_looks == 2]
    volume, measures = READER.read(path), VolumeCache().about(READER, path).measures
    assert (VolumeCache().get(READER, path, memory) == volume).all()
    assert (VolumeCache().about(READER, path, memory).measures == measures).all()


class Changing(VolumeReader):
    """Another file is there once it has read."""

    def read(self, scan):
        volume = super().read(scan)
        os.utime(scan, ns=(1, 1))
        return volume


def test_what_another_process_read_of_a_file_that_changed_is_given_and_not_held(write_scan):
    paths = [write_scan(VOXELS + k, name=f"{k}.nii") for k in range(2)]
    volumes = VolumeCache()
    assert len(volumes.get_all(Changing(shape=8, spacing=2), paths, n_jobs=2)) == 2
    assert len(volumes) == 0


def test_volumes_that_were_read_to_know_about_scans_are_on_disk(write_scan, memory):
    paths = [write_scan(VOXELS + k, name=f"{k}.nii") for k in range(3)]
    volumes = VolumeCache()
    volumes.about_all(READER, paths, memory)
    assert (volumes.n_reads, len(volumes)) == (3, 0)
    for path in paths:
        assert (volumes.get(READER, path, memory) == READER.read(path)).all()
    assert volumes.n_reads == 3


def test_what_other_processes_wrote_about_scans_is_not_written_again(
    write_scan, memory, monkeypatch
):
    paths = [write_scan(VOXELS + k, name=f"{k}.nii") for k in range(3)]
    volumes = VolumeCache()
    volumes.read_ahead(READER, paths, memory, n_jobs=2)
    monkeypatch.setattr(store.ArrayStore, "save", None)
    assert len(volumes.about_all(READER, paths, memory)) == volumes.n_reads == 3


def test_numbers_that_another_way_of_reading_gave_are_not_known(write_scan, memory, monkeypatch):
    path = write_scan(VOXELS)
    assert n_reads(path, memory) == 1
    monkeypatch.setattr(cache, "_READING", cache._READING + 1)
    assert n_reads(path, memory) == 1
    assert n_reads(path, memory) == 0
    monkeypatch.setattr(store, "_LAYOUT", store._LAYOUT + 1)
    assert n_reads(path, memory) == 1


def test_a_reader_of_another_class_has_volumes_of_its_own(write_scan, memory):
    class Halved(VolumeReader):
        def read(self, scan):
            return super().read(scan) / 2

    path = write_scan(VOXELS)
    assert n_reads(path, memory) == n_reads(path, memory, Halved(shape=8, spacing=2)) == 1


def test_a_damaged_entry_is_read_anew_and_mended(write_scan, memory):
    path = write_scan(VOXELS)
    expected = VolumeCache().get(READER, path, memory)
    [entry] = entries(memory)
    whole = entry.read_bytes()
    for position in range(0, len(whole), 97):
        entry.write_bytes(whole[:position] + bytes([whole[position] ^ 16]) + whole[position + 1 :])
        volumes = VolumeCache()
        with pytest.warns(UserWarning, match=f"{entry.name} is damaged"):
            found = volumes.get(READER, path, memory)
        assert (found == expected).all()
        assert volumes.n_reads == 1
        assert entry.read_bytes() == whole
    assert entries(memory) == [entry]


@pytest.mark.parametrize("other", [np.zeros((1, 8, 8, 7), np.float32), np.zeros((1, 8, 8, 8))])
def test_an_entry_of_another_shape_or_type_is_read_anew_and_mended(write_scan, memory, other):
    path = write_scan(VOXELS)
    assert n_reads(path, memory) == 1
    key = VolumeCache()._volumes.stored_key((scan_key(path), reading(READER)))
    store.store_beneath(memory, "volumes").save(key, other)
    volumes = VolumeCache()
    assert volumes.get(READER, path, memory).tobytes() == READER.read(path).tobytes()
    assert volumes.n_reads == 1
    assert n_reads(path, memory) == 0


@pytest.mark.parametrize("name", ["os.replace", "os.fsync"])
def test_a_full_disk_costs_a_warning_and_no_volume(write_scan, memory, monkeypatch, name):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(name, full)
    paths = [write_scan(VOXELS + k, name=f"{k}.nii") for k in range(3)]
    volumes = VolumeCache()
    with pytest.warns(UserWarning, match=r"nothing can be written there .*No space left on device"):
        volumes.get(READER, paths[0], memory)
    for path in paths:
        assert (volumes.get(READER, path, memory) == READER.read(path)).all()
    assert volumes.n_reads == 3
    assert entries(memory) == []


def test_a_memory_without_a_location_keeps_nothing(write_scan):
    path = write_scan(VOXELS)
    assert n_reads(path, Memory(None)) == n_reads(path, Memory(None)) == 1


def test_a_file_that_is_not_hashed_is_known_by_path_and_time(write_scan, memory, monkeypatch):
    monkeypatch.setattr(_content, "_MOST_BYTES", 10)
    path = write_scan(VOXELS)
    assert n_reads(path, memory) == 1
    assert n_reads(path, memory) == 0
    os.utime(path, ns=(1, 1))
    assert n_reads(path, memory) == 1


def test_reading_ahead_fills_the_cache_from_other_processes(write_scan, memory):
    paths = [write_scan(VOXELS + k, name=f"{k}.nii.gz") for k in range(4)]
    volumes = VolumeCache(max_bytes=3 * NBYTES)
    volumes.get(READER, paths[1])
    volumes.read_ahead(READER, [paths[0], paths[0], *paths], memory, n_jobs=2)
    assert (volumes.n_reads, len(volumes), volumes.nbytes) == (3, 3, 3 * NBYTES)
    for path in paths[:3]:
        volume = volumes.get(READER, path)
        assert (volume == READER.read(path)).all()
        assert not volume.flags.writeable
    assert volumes.n_reads == 3
    again = VolumeCache()
    again.read_ahead(READER, [paths[0], paths[2]], memory, n_jobs=2)
    assert (again.n_reads, len(again)) == (0, 2)
    again.read_ahead(READER, [paths[0], paths[2]], memory, n_jobs=2)
    again.read_ahead(READER, [])
    assert len(again) == 2


def test_reading_ahead_in_a_worker_of_joblib_reads_there_and_once(write_scan):
    volumes = VolumeCache()
    paths = [write_scan(VOXELS + k, name=f"{k}.nii") for k in range(3)]
    both = Parallel(n_jobs=2, backend="threading")
    both(delayed(volumes.read_ahead)(READER, paths, n_jobs=2) for _ in range(2))
    assert volumes.n_reads == len(volumes) == 3


def test_reading_ahead_within_a_process_starts_no_others(write_scan):
    paths = [write_scan(VOXELS + k, name=f"{k}.nii") for k in range(3)]
    results = Parallel(n_jobs=2, backend="loky")(
        delayed(_read_ahead)(paths, name) for name in ("read_ahead", "transform")
    )
    assert results == [0, 0]


def _read_ahead(paths, what):
    if what == "read_ahead":
        VolumeCache().read_ahead(READER, paths, n_jobs=2)
    else:
        clone(READER).set_params(n_jobs=2).transform(paths)
    return len(children())


def children():
    """The processes that this one started and that still run, workers of joblib among them."""
    from joblib.externals.loky import reusable_executor

    executor = reusable_executor._executor
    return [] if executor is None else list(executor._processes)


def test_reading_ahead_reports_what_cannot_be_read(write_scan):
    volumes = VolumeCache()
    with pytest.raises(ScanError, match="the scan is missing"):
        volumes.read_ahead(READER, [VOXELS, None])
    with pytest.raises(ScanError, match=r"bad\.nii: .* NaN"):
        volumes.read_ahead(READER, [VOXELS, write_scan(np.full((2, 2, 2), np.nan), name="bad.nii")])


def test_a_memory_mapped_memory_works_too(tmp_path):
    memory = Memory(tmp_path, mmap_mode="r", verbose=0)
    for _ in range(2):
        assert (VolumeCache().get(READER, VOXELS, memory) == READER.read(VOXELS)).all()


def test_there_is_one_cache_for_the_process():
    assert isinstance(cache.volumes, VolumeCache)
    assert cache.volumes.max_bytes == cache.DEFAULT_MAX_BYTES == 2**30
