from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest

from skedema.scans import ScanError
from skedema.scans.dicom._load import load_dicom

pytest.importorskip("pydicom")
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    RLELossless,
)

from ._ramp import (
    AXIAL,
    CHANGING,
    EVEN,
    SPACING,
    assert_is_the_ramp,
    compress,
    compressed,
    cosines,
    make_slice,
    positions_of,
    set_pixels,
    write_series,
    write_slice,
)

GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")


def group(**tags):
    item = Dataset()
    for keyword, value in tags.items():
        setattr(item, keyword, value)
    return Sequence([item])


def enhanced_ramp(steps, order, shared_geometry=True):
    """Enhanced CT: all slices in one file, in any order."""
    slices = [make_slice(position) for position in positions_of(steps)]
    ds = slices[0].copy()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = EnhancedCTImageStorage
    hu = group(RescaleSlope=1, RescaleIntercept=0, RescaleType="HU")
    shared = {
        "PixelMeasuresSequence": group(PixelSpacing=list(SPACING)),
        "PlaneOrientationSequence": group(ImageOrientationPatient=list(AXIAL)),
        "PixelValueTransformationSequence": hu,
    }
    frames = []
    for k in order:
        place = group(ImagePositionPatient=slices[k].ImagePositionPatient)
        more = {} if shared_geometry else shared
        frames.append(group(PlanePositionSequence=place, **more)[0])
    ds.SharedFunctionalGroupsSequence = group(**(shared if shared_geometry else {}))
    ds.PerFrameFunctionalGroupsSequence = Sequence(frames)
    ds.NumberOfFrames = len(order)
    ds.PixelData = b"".join(slices[k].PixelData for k in order)
    for keyword in (*GEOMETRY, "RescaleSlope", "RescaleIntercept"):
        delattr(ds, keyword)
    return ds


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("syntax", [None, RLELossless])
def test_enhanced_ct_is_one_file_of_many_slices(tmp_path, shared, syntax):
    order = np.random.default_rng(1).permutation(len(CHANGING) + 1)
    ds = enhanced_ramp(CHANGING, order, shared)
    if syntax:
        ds.compress(syntax, generate_instance_uid=False)
    path = write_slice(ds, tmp_path / "one.dcm")
    for cell in (path, tmp_path, [path]):
        scan = load_dicom(cell, "exam")
        assert scan.depths is not None
        assert_is_the_ramp(scan)


def test_a_slice_that_is_there_twice_counts_once(tmp_path):
    paths = write_series(tmp_path)
    expected = load_dicom(tmp_path, "exam")
    (tmp_path / "copy").write_bytes(paths[2].read_bytes())
    with pytest.warns(UserWarning, match=r"exam: copy is the same slice as IM-|is the same slice"):
        scan = load_dicom(tmp_path, "exam")
    assert (scan.voxels == expected.voxels).all()
    assert (scan.affine == expected.affine).all()


def test_two_different_slices_at_one_place_are_refused(tmp_path):
    write_series(tmp_path)
    ds = make_slice(positions_of(EVEN)[2], number=99)
    set_pixels(ds, ds.pixel_array + 1)
    write_slice(ds, tmp_path / "other")
    with pytest.raises(ScanError, match=r"^exam: .* and .*: two different slices at one place"):
        load_dicom(tmp_path, "exam")


def set_tags(**tags):
    def change(ds, k):
        if k == 3:
            for keyword, value in tags.items():
                setattr(ds, keyword, value)

    return change


def drop_tag(keyword):
    def change(ds, k):
        if k == 3:
            delattr(ds, keyword)

    return change


def raw_text(keyword, text):
    """A decimal string that pydicom would not write."""

    def change(ds, k):
        if k == 3:
            del ds[keyword]
            ds.add_new(keyword, "LO", text)

    return change


def smaller(ds, k):
    if k == 3:
        set_pixels(ds, ds.pixel_array[:-2])


def short(ds, k):
    if k == 3:
        ds.PixelData = ds.PixelData[:-50]


def no_pixels(ds, k):
    if k == 3:
        del ds.PixelData


def beside(ds, k):
    if k == 3:
        ds.ImagePositionPatient = [ds.ImagePositionPatient[0] + 0.4, *ds.ImagePositionPatient[1:]]


def unknown_syntax(ds, k):
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"  # MPEG-4
    ds.PixelData = encapsulate([b"\0" * 64])
    ds["PixelData"].VR = "OB"


def taller(frame):
    at = frame.index(b"\xff\xc3") + 5
    return frame[:at] + b"\xff\xff" + frame[at + 2 :]


def wider(frame):
    return frame[:8] + b"\x00\x00\xff\xff" + frame[12:]


