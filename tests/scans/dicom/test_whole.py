from __future__ import annotations

import numpy as np
import pytest

from skedema import VolumeReader
from skedema.scans import ScanError, check
from skedema.scans.cache import VolumeCache
from skedema.scans.dicom import load_dicom

from ._exam import STEP, assert_same, exam, one_slice, read_in_silence, set_all, write

BAD_SERIES = "1.2.3.77"


def without(series, lost):
    return [ds for k, ds in enumerate(series) if k not in lost]


@pytest.mark.parametrize("step", [0.6, 1.25, 2.5, 5.0, 7.5])
@pytest.mark.parametrize("n_lost", [1, 2, 5])
def test_a_gap_is_an_error_and_not_interpolated(tmp_path, step, n_lost):
    series = [one_slice(k, height=step * k) for k in range(16)]
    paths = write(tmp_path / "a", without(series, range(7, 7 + n_lost)))
    with pytest.raises(ScanError, match=r"slices are missing between .* export the whole series"):
        load_dicom(tmp_path / "a", "exam")
    if (n_lost + 1) * step > 7.5:
        with pytest.raises(ScanError, match="slices are missing between"):
            load_dicom(paths, "exam")
        return
    # The remedy: whoever gives the list of files wants the gap bridged.
    with pytest.warns(UserWarning, match=r"^exam: ") as told:
        scan = load_dicom(paths, "exam")
    texts = sorted(str(each.message) for each in told)
    assert len(texts) == 2
    assert "missing between 1 and 16" in texts[0]
    assert "bridged by interpolation, as the list of files was given" in texts[1]
    assert scan.depths[-1] == pytest.approx(15 - n_lost)


def test_a_gap_that_the_numbers_deny_is_bridged_with_a_warning(tmp_path):
    heights = np.cumsum([0, 2.5, 2.5, 5, 2.5, 2.5])
    series = [one_slice(k, height=h) for k, h in enumerate(heights)]
    write(tmp_path / "a", series)
    with pytest.warns(UserWarning, match=r"a gap between .* as the numbers of the slices run on"):
        load_dicom(tmp_path / "a", "exam")
    for ds in series:
        del ds.InstanceNumber
    write(tmp_path / "b", series)
    with pytest.raises(ScanError, match="slices are missing between"):
        load_dicom(tmp_path / "b", "exam")


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        (range(1, 24, 2), r"InstanceNumber 2, 4, 6 \.\.\. missing between 1 and 23: 11 slices"),
        (range(0, 24, 2), r"InstanceNumber 3, 5, 7 \.\.\. missing between 2 and 24|begins at 2"),
        (range(12), "InstanceNumber begins at 13: slices before may be lost"),
        ([0], "InstanceNumber begins at 2"),
    ],
    ids=["even half", "odd half", "lower half", "first"],
)
def test_numbers_tell_of_slices_that_are_missing(tmp_path, lost, told):
    write(tmp_path / "a", without(exam(24), lost))
    with pytest.warns(UserWarning, match=told):
        load_dicom(tmp_path / "a", "exam")
    assert check([tmp_path / "a"])["findings"].map(str).str.contains("InstanceNumber")[0]


@pytest.mark.parametrize("keyword", ["ImagesInAcquisition", "NumberOfSeriesRelatedInstances"])
def test_the_count_that_is_stated_tells_of_slices_that_are_missing(tmp_path, keyword):
    series = set_all(exam(24), **{keyword: 24})
    read_in_silence(tmp_path / "whole", series)
    write(tmp_path / "a", series[:20])
    with pytest.warns(UserWarning, match=r"there are 20 slices, but the series states 24"):
        load_dicom(tmp_path / "a", "exam")


def test_numbers_of_localizers_and_numbers_without_order_are_no_matter(tmp_path, whole):
    series = exam()
    for ds in series:
        ds.InstanceNumber += 2
    scouts = [
        one_slice(k, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], SOPInstanceUID=f"1.9.{k}")
        for k in range(2)
    ]
    set_all(scouts, ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    assert_same(read_in_silence(tmp_path / "a", scouts + series), whole)
    assert_same(read_in_silence(tmp_path / "b", set_all(exam(), InstanceNumber=1)), whole)


@pytest.mark.parametrize(
    "tags",
    [
        {"SeriesInstanceUID": BAD_SERIES},
        {"ImageType": ["DERIVED", "SECONDARY", "AXIAL"]},
        {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
    ],
    ids=str,
)
def test_a_file_that_was_left_out_but_fits_is_told(tmp_path, tags):
    series = exam()
    set_all(series[-1:], **tags)
    paths = write(tmp_path / "a", series)
    with pytest.warns(UserWarning, match=r"1 file \(IM0011\) left out, though they fit"):
        assert load_dicom(tmp_path / "a", "exam").voxels.shape[2] == 11
    assert load_dicom(paths[:11], "exam").voxels.shape[2] == 11


def test_positions_against_numbers_and_locations_are_told(tmp_path):
    series = exam()
    one, two = series[3], series[9]
    one.ImagePositionPatient, two.ImagePositionPatient = (
        two.ImagePositionPatient,
        one.ImagePositionPatient,
    )
    write(tmp_path / "a", series)
    with pytest.warns(UserWarning, match=r"^exam: 2 slices") as told:
        load_dicom(tmp_path / "a", "exam")
    turn, unlike = (str(each.message) for each in told)
    assert "2 slices (IM0009, IM0003) out of turn: InstanceNumber and" in turn
    assert "2 slices (IM0009, IM0003) unlike those on both sides" in unlike
    series = exam()
    for k, ds in enumerate(series):
        ds.SliceLocation = 100 - STEP * k
    read_in_silence(tmp_path / "sound", series)
    series[5].ImagePositionPatient = [-16, -18, STEP * 5 + 0.9]
    write(tmp_path / "b", series)
    with pytest.warns(UserWarning, match=r"1 slice \(IM0005\) elsewhere: SliceLocation and"):
        load_dicom(tmp_path / "b", "exam")


def test_numbers_that_count_on_from_another_series_are_no_loss(tmp_path, whole):
    series = exam()
    for ds in series:
        ds.InstanceNumber = int(ds.InstanceNumber) + 34
    assert_same(read_in_silence(tmp_path / "on", series), whole)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_what_is_odd_about_files_is_told_once_from_workers_and_caches_too(tmp_path, n_jobs):
    folders = []
    for k in range(3):
        folders.append(str(tmp_path / f"exam {k}"))
        write(tmp_path / f"exam {k}", [ds for ds in exam(14) if k == 1 or ds.InstanceNumber != 1])
    reader = VolumeReader(shape=8, spacing=None, n_jobs=n_jobs)
    expected = r"2 of 3 scans are read, though files .*row 0 .*row 2 .*InstanceNumber begins at 2"
    with pytest.warns(UserWarning, match=expected) as caught:
        reader.transform(folders)
    assert len(caught) == 1
    for _ in range(2):  # from the folder the second time
        cache = VolumeCache()
        cache.get_all(reader, folders, tmp_path / "memory", n_jobs)
        about = [cache.about(reader, folder, tmp_path / "memory").remarks for folder in folders]
        assert [len(each) for each in about] == [1, 0, 1]
    assert cache.n_reads == 0
