from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from skedema.scans import ScanError
from skedema.scans.dicom import load_dicom
from skedema.scans.dicom._outliers import check_values
from skedema.scans.files import load_scan

from ._exam import assert_same, exam, one_slice, read_in_silence, set_all, write


def halve(keyword):
    def change(ds):
        setattr(ds, keyword, getattr(ds, keyword) // 2)

    return change


def setter(**tags):
    def change(ds):
        set_all([ds], **tags)

    return change


def more_pixels(ds):
    ds.PixelData += bytes(ds.PixelData)


LIES = {
    "half the rows": (halve("Rows"), "mixed matrix sizes"),
    "half the columns": (halve("Columns"), "mixed matrix sizes"),
    "8 bits": (setter(BitsAllocated=8, BitsStored=8, HighBit=7), "BitsAllocated .8., so that one"),
    "excess": (more_pixels, "5,760 bytes of pixel data, 2,880 by Rows"),
    "slope 10": (setter(RescaleSlope=10), "go with those of the slices beside it when"),
    "slope 0.5": (setter(RescaleSlope=0.5), "go with those of the slices beside it when"),
    "intercept 10 less": (
        setter(RescaleIntercept=-1034),
        "not as its own tags say .slope 1, inter",
    ),
    "intercept 0": (setter(RescaleIntercept=0), "not as its own tags say .slope 1, intercept 0"),
    "padding 1060": (setter(PixelPaddingValue=1060), "padding 1060 to 1060"),
    "patient": (setter(PatientID="B"), "mixed patients .PatientID., another than IM000"),
    "study": (setter(StudyInstanceUID="1.7"), "mixed studies .StudyInstanceUID., another"),
    "spacing": (setter(PixelSpacing=[0.5, 0.5]), "mixed pixel spacings"),
    "blank": (lambda ds: setattr(ds, "PixelData", bytes(len(ds.PixelData))), "1 slice .* blank"),
    "inverted": (setter(PhotometricInterpretation="MONOCHROME1"), "holds MONOCHROME1"),
}


@pytest.mark.parametrize("change", LIES)
@pytest.mark.parametrize("k", [0, 5, 11])
def test_the_slice_that_lies_is_named(tmp_path, change, k):
    change, message = LIES[change]
    series = exam()
    change(series[k])
    write(tmp_path / "a", series)
    ends = change is LIES["blank"][0] and k in (0, 11)
    if ends:  # of a resampled series, lawful
        with pytest.warns(UserWarning, match=rf"1 slice \(IM{k:04d}\) blank at the end"):
            load_dicom(tmp_path / "a", "exam")
        return
    with pytest.raises(ScanError, match=message) as caught:
        load_dicom(tmp_path / "a", "exam")
    text = str(caught.value)
    assert text.startswith(f"exam: IM{k:04d}: ") or f"(IM{k:04d}) blank" in text
    assert "; " in text


@pytest.mark.parametrize("keyword", ["Rows", "Columns"])
def test_a_matrix_that_all_slices_halve_leaves_pixels_over(tmp_path, keyword):
    series = exam()
    for ds in series:
        halve(keyword)(ds)
    write(tmp_path / "a", series)
    with pytest.raises(ScanError, match=r"2,880 bytes of pixel data, 1,440 by Rows"):
        load_dicom(tmp_path / "a", "exam")


def test_pixel_data_may_be_padded(tmp_path, whole):
    series = exam()
    for ds in series:
        ds.PixelData += bytes(64)
    assert_same(read_in_silence(tmp_path / "a", series), whole)


def test_slices_may_be_stored_in_other_ways_where_the_pixels_bear_it_out(tmp_path, whole):
    every = [one_slice(k, intercept=-1024 - 7 * k) for k in range(12)]
    assert_same(read_in_silence(tmp_path / "all", every), whole)
    for k in (0, 5, 11):
        series = exam()
        series[k] = one_slice(k, intercept=0)
        set_all([series[k]], PixelPaddingValue=-1500)
        assert_same(read_in_silence(tmp_path / str(k), series), whole)


def test_a_slice_of_another_place_between_two_alike_is_told(tmp_path):
    series = exam(20)
    series[4].PixelData = one_slice(4, height=57).PixelData
    write(tmp_path / "a", series)
    with pytest.warns(UserWarning, match=r"1 slice \(IM0004\) unlike those on both sides"):
        load_dicom(tmp_path / "a", "exam")


@pytest.mark.slow
def test_no_slice_of_a_real_exam_is_unlike_those_on_both_sides(real_data):
    for path in sorted((real_data / "ct_ich" / "scans").iterdir()):
        voxels = np.float32(load_scan(path).voxels).transpose(2, 1, 0)
        one = SimpleNamespace(slope=1, intercept=0, padding=None, coding=("",) * 4, label="")
        assert check_values(voxels, [one] * len(voxels), None) == [], path


def test_a_blank_series_is_refused(tmp_path):
    series = exam()
    for ds in series:
        ds.PixelData = bytes(len(ds.PixelData))
    write(tmp_path / "a", series)
    with pytest.raises(ScanError, match=r"^exam: series: is blank, all 17,280 voxels"):
        load_dicom(tmp_path / "a", "exam")


def test_a_bright_pixel_in_air_is_no_slice_of_another_place():
    voxels = np.float32(np.random.default_rng(0).normal(-1000, 5, (5, 256, 256)))
    voxels[2, 128, 128] = 1500
    one = SimpleNamespace(slope=1, intercept=0, padding=None, coding=("",) * 4, label="")
    assert check_values(voxels, [one] * len(voxels), None) == []