BAD = {
    "no position": (drop_tag("ImagePositionPatient"), "ImagePositionPatient is missing"),
    "no orientation": (drop_tag("ImageOrientationPatient"), "ImageOrientationPatient is missing"),
    "no spacing": (drop_tag("PixelSpacing"), "PixelSpacing is missing"),
    "no slope": (drop_tag("RescaleSlope"), "RescaleSlope is missing"),
    "no intercept": (drop_tag("RescaleIntercept"), "RescaleIntercept is missing"),
    "no rows": (drop_tag("Rows"), "Rows is missing"),
    "no series": (drop_tag("SeriesInstanceUID"), "SeriesInstanceUID is missing"),
    "no photometric": (drop_tag("PhotometricInterpretation"), "no PhotometricInterpretation"),
    "no bits": (drop_tag("BitsStored"), "cannot be read"),
    "no pixels": (no_pixels, "has no pixel data, or was cut off"),
    "spacing 0": (set_tags(PixelSpacing=[0, 0.75]), "PixelSpacing is .* not within"),
    "spacing negative": (set_tags(PixelSpacing=[0.9, -0.75]), "PixelSpacing is .* not within"),
    "spacing 1e9": (set_tags(PixelSpacing=[1e9, 0.75]), "PixelSpacing is .* not within"),
    "spacing NaN": (raw_text("PixelSpacing", "nan\\nan"), "PixelSpacing is .* not within"),
    "spacing text": (raw_text("PixelSpacing", "wide"), "PixelSpacing is wide, no number"),
    "one spacing": (set_tags(PixelSpacing=0.9), "PixelSpacing is 0.9, not 2 numbers"),
    "another spacing": (set_tags(PixelSpacing=[0.9, 0.8]), "mixed pixel spacings"),
    "orientation not unit": (
        set_tags(ImageOrientationPatient=[0.5, 0, 0, 0, 1, 0]),
        "mixed orientations",
    ),
    "position infinite": (raw_text("ImagePositionPatient", "0\\0\\inf"), "not within"),
    "position 1e9": (set_tags(ImagePositionPatient=[0, 0, 1e9]), "not within"),
    "position beside": (beside, "beside the line of the other slices"),
    "slope 0": (set_tags(RescaleSlope=0), "RescaleSlope is 0.0, not within"),
    "another unit": (set_tags(RescaleType="Z_EFF"), "RescaleType is Z_EFF, not HU"),
    "inverted": (set_tags(PhotometricInterpretation="MONOCHROME1"), "holds MONOCHROME1"),
    "colour": (set_tags(PhotometricInterpretation="RGB", SamplesPerPixel=3), "holds RGB"),
    "palette": (set_tags(PhotometricInterpretation="PALETTE COLOR"), "holds PALETTE COLOR"),
    "another matrix": (smaller, "mixed matrix sizes .*38, 36.* and .*40, 36"),
    "another orientation": (
        set_tags(ImageOrientationPatient=list(cosines(4))),
        "mixed orientations",
    ),
    "another frame of reference": (set_tags(FrameOfReferenceUID="1.2.10"), "mixed frames of ref"),
    "frames without places": (set_tags(NumberOfFrames=3), "3 frames, but positions for 1"),
    "cut off": (short, "cannot be read"),
    "bits of 12 in 8": (set_tags(BitsAllocated=8, BitsStored=12), "and BitsAllocated .8., so that"),
    "rows 0": (set_tags(Rows=0), "Rows is 0, not within"),
    "video": (unknown_syntax, "transfer syntax MPEG-4 .* is not read; decompress it first"),
    "RLE cut off": (compressed(RLELossless, lambda frame: frame[:80]), "cannot be read"),
    "JPEG cut off": (compressed(JPEGLosslessSV1, lambda frame: frame[:90]), "are cut off"),
    "JPEG of another size": (compressed(JPEGLosslessSV1, taller), "hold .65535, 36, 1. rows"),
    "JPEG 2000 cut off": (compressed(JPEG2000Lossless, lambda frame: frame[:90]), "are cut off"),
    "JPEG 2000 of another size": (compressed(JPEG2000Lossless, wider), "hold .40, 65535, 1. rows"),
    "two JPEG in one": (
        compressed(JPEGLosslessSV1, lambda frame: frame.rstrip(b"\0") + frame),
        "other data follow its compressed data, so that there may be more slices",
    ),
    "noise for JPEG": (compressed(JPEGLosslessSV1, lambda frame: frame[5:60]), "cannot be read"),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD.keys())
def test_broken_slices_are_refused_in_silence(tmp_path, change, message, capfd):
    paths = write_series(tmp_path, change=change)
    capfd.readouterr()
    with pytest.raises(ScanError, match=message) as caught:
        load_dicom(tmp_path, "exam")
    text = str(caught.value)
    assert text.startswith("exam: ")
    assert "; " in text  # the remedy
    if "mixed" not in text:
        assert any(path.name in text for path in paths)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless])
def test_damaged_files_give_a_scan_or_a_scan_error_and_nothing_else(tmp_path, syntax, capfd):
    paths = write_series(tmp_path, steps=(2.0, 2.0))
    if syntax == RLELossless:
        paths = write_series(tmp_path, (2.0, 2.0), change=lambda ds, k: compress(ds, syntax))
    elif syntax == ImplicitVRLittleEndian:
        paths = write_series(tmp_path, (2.0, 2.0), syntax=syntax)
    whole = paths[1].read_bytes()
    rng = np.random.default_rng(0)
    messages = []
    for _ in range(150):
        data = bytearray(whole)
        for at in rng.integers(132, len(data), rng.integers(1, 4)):
            data[at] = rng.integers(256)
        if rng.random() < 0.2:
            data = data[: rng.integers(len(data))]
        paths[1].write_bytes(data)
        try:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                assert np.isfinite(load_dicom(tmp_path, "exam").voxels).all()
            assert all(str(each.message).startswith("exam: ") for each in told)
        except ScanError as error:
            messages.append(str(error))
    assert len(messages) > 20
    assert all(message.startswith("exam: ") for message in messages)
    assert capfd.readouterr() == ("", "")


def test_the_missing_extra_is_named(tmp_path, monkeypatch):
    write_series(tmp_path)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ScanError, match="needs pydicom: pip install pydicom pylibjpeg"):
        load_dicom(tmp_path, "exam")


def test_filters_of_warnings_are_as_before(tmp_path):
    write_series(tmp_path)
    before = list(warnings.filters)
    load_dicom(tmp_path, "exam")
    with pytest.raises(ScanError):
        load_dicom(tmp_path / "gone", "exam")
    assert warnings.filters == before
