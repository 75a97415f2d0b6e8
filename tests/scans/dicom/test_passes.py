from __future__ import annotations

import numpy as np
import pytest

from skedema import VolumeReader
from skedema.scans import ScanError, check
from skedema.scans.dicom import load_dicom
from skedema.scans.files import load_scan

from ._exam import STEP, assert_same, exam, one_slice, passes, read_in_silence, set_all, write


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


def test_a_count_of_all_passes_is_no_loss_of_the_one_that_is_read(tmp_path):
    first, second = passes(AcquisitionNumber=2)
    series = set_all(first + second, ImagesInAcquisition=24)
    scan = read_in_silence(tmp_path / "both", series, acquisition=1)
    assert scan.voxels.shape[2] == 12


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
