from __future__ import annotations

import numpy as np
import pytest

from skedema.scans import ScanError, check
from skedema.scans.dicom import load_dicom

pydicom = pytest.importorskip("pydicom")
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.sequence import Sequence  # noqa: E402
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, SecondaryCaptureImageStorage  # noqa: E402

from ._exam import assert_same, exam, passes, set_all, write  # noqa: E402
from ._ramp import AXIAL, START, assert_is_the_ramp, cosines, make_slice, write_series, write_slice  # noqa: E402


def test_what_is_no_slice_is_left_out(tmp_path):
    write_series(tmp_path / "a")
    rng = np.random.default_rng(0)

    def other(name, position=(0, 0, 0), orientation=AXIAL, **tags):
        ds = make_slice(position, orientation, series=tags.pop("series", "1.2.3"))
        for keyword, value in tags.items():
            setattr(ds, keyword, value)
        write_slice(ds, tmp_path / "b" / name)

    other("scout", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], orientation=cosines(90))
    other("screenshot", ImageType=["DERIVED", "SECONDARY", "OTHER"])
    other("capture", SOPClassUID=SecondaryCaptureImageStorage)
    other("report", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.67")
    other("single", series="1.2.4")
    (tmp_path / "b" / "picture").write_bytes(b"\x89PNG\r\n\x1a\n" + rng.bytes(4000))
    (tmp_path / "b" / "._a").write_bytes(b"\0\5\x16\7" + bytes(200))
    directory = Dataset()
    directory.file_meta = FileMetaDataset()
    directory.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    directory.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    directory.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    directory.DirectoryRecordSequence = Sequence([])
    write_slice(directory, tmp_path / "DICOMDIR")
    assert_is_the_ramp(load_dicom(tmp_path, "exam"))


def test_two_series_are_listed_to_choose_from(tmp_path):
    def bone(ds, k):
        ds.SeriesNumber, ds.SeriesDescription, ds.ConvolutionKernel = 3, "BONE", "H60s"

    write_series(tmp_path / "a", steps=(2.5,) * 3)
    paths = write_series(tmp_path / "b", steps=(2.0,) * 5, series="1.2.4", change=bone)
    with pytest.raises(ScanError) as caught:
        load_dicom(tmp_path, "exam")
    message = str(caught.value)
    assert message.startswith("exam: holds 2 series; give the list of files of one series")
    assert "series 2 'HEAD': 4 slices, 0.9 x 0.75 mm, 2.5 mm apart, kernel H30s, in a" in message
    assert "series 3 'BONE': 6 slices, 0.9 x 0.75 mm, 2 mm apart, kernel H60s, in b" in message
    assert load_dicom(paths, "exam").voxels.shape[2] == 6
    assert load_dicom(tmp_path / "b", "exam").voxels.shape[2] == 6


def test_a_single_slice_is_refused(tmp_path):
    path = write_series(tmp_path)[0]
    with pytest.raises(ScanError, match=r"is a single slice; give the folder that it lies in"):
        load_dicom(path, path.name)


def test_files_that_are_no_slices_are_refused(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"text" * 100)
    with pytest.raises(ScanError, match=r"^a\.dcm: is not a DICOM file"):
        load_dicom(tmp_path / "a.dcm", "a.dcm")
    with pytest.raises(ScanError, match=r"holds no CT slices \(1 no DICOM images\)"):
        load_dicom(tmp_path, "exam")
    write_slice(make_slice(START), tmp_path / "b.dcm")
    with pytest.raises(ScanError, match=r"a\.dcm: is not a DICOM file .DICM is not at byte 128"):
        load_dicom([tmp_path / "b.dcm", tmp_path / "a.dcm"], "exam")


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
