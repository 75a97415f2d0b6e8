"""Exams that lie, lack slices or hold several passes: never read wrong in silence."""

from __future__ import annotations

import copy
import os
import threading
import warnings
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from skedema import VolumeReader
from skedema.scans import ScanError, check, looks_like_scan
from skedema.scans.cache import VolumeCache
from skedema.scans.dicom import load_dicom
from skedema.scans.dicom._outliers import check_values
from skedema.scans.files import load_scan, scan_key

pydicom = pytest.importorskip("pydicom")
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.sequence import Sequence  # noqa: E402
from pydicom.uid import (  # noqa: E402
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

ROWS, COLUMNS, STEP = 40, 36, 2.5
BAD_SERIES = "1.2.3.77"


def head(height, contrast=0):
    """HU of a slice through a smooth head at a height in mm."""
    y, x = np.mgrid[:ROWS, :COLUMNS]
    away = np.hypot((x - 18) / 15, (y - 20) / 18) / np.sqrt(max(0.1, 1 - (height / 60) ** 2))
    tissue = 35 + 12 * np.sin(x / 5 + height / 12) + 8 * np.cos(y / 4 - height / 9) + contrast
    noise = np.random.default_rng(int(1000 + 10 * height)).normal(0, 3, away.shape)
    return np.rint(np.select([away < 0.85, away < 1], [tissue, 900], -1000) + noise)


def one_slice(k, *, height=None, contrast=0, intercept=-1024, **tags):
    height = STEP * k if height is None else height
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = f"1.2.3.{k + 1}"
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.ImageType, ds.Modality = ["ORIGINAL", "PRIMARY", "AXIAL"], "CT"
    ds.PatientID, ds.StudyInstanceUID, ds.SeriesInstanceUID = "A", "1.2", "1.2.3"
    ds.FrameOfReferenceUID, ds.ConvolutionKernel, ds.SeriesNumber = "1.2.9", "H30s", 2
    ds.InstanceNumber, ds.AcquisitionNumber = k + 1, 1
    ds.ImagePositionPatient = [-16, -18, height]
    ds.ImageOrientationPatient, ds.PixelSpacing = [1, 0, 0, 0, 1, 0], [0.9, 0.9]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.Rows, ds.Columns = ROWS, COLUMNS
    ds.RescaleSlope, ds.RescaleIntercept = 1, intercept
    ds.PixelData = (head(height, contrast) - intercept).astype("<i2").tobytes()
    for keyword, value in tags.items():
        setattr(ds, keyword, value)
    return ds


def exam(n=12, **tags):
    return [one_slice(k, **tags) for k in range(n)]


def write(folder, series, name="IM{:04d}"):
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for ds in series:
        paths.append(folder / name.format(len(list(folder.iterdir()))))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds.save_as(paths[-1], enforce_file_format=True)
    return paths


def set_all(series, **tags):
    for ds in series:
        for keyword, value in tags.items():
            setattr(ds, keyword, value)
    return series


@pytest.fixture
def whole(tmp_path):
    return read_in_silence(tmp_path / "whole", exam())


def read_in_silence(folder, series, **more):
    write(folder, series)
    return load_dicom(folder, "exam", **more)


def assert_same(scan, other):
    assert np.array_equal(scan.voxels, other.voxels)
    np.testing.assert_allclose(scan.affine, other.affine)
    assert (scan.depths is None) == (other.depths is None)


# Two passes in one series


def passes(n=12, shift=0.0, **tags):
    """Two passes, the second with contrast agent, `shift` slices higher, with other tags."""
    first = exam(n)
    second = [
        one_slice(k, height=STEP * (k + shift), contrast=30, InstanceNumber=n + k + 1)
        for k in range(n)
    ]
    return first, set_all(second, **tags)


@pytest.mark.parametrize("shift", [0, 0.5, 6])
@pytest.mark.parametrize(
    "tags",
    [
        {"AcquisitionNumber": 2},
        {"ContrastBolusAgent": "IOHEXOL", "AcquisitionNumber": 2},
        {"ContrastBolusAgent": "IOHEXOL"},
        {"TemporalPositionIdentifier": 2},
        {"ConvolutionKernel": "H60s"},
        {"KVP": 80},
        {"AcquisitionTime": "101500"},
        {},  # the numbers go on, the places begin anew
    ],
    ids=str,
)
def test_two_passes_are_listed_and_one_can_be_chosen(tmp_path, tags, shift):
    first, second = passes(shift=shift, **tags)
    if "AcquisitionTime" in tags:
        set_all(first, AcquisitionTime="101000")
    paths = write(tmp_path / "both", first + second)
    expected = read_in_silence(tmp_path / "first", first)
    with pytest.raises(ScanError) as caught:
        load_dicom(tmp_path / "both", "exam")
    message = str(caught.value)
    assert message.startswith("exam: holds 2 passes over the same place; ")
    assert "give the list of files that make up one:\n" in message
    assert f"12 slices, 0.0 to {11 * STEP} mm" in message
    assert "images 1 to 12" in message
    assert_same(load_dicom(paths[:12], "exam"), expected)
    numbered = "AcquisitionNumber" in tags
    assert ("choose one, e.g. VolumeReader(acquisition=1), or" in message) == numbered
    if numbered:
        assert "acquisition 1: 12 slices" in message
        assert "acquisition 2: 12 slices" in message
        assert_same(load_scan(tmp_path / "both", acquisition=1), expected)
        other = load_scan(tmp_path / "both", acquisition=2)
        assert_same(other, read_in_silence(tmp_path / "second", second))
    else:
        with pytest.raises(ScanError, match="2 of them with acquisition 1; give the list"):
            load_dicom(tmp_path / "both", "exam", acquisition=1)
    if tags.get("ContrastBolusAgent"):
        assert "contrast not stated" in message
        assert "contrast IOHEXOL" in message
    with pytest.raises(ScanError, match=r"none of them with acquisition 7"):
        load_dicom(tmp_path / "both", "exam", acquisition=7)


def test_a_reader_reads_the_pass_that_was_chosen(tmp_path):
    first, second = passes(AcquisitionNumber=4)
    write(tmp_path / "both", first + second)
    write(tmp_path / "one", second)
    reader = VolumeReader(shape=8, spacing=12.0, windows=None)
    with pytest.raises(ScanError, match=r"VolumeReader\(acquisition=1\)"):
        reader.read(tmp_path / "both")
    chosen = reader.set_params(acquisition=4)
    # It is of no effect where there is but one pass, and on scans of other formats.
    assert np.array_equal(chosen.read(tmp_path / "both"), chosen.read(tmp_path / "one"))
    assert np.array_equal(
        chosen.read(np.full((4, 4, 4), 7.0)), reader.read(np.full((4, 4, 4), 7.0))
    )
    both = check([tmp_path / "both"])
    assert not both["readable"][0]
    assert "holds 2 passes over the same place" in both["findings"][0][0]
    assert check([tmp_path / "both"], acquisition=4)["readable"][0]
    with pytest.raises(TypeError, match="acquisition='first': give a whole number, or None"):
        VolumeReader(acquisition="first").settings()


def test_step_and_shoot_is_one_volume_and_two_passes_of_it_are_two(tmp_path, whole):
    def stepped(series, first):
        for k, ds in enumerate(series):
            ds.AcquisitionNumber = first + k // 4
            ds.AcquisitionTime = f"10{first:02d}{3 * (k // 4):02d}"
        return series

    single = stepped(exam(), 1)
    assert_same(read_in_silence(tmp_path / "one", single), whole)
    assert_same(read_in_silence(tmp_path / "lone", stepped(exam(), 9), acquisition=1), whole)
    for k, ds in enumerate(single):  # one slice an acquisition, from top to bottom
        ds.AcquisitionNumber = 12 - k
    assert_same(read_in_silence(tmp_path / "single", single), whole)
    first, second = passes(shift=0.5)
    write(tmp_path / "both", stepped(first, 1) + stepped(second, 4))
    with pytest.raises(ScanError, match=r"acquisition 1 to 3: 12 slices(.|\n)*acquisition 4 to 6"):
        load_dicom(tmp_path / "both", "exam")
    assert_same(load_dicom(tmp_path / "both", "exam", acquisition=2), whole)


def test_kv_and_kernel_may_change_along_one_pass(tmp_path, whole):
    series = exam()
    set_all(series[:4], KVP=140, ConvolutionKernel="H40s", AcquisitionNumber=1)
    set_all(series[4:], KVP=120, AcquisitionNumber=2)
    assert_same(read_in_silence(tmp_path / "a", series), whole)


def test_overlapping_reconstructions_of_one_acquisition_stay_one_volume(tmp_path):
    series = [one_slice(k, height=0.5 * k) for k in range(30)]
    scan = read_in_silence(tmp_path / "a", series)
    assert scan.voxels.shape[2] == 30
    assert scan.affine[2, 2] == pytest.approx(0.5)


# Damaged or missing slices


def damage_empty(data):
    return b""


def damage_noise(data):
    return np.random.default_rng(0).bytes(len(data))


def damage_early(data):
    return data[:100]


def damage_zeros(data):
    return bytes(len(data))


@pytest.mark.parametrize("damage", [damage_empty, damage_noise, damage_early, damage_zeros])
def test_damaged_files_that_are_no_dicom_are_told(tmp_path, damage):
    paths = write(tmp_path / "a", exam(24))
    for path in paths[-4:]:
        path.write_bytes(damage(path.read_bytes()))
    told = r"^exam: 4 files \(IM0020, IM0021, IM0022 and 1 more\) left out: no DICOM"
    with pytest.warns(UserWarning, match=told) as caught:
        assert load_dicom(tmp_path / "a", "exam").voxels.shape[2] == 20
    assert len(caught) == 1
    (finding,) = (f for f in check([tmp_path / "a"])["findings"][0] if "left out" in f)
    assert finding.startswith("4 files (IM0020")
    paths[7].write_bytes(b"")
    with pytest.raises(ScanError, match=r"slices are missing between positions 15.00 and 20.00"):
        load_dicom(tmp_path / "a", "exam")


@pytest.mark.parametrize("left", [140, 300, 400, 600, 1100, 2500])
def test_cut_files_are_refused(tmp_path, left):
    paths = write(tmp_path / "a", exam())
    paths[-1].write_bytes(paths[-1].read_bytes()[:left])
    with pytest.raises(ScanError, match="IM0011: "):
        load_dicom(tmp_path / "a", "exam")


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("kept", ["header", "data set"])
def test_files_without_preamble_are_read(tmp_path, whole, syntax, kept):
    series = exam()
    for ds in series:
        ds.file_meta.TransferSyntaxUID = syntax
    for path, ds in zip(write(tmp_path / "a", series), series, strict=True):
        if kept == "header":
            path.write_bytes(path.read_bytes()[132:])
        else:
            pydicom.dcmwrite(path, ds, enforce_file_format=False, implicit_vr=syntax.is_implicit_VR)
            data = path.read_bytes()
            path.write_bytes(data[data.index(b"\x08\0\x08\0") :])
    assert_same(load_dicom(tmp_path / "a", "exam"), whole)


def test_other_files_beside_an_exam_are_left_out_in_silence(tmp_path, whole):
    write(tmp_path / "a", exam())
    others = {
        "README": b"Head of a phantom.\n",
        "LIZENZ": "für alle\n".encode("latin-1"),
        "view.png": b"\x89PNG\r\n\x1a\n" + bytes(99),
        "report.pdf": b"%PDF-1.4\n" + bytes(99),
        "Thumbs.db": b"\xd0\xcf\x11\xe0" + bytes(99),
        ".DS_Store": b"\0\0\0\1Bud1" + bytes(99),
        "._IM0001": b"\0\5\x16\7" + bytes(99),
        ".nomedia": b"",
        "a.nii.gz": b"\x1f\x8b" + bytes(99),
    }
    for name, data in others.items():
        (tmp_path / "a" / name).write_bytes(data)
    assert_same(load_dicom(tmp_path / "a", "exam"), whole)


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


# DICOM that lies


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


# What is no HU


@pytest.mark.parametrize(
    "kind",
    [
        ["DERIVED", "PRIMARY", "PERFUSION", "RCBF"],
        ["DERIVED", "PRIMARY", "PERFUSION", "TMAX"],
        ["DERIVED", "SECONDARY", "AXIAL", "CT_PERF_CBV"],
        ["DERIVED", "PRIMARY", "AXIAL", "EFF_ATOMIC_NUM"],
        ["DERIVED", "PRIMARY", "VOLUME", "SUBTRACTION"],
    ],
    ids=str,
)
def test_derived_quantities_are_refused_by_their_image_type(tmp_path, kind):
    write(tmp_path / "a", set_all(exam(), ImageType=kind))
    with pytest.raises(ScanError, match=f"{kind[3]}: a derived quantity, not HU; give the series"):
        load_dicom(tmp_path / "a", "exam")


@pytest.mark.parametrize("fourth", ["NONE", "MEAN", "ADD", "VMI", "MAXIMUM", "RESAMPLED"])
def test_what_stays_in_hu_is_read(tmp_path, whole, fourth):
    kind = ["DERIVED", "PRIMARY", "AXIAL", fourth]
    assert_same(read_in_silence(tmp_path / "a", set_all(exam(), ImageType=kind)), whole)


def item(**tags):
    one = Dataset()
    for keyword, value in tags.items():
        setattr(one, keyword, value)
    return Sequence([one])


def enhanced(**of_frames):
    series = exam()
    ds = copy.deepcopy(series[0])
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = EnhancedCTImageStorage
    ds.NumberOfFrames = len(series)
    ds.PixelData = b"".join(one.PixelData for one in series)
    ds.SharedFunctionalGroupsSequence = item(
        PixelMeasuresSequence=item(PixelSpacing=[0.9, 0.9]),
        PlaneOrientationSequence=item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
        PixelValueTransformationSequence=item(RescaleSlope=1, RescaleIntercept=-1024),
    )
    ds.PerFrameFunctionalGroupsSequence = Sequence(
        item(
            PlanePositionSequence=item(ImagePositionPatient=one.ImagePositionPatient), **of_frames
        )[0]
        for one in series
    )
    return ds


def mapping(unit):
    code = item(CodeValue=unit, CodingSchemeDesignator="UCUM", CodeMeaning=unit)
    return item(MeasurementUnitsCodeSequence=code)


def test_enhanced_ct_of_derived_quantities_is_refused(tmp_path, whole):
    assert_same(read_in_silence(tmp_path / "hu", [enhanced()]), whole)
    in_hu = enhanced(RealWorldValueMappingSequence=mapping("[hnsf'U]"))
    assert_same(read_in_silence(tmp_path / "unit", [in_hu]), whole)
    units = enhanced(RealWorldValueMappingSequence=mapping("ml/100ml/s"))
    write(tmp_path / "a", [units])
    with pytest.raises(ScanError, match="real-world values are in ml/100ml/s, not HU"):
        load_dicom(tmp_path / "a", "exam")
    kind = item(FrameType=["DERIVED", "PRIMARY", "PERFUSION", "RCBF"])
    write(tmp_path / "b", [enhanced(CTImageFrameTypeSequence=kind)])
    with pytest.raises(ScanError, match=r"FrameType is .*RCBF: a derived quantity, not HU"):
        load_dicom(tmp_path / "b", "exam")


def test_real_world_units_of_single_slices_count(tmp_path):
    series = set_all(exam(), RealWorldValueMappingSequence=mapping("ml/100ml/s"))
    write(tmp_path / "a", series)
    with pytest.raises(ScanError, match="real-world values are in ml/100ml/s, not HU"):
        load_dicom(tmp_path / "a", "exam")


# Refusals that lead somewhere


@pytest.mark.parametrize("third", ["AXIAL", "REFORMATTED"])
def test_derived_slices_are_read_where_there_are_no_original_ones(tmp_path, whole, third):
    derived = set_all(exam(), ImageType=["DERIVED", "SECONDARY", third])
    paths = write(tmp_path / "a", derived)
    with pytest.warns(UserWarning, match="^exam: all 12 slices are derived secondary images"):
        assert_same(load_dicom(tmp_path / "a", "exam"), whole)
    # Beside original ones they are left out, and read where the list asks for them alone.
    set_all(derived, SeriesInstanceUID="1.2.4")
    both = tmp_path / "both"
    write(both, exam())
    paths = write(both, derived)
    assert_same(load_dicom(both, "exam"), whole)
    with pytest.warns(UserWarning, match="all 12 slices are derived secondary images"):
        assert_same(load_dicom(paths, "exam"), whole)
    with pytest.warns(UserWarning, match=r"12 files .* left out: derived secondary images"):
        assert_same(load_dicom(sorted(both.iterdir()), "exam"), whole)


@pytest.mark.parametrize(
    "keyword", ["SeriesInstanceUID", "FrameOfReferenceUID", "StudyInstanceUID"]
)
def test_a_list_of_files_is_the_word_that_they_belong_together(tmp_path, whole, keyword):
    series = exam()
    for k, ds in enumerate(series):
        setattr(ds, keyword, f"1.2.88.{k}")
    paths = write(tmp_path / "a", series)
    with pytest.raises(ScanError, match=r"give the list of (its|files of one series, of all)"):
        load_dicom(tmp_path / "a", "exam")
    for cell in (paths, paths[::-1], tuple(map(str, paths))):
        with pytest.warns(UserWarning, match=rf"mixed .*{keyword}.* as the list of files says"):
            assert_same(load_dicom(cell, "exam"), whole)


def test_a_list_of_two_patients_or_of_two_series_in_one_place_is_no_scan(tmp_path):
    series = exam()
    series[4].PatientID = "B"
    with pytest.raises(ScanError, match="mixed patients"):
        load_dicom(write(tmp_path / "a", series), "exam")
    first, second = passes(shift=0.5, SeriesInstanceUID="1.2.4")
    with pytest.raises(ScanError, match="holds 2 passes over the same place"):
        load_dicom(write(tmp_path / "b", first + second), "exam")


@pytest.mark.parametrize("name", ["IM{:06d}", "1.2.840.113704.1.{}", "{}.IMA"])
def test_dicom_files_of_any_name_are_scans(tmp_path, whole, name, monkeypatch):
    (path,) = write(tmp_path / "a", [enhanced()], name)
    assert looks_like_scan(str(path))
    assert looks_like_scan(path)
    assert not looks_like_scan(path.name)
    for cell in (path, str(path)):
        assert_same(load_scan(cell), whole)
        assert scan_key(cell)[0] == "dicom"
    with pytest.raises(ScanError, match="is a single slice; give the folder that it lies in"):
        load_scan(write(tmp_path / "b", exam(1), name)[0])
    assert_same(load_scan(write(tmp_path / "c", exam(), name)), whole)
    monkeypatch.chdir(tmp_path / "a")
    assert_same(load_scan(path.name), whole)


def test_a_zip_is_treated_as_its_folder_is(tmp_path, whole):
    paths = write(tmp_path / "a", exam())
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in paths:
            archive.write(path, path.name)
        archive.writestr("lost", b"")
    with pytest.warns(UserWarning, match=r"^exam: 1 file \(lost\) left out"):
        assert_same(load_dicom(tmp_path / "a.zip", "exam"), whole)


# Threads


def test_warnings_of_other_threads_are_shown_while_one_reads(tmp_path):
    series = exam(4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        set_all(series, FrameOfReferenceUID="1.2.099")  # pydicom warns of the leading zero
        write(tmp_path / "a", series)
    stop = threading.Event()
    errors = []

    def read():
        while not stop.is_set():
            try:
                load_dicom(tmp_path / "a", "exam")
            except Exception as error:  # a warning of pydicom's that is an error
                errors.append(error)

    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        for k in range(300):
            warnings.warn(f"of mine {k}", stacklevel=1)
            assert warnings.filters == before
        stop.set()
        for reader in readers:
            reader.join()
    assert not errors
    assert [str(each.message) for each in shown] == [f"of mine {k}" for k in range(300)]


def test_pydicom_warns_as_ever_outside_of_reading(tmp_path):
    (path,) = write(tmp_path / "a", exam(1))
    load_scan(write(tmp_path / "b", exam()))
    with pytest.warns(UserWarning, match="Invalid value for VR UI"):
        pydicom.dcmread(path).FrameOfReferenceUID = "1.2.099"


def test_the_time_of_reading_is_one_look_at_each_file(tmp_path, monkeypatch):
    """Headers are read once a file, and pixels once a file."""
    write(tmp_path / "a", exam())
    opened = []
    whole_open = open

    def counting(path, *args, **kwargs):
        if isinstance(path, str | os.PathLike) and str(tmp_path) in str(path):
            opened.append(os.path.basename(path))
        return whole_open(path, *args, **kwargs)

    monkeypatch.setattr("builtins.open", counting)
    load_dicom(tmp_path / "a", "exam")
    assert sorted(opened) == sorted([f"IM{k:04d}" for k in range(12)] * 2)


def test_a_scan_column_may_name_files_without_ending_in_the_working_directory(
    tmp_path, monkeypatch
):
    import pandas as pd

    from skedema import AttentionMixerClassifier

    for k in range(4):
        write(tmp_path, [enhanced()], f"IM{k:06d}")
    monkeypatch.chdir(tmp_path)
    X = pd.DataFrame({"scan": [f"IM{k:06d}" for k in range(4)], "age": [50.0, 60, 70, 80]})
    reader = VolumeReader(shape=16, spacing=4.0)
    clf = AttentionMixerClassifier(image="scan", volume=reader, max_epochs=1, random_state=0)
    assert clf.fit(X, [0, 1, 0, 1]).predict_proba(X).shape == (4, 2)


def test_passes_may_differ_in_all_but_the_place(tmp_path, whole):
    first, second = passes(
        AcquisitionNumber=2, PixelSpacing=[0.5, 0.5], FrameOfReferenceUID="1.2.10"
    )
    write(tmp_path / "a", first + second)
    with pytest.raises(ScanError, match="holds 2 passes over the same place"):
        load_dicom(tmp_path / "a", "exam")
    assert_same(load_dicom(tmp_path / "a", "exam", acquisition=1), whole)
    assert load_dicom(tmp_path / "a", "exam", acquisition=2).affine[1, 1] == -0.5


def test_acquisitions_that_overlap_at_their_ends_can_be_listed_without_that(tmp_path, whole):
    first, second = exam()[:7], set_all(exam()[5:], AcquisitionNumber=2)
    set_all(second[:2], PixelData=one_slice(9, height=9.0).PixelData)
    paths = write(tmp_path / "a", first + second)
    with pytest.raises(ScanError, match="give the list of files that make up one"):
        load_dicom(paths, "exam")
    assert_same(load_dicom(paths[:7] + paths[9:], "exam"), whole)


# What is no fault


def test_numbers_that_count_on_from_another_series_are_no_loss(tmp_path, whole):
    series = exam()
    for ds in series:
        ds.InstanceNumber = int(ds.InstanceNumber) + 34
    assert_same(read_in_silence(tmp_path / "on", series), whole)


def test_a_count_of_all_passes_is_no_loss_of_the_one_that_is_read(tmp_path):
    first, second = passes(AcquisitionNumber=2)
    series = set_all(first + second, ImagesInAcquisition=24)
    scan = read_in_silence(tmp_path / "both", series, acquisition=1)
    assert scan.voxels.shape[2] == 12


def test_a_bright_pixel_in_air_is_no_slice_of_another_place():
    voxels = np.float32(np.random.default_rng(0).normal(-1000, 5, (5, 256, 256)))
    voxels[2, 128, 128] = 1500
    one = SimpleNamespace(slope=1, intercept=0, padding=None, coding=("",) * 4, label="")
    assert check_values(voxels, [one] * len(voxels), None) == []


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


def test_check_reads_as_the_reader_does(tmp_path):
    first, second = passes(AcquisitionNumber=2)
    write(tmp_path / "both", first + second)
    cells = [str(tmp_path / "both")]
    assert not check(cells)["readable"].item()
    assert check(cells, volume=VolumeReader(acquisition=2))["readable"].item()
    small = check(cells, volume=VolumeReader(acquisition=2, max_bytes=1000))
    assert "max_bytes" in small["findings"].item()[0]
    for function in (check, lambda cells, **how: load_scan(cells[0], **how)):
        with pytest.raises(TypeError, match="acquisition='2': give a whole number"):
            function(cells, acquisition="2")
