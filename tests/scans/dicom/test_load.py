from __future__ import annotations

import os
import sys
import warnings
import zipfile

import numpy as np
import pytest

from skedema.scans import ScanError
from skedema.scans.dicom._load import dicom_key, load_dicom
from skedema.scans.grid import resample

pydicom = pytest.importorskip("pydicom")
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.encaps import encapsulate  # noqa: E402
from pydicom.sequence import Sequence  # noqa: E402
from pydicom.uid import (  # noqa: E402
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    RLELossless,
    SecondaryCaptureImageStorage,
)

AXIAL = (1, 0, 0, 0, 1, 0)
GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
ROWS, COLUMNS = 40, 36  # JPEG 2000's encoder takes no less than 32
SPACING = (0.9, 0.75)  # between rows, between columns
START = np.array([-3.0, 5.0, -20.0])
SLOPE = np.array([7.0, -5.0, 3.0])  # HU a mm towards right, anterior, superior


def ramp(lps):
    """HU at places (..., 3) in mm: another value at every place."""
    return lps @ (SLOPE * [-1, -1, 1]) + 40.0


def cosines(degrees, about="x"):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return {"x": (1, 0, 0, 0, c, -s), "z": (c, s, 0, -s, c, 0)}[about]


def make_slice(position, orientation=AXIAL, *, series="1.2.3", number=1, syntax=None, signed=True):
    """A CT slice of the ramp, not written yet."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
    uid = f"{series}.{number}.{abs(hash(tuple(position))) % 10**9}"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = uid
    ds.file_meta.TransferSyntaxUID = syntax or ExplicitVRLittleEndian
    ds.Modality = "CT"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SeriesInstanceUID, ds.SeriesNumber, ds.SeriesDescription = series, 2, "HEAD"
    ds.FrameOfReferenceUID, ds.ConvolutionKernel = "1.2.9", "H30s"
    ds.InstanceNumber = number
    ds.ImagePositionPatient = [f"{x:.8g}" for x in position]
    ds.ImageOrientationPatient = [f"{x:.8g}" for x in orientation]
    ds.PixelSpacing = list(SPACING)
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.RescaleSlope, ds.RescaleIntercept = (1, 0) if signed else (1, -1024)
    row, column = np.reshape(np.array(orientation, float), (2, 3))
    j, i = np.indices((ROWS, COLUMNS))
    places = position + i[..., None] * row * SPACING[1] + j[..., None] * column * SPACING[0]
    hu = np.rint(ramp(places))
    set_pixels(ds, hu if signed else hu + 1024, signed)
    return ds


def set_pixels(ds, stored, signed=True):
    ds.Rows, ds.Columns = stored.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.PixelRepresentation = int(signed)
    big = ds.file_meta.TransferSyntaxUID == ExplicitVRBigEndian
    kind = (">" if big else "<") + ("i2" if signed else "u2")
    ds.PixelData = stored.astype(kind).tobytes()


def positions_of(steps, orientation=AXIAL, slide=(0, 0, 0)):
    """Positions whose heights along the normal rise by steps, sliding sideways as they do."""
    row, column = np.reshape(np.array(orientation, float), (2, 3))
    along = np.cross(row, column) + np.array(slide, float)
    return START + np.concatenate([[0.0], np.cumsum(steps)])[:, None] * along


def write(ds, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of the tests write nonsense on purpose
        ds.save_as(path, enforce_file_format=True)
    return path


def write_series(
    folder, steps=(2.0,) * 6, orientation=AXIAL, slide=(0, 0, 0), change=None, **kwargs
):
    """Write a series, numbers and names in an order that is not that of the slices."""
    positions = positions_of(steps, orientation, slide)
    order = np.random.default_rng(0).permutation(len(positions))
    paths = []
    for k, position in enumerate(positions):
        ds = make_slice(position, orientation, number=int(order[k]) + 1, **kwargs)
        if change is not None:
            change(ds, k)
        name = f"{kwargs.get('series', 'IM')}-{int(order[k]):03d}"
        paths.append(write(ds, folder / name))
    return paths


def assert_is_the_ramp(scan, atol=0.51):
    """Every voxel has the HU of its place: no axis is swapped, flipped, shifted or scaled."""
    index = np.indices(scan.voxels.shape).astype(float)
    if scan.depths is not None:
        index[2] = scan.depths
    ras = np.tensordot(scan.affine[:3, :3], index, 1) + scan.affine[:3, 3, None, None, None]
    expected = np.tensordot(SLOPE, ras, 1) + 40.0
    np.testing.assert_allclose(scan.voxels, expected, rtol=0, atol=atol)


EVEN, CHANGING = (2.0,) * 6, (1.5, 1.5, 1.5, 0.4, 2.6, 2.6, 2.6)
TILT = tuple(-np.tan(np.radians(18.5)) * np.array(cosines(18.5)[3:]))


@pytest.mark.parametrize("steps", [EVEN, CHANGING], ids=["even", "uneven"])
@pytest.mark.parametrize(
    ("orientation", "slide"),
    [
        (AXIAL, (0, 0, 0)),
        (AXIAL, (0, -0.3, 0)),
        (cosines(18.5), TILT),  # the table moves along z, the gantry is tilted
        (cosines(20), (0, 0, 0)),
        (cosines(33, "z"), (0.1, 0.1, 0)),
        ((-1, 0, 0, 0, 1, 0), (0, 0, 0)),
        ((0, 1, 0, 1, 0, 0), (0, 0, 0)),
        ((1, 0, 0, 0, 0, -1), (0, 0, 0)),
    ],
    ids=["axial", "slid", "tilted", "oblique", "turned", "mirrored", "transposed", "coronal"],
)
def test_every_voxel_lies_where_the_positions_say(tmp_path, orientation, slide, steps):
    write_series(tmp_path, steps, orientation, slide)
    scan = load_dicom(tmp_path, "exam")
    assert scan.voxels.shape == (COLUMNS, ROWS, len(steps) + 1)
    assert scan.voxels.dtype == np.float32
    assert scan.affine.dtype == np.float64
    assert (scan.depths is None) == (steps == EVEN)
    assert_is_the_ramp(scan)


def test_a_tilted_uneven_series_is_a_ramp_on_the_grid_too(tmp_path):
    write_series(tmp_path, CHANGING, cosines(18.5), TILT)
    scan = load_dicom(tmp_path, "exam")
    grid = resample(*scan[:2], (0.8, 0.9, 0.7), (5, 5, 5), -1024, scan.depths)
    slopes = [np.diff(grid, axis=axis).mean() for axis in range(3)]
    np.testing.assert_allclose(slopes, SLOPE * (0.8, 0.9, 0.7), atol=0.1)


def test_depths_are_the_positions_of_the_slices(tmp_path):
    write_series(tmp_path, CHANGING, slide=(0, 0.2, 0))
    scan = load_dicom(tmp_path, "exam")
    assert scan.depths[0] == 0
    assert scan.depths[-1] == pytest.approx(len(CHANGING))
    assert (np.diff(scan.depths) > 0).all()
    origins = scan.affine[:3, 2:3] * scan.depths + scan.affine[:3, 3:]
    expected = positions_of(CHANGING, slide=(0, 0.2, 0)).T * [[-1], [-1], [1]]
    np.testing.assert_allclose(origins, expected, atol=1e-6)


def test_steps_rounded_to_a_hundredth_of_a_mm_are_even(tmp_path):
    write_series(tmp_path / "a", np.diff(np.round(np.arange(9) * 0.625, 2)))
    assert load_dicom(tmp_path / "a", "exam").depths is None
    write_series(tmp_path / "b", np.diff(np.round(np.arange(9) * 0.625, 1)))
    assert load_dicom(tmp_path / "b", "exam").depths is not None


@pytest.mark.parametrize("signed", [True, False])
def test_hu_follow_the_tags_of_each_slice(tmp_path, signed):
    def change(ds, k):
        hu = np.rint(ds.pixel_array * ds.RescaleSlope + ds.RescaleIntercept)
        ds.RescaleSlope, ds.RescaleIntercept = 0.5 + k % 2, -1000 - k
        set_pixels(ds, np.rint((hu + 1000 + k) / (0.5 + k % 2)), signed)

    write_series(tmp_path, change=change, signed=signed)
    assert_is_the_ramp(load_dicom(tmp_path, "exam"), atol=1.3)


@pytest.mark.parametrize(
    ("signed", "pad", "tag"),
    [(True, -2000, -2000), (True, -1500, -1500), (True, -2000, 63536), (False, 63536, 63536)],
)
def test_padding_is_air(tmp_path, signed, pad, tag):
    def change(ds, k):
        stored = ds.pixel_array.copy()
        stored[0, :] = pad
        stored[-1, :] = -3000 if signed else 0
        set_pixels(ds, stored, signed)
        if signed and tag > 2**15:
            ds.add_new("PixelPaddingValue", "US", tag)
        else:
            ds.add_new("PixelPaddingValue", "SS" if signed else "US", tag)

    write_series(tmp_path, change=change, signed=signed)
    scan = load_dicom(tmp_path, "exam")
    assert (scan.voxels[:, 0] == -1024).all()
    assert (scan.voxels[:, -1] == -1024).all()
    assert (scan.voxels[:, 1:-1] > -200).all()


def test_a_range_of_padding_is_air(tmp_path):
    def change(ds, k):
        stored = ds.pixel_array.copy()
        stored[0] = np.linspace(3000, 3010, COLUMNS)
        set_pixels(ds, stored)
        ds.add_new("PixelPaddingValue", "SS", 3010)
        ds.add_new("PixelPaddingRangeLimit", "SS", 3000)

    write_series(tmp_path, change=change)
    assert (load_dicom(tmp_path, "exam").voxels[:, 0] == -1024).all()


def test_folder_list_and_zip_give_the_same_scan(tmp_path):
    paths = write_series(tmp_path / "exam" / "st0" / "se1", CHANGING)
    (tmp_path / "exam" / "README.txt").write_text("not DICOM")
    with zipfile.ZipFile(tmp_path / "exam.ZIP", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            archive.write(path, f"../../etc/{path.name}")
        archive.writestr("notes/", "")
        archive.writestr("notes/read.me", "not DICOM")
    before = sorted(tmp_path.rglob("*"))
    expected = load_dicom(str(tmp_path / "exam"), "exam")
    for cell in (tmp_path / "exam.ZIP", paths, tuple(map(str, paths[::-1]))):
        scan = load_dicom(cell, "exam")
        assert (scan.voxels == expected.voxels).all()
        assert (scan.affine == expected.affine).all()
        assert (scan.depths == expected.depths).all()
    assert sorted(tmp_path.rglob("*")) == before


def jpeg_lossless(pixels):
    """Encode as JPEG Lossless, selection value 1 (ITU-T T.81, annex H), one code length for all."""
    values = pixels.astype("<i2").view("<u2").astype(int)
    predicted = np.empty_like(values)
    predicted[:, 1:] = values[:, :-1]
    predicted[1:, 0] = values[:-1, 0]
    predicted[0, 0] = 2**15
    bits = []
    for difference in ((values - predicted + 2**15) % 2**16 - 2**15).ravel().tolist():
        size = abs(difference).bit_length()
        bits.append(f"{size:05b}")
        if 0 < size < 16:
            bits.append(f"{difference if difference > 0 else difference + 2**size - 1:0{size}b}")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    data = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")
    rows, columns = (n.to_bytes(2, "big") for n in pixels.shape)
    return b"".join(
        [
            b"\xff\xd8\xff\xc3\x00\x0b\x10" + rows + columns + b"\x01\x01\x11\x00",
            b"\xff\xc4\x00\x24\x00" + bytes([0, 0, 0, 0, 17] + [0] * 11) + bytes(range(17)),
            b"\xff\xda\x00\x08\x01\x01\x00\x01\x00\x00" + data + b"\xff\xd9",
        ]
    )


def compress(ds, syntax):
    if syntax == JPEGLosslessSV1:
        frame = jpeg_lossless(ds.pixel_array)
        ds.PixelData = encapsulate([frame])
        ds["PixelData"].VR = "OB"
        ds.file_meta.TransferSyntaxUID = syntax
    else:
        ds.compress(syntax, generate_instance_uid=False)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLosslessSV1])
@pytest.mark.parametrize("signed", [True, False])
def test_compressed_slices_are_decoded(tmp_path, syntax, signed):
    if syntax != RLELossless:
        pytest.importorskip("openjpeg" if syntax == JPEG2000Lossless else "libjpeg")
    write_series(tmp_path, signed=signed, change=lambda ds, k: compress(ds, syntax))
    assert_is_the_ramp(load_dicom(tmp_path, "exam"))


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLosslessSV1])
@pytest.mark.parametrize("pad", [b"\0", b"\xff", b" ", bytes(7)])
def test_padding_after_the_end_of_compressed_data_is_no_matter(tmp_path, syntax, pad):
    pytest.importorskip("openjpeg" if syntax == JPEG2000Lossless else "libjpeg")
    write_series(tmp_path, change=compressed(syntax, lambda frame: frame.rstrip(b"\0") + pad))
    assert_is_the_ramp(load_dicom(tmp_path, "exam"))


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_other_encodings_are_read(tmp_path, syntax):
    def change(ds, k):
        ds.PixelPaddingValue = -2000

    write_series(tmp_path, syntax=syntax, change=change)
    assert_is_the_ramp(load_dicom(tmp_path, "exam"))


def group(**tags):
    item = Dataset()
    for keyword, value in tags.items():
        setattr(item, keyword, value)
    return Sequence([item])


def enhanced(steps, order, shared_geometry=True):
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
    ds = enhanced(CHANGING, order, shared)
    if syntax:
        ds.compress(syntax, generate_instance_uid=False)
    path = write(ds, tmp_path / "one.dcm")
    for cell in (path, tmp_path, [path]):
        scan = load_dicom(cell, "exam")
        assert scan.depths is not None
        assert_is_the_ramp(scan)


def test_what_is_no_slice_is_left_out(tmp_path):
    write_series(tmp_path / "a")
    rng = np.random.default_rng(0)

    def other(name, position=(0, 0, 0), orientation=AXIAL, **tags):
        ds = make_slice(position, orientation, series=tags.pop("series", "1.2.3"))
        for keyword, value in tags.items():
            setattr(ds, keyword, value)
        write(ds, tmp_path / "b" / name)

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
    write(directory, tmp_path / "DICOMDIR")
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
    write(ds, tmp_path / "other")
    with pytest.raises(ScanError, match=r"^exam: .* and .*: two different slices at one place"):
        load_dicom(tmp_path, "exam")


@pytest.mark.parametrize(
    "steps",
    [(5, 5, 10, 5, 5), (5, 5, 5, 15, 15, 5, 5), (40, 5, 5, 5), (5, 5, 5, 9.1), (20, 20, 20)],
    ids=str,
)
def test_missing_slices_are_not_interpolated(tmp_path, steps):
    write_series(tmp_path, steps)
    with pytest.raises(ScanError, match=r"slices are missing between positions -?\d+\.\d\d and -?"):
        load_dicom(tmp_path, "exam")


@pytest.mark.parametrize(
    "steps",
    [
        (4.22, 4.22, 4.22, 1.14, 7.38, 7.38, 7.38),
        (3, 3, 3, 10, 10, 10),
        (1, 5, 1, 5, 1, 5),
        (10, 10),
        (5,),
    ],
    ids=str,
)
def test_steps_may_change_within_a_series(tmp_path, steps):
    write_series(tmp_path, steps)
    assert_is_the_ramp(load_dicom(tmp_path, "exam"))


def setter(**tags):
    def change(ds, k):
        if k == 3:
            for keyword, value in tags.items():
                setattr(ds, keyword, value)

    return change


def without(keyword):
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


def compressed(syntax, alter):
    def change(ds, k):
        compress(ds, syntax)
        if k == 3:
            frame = pydicom.encaps.get_frame(ds.PixelData, 0, number_of_frames=1)
            ds.PixelData = encapsulate([alter(frame)])

    return change


def taller(frame):
    at = frame.index(b"\xff\xc3") + 5
    return frame[:at] + b"\xff\xff" + frame[at + 2 :]


def wider(frame):
    return frame[:8] + b"\x00\x00\xff\xff" + frame[12:]


BAD = {
    "no position": (without("ImagePositionPatient"), "ImagePositionPatient is missing"),
    "no orientation": (without("ImageOrientationPatient"), "ImageOrientationPatient is missing"),
    "no spacing": (without("PixelSpacing"), "PixelSpacing is missing"),
    "no slope": (without("RescaleSlope"), "RescaleSlope is missing"),
    "no intercept": (without("RescaleIntercept"), "RescaleIntercept is missing"),
    "no rows": (without("Rows"), "Rows is missing"),
    "no series": (without("SeriesInstanceUID"), "SeriesInstanceUID is missing"),
    "no photometric": (without("PhotometricInterpretation"), "no PhotometricInterpretation"),
    "no bits": (without("BitsStored"), "cannot be read"),
    "no pixels": (no_pixels, "has no pixel data, or was cut off"),
    "spacing 0": (setter(PixelSpacing=[0, 0.75]), "PixelSpacing is .* not within"),
    "spacing negative": (setter(PixelSpacing=[0.9, -0.75]), "PixelSpacing is .* not within"),
    "spacing 1e9": (setter(PixelSpacing=[1e9, 0.75]), "PixelSpacing is .* not within"),
    "spacing NaN": (raw_text("PixelSpacing", "nan\\nan"), "PixelSpacing is .* not within"),
    "spacing text": (raw_text("PixelSpacing", "wide"), "PixelSpacing is wide, no number"),
    "one spacing": (setter(PixelSpacing=0.9), "PixelSpacing is 0.9, not 2 numbers"),
    "another spacing": (setter(PixelSpacing=[0.9, 0.8]), "mixed pixel spacings"),
    "orientation not unit": (
        setter(ImageOrientationPatient=[0.5, 0, 0, 0, 1, 0]),
        "mixed orientations",
    ),
    "position infinite": (raw_text("ImagePositionPatient", "0\\0\\inf"), "not within"),
    "position 1e9": (setter(ImagePositionPatient=[0, 0, 1e9]), "not within"),
    "position beside": (beside, "beside the line of the other slices"),
    "slope 0": (setter(RescaleSlope=0), "RescaleSlope is 0.0, not within"),
    "another unit": (setter(RescaleType="Z_EFF"), "RescaleType is Z_EFF, not HU"),
    "inverted": (setter(PhotometricInterpretation="MONOCHROME1"), "holds MONOCHROME1"),
    "colour": (setter(PhotometricInterpretation="RGB", SamplesPerPixel=3), "holds RGB"),
    "palette": (setter(PhotometricInterpretation="PALETTE COLOR"), "holds PALETTE COLOR"),
    "another matrix": (smaller, "mixed matrix sizes .*38, 36.* and .*40, 36"),
    "another orientation": (
        setter(ImageOrientationPatient=list(cosines(4))),
        "mixed orientations",
    ),
    "another frame of reference": (setter(FrameOfReferenceUID="1.2.10"), "mixed frames of ref"),
    "frames without places": (setter(NumberOfFrames=3), "3 frames, but positions for 1"),
    "cut off": (short, "cannot be read"),
    "bits of 12 in 8": (setter(BitsAllocated=8, BitsStored=12), "and BitsAllocated .8., so that"),
    "rows 0": (setter(Rows=0), "Rows is 0, not within"),
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


def test_orientations_that_are_no_directions_are_refused(tmp_path):
    for k, orientation in enumerate([(0.5, 0, 0, 0, 1, 0), (1, 0, 0, 0.6, 0.8, 0), (0,) * 6]):
        write_series(tmp_path / str(k), orientation=orientation, steps=(0,) * 3)
        with pytest.raises(ScanError, match="is not two unit vectors at right angles"):
            load_dicom(tmp_path / str(k), "exam")


def test_a_single_slice_is_refused(tmp_path):
    path = write_series(tmp_path)[0]
    with pytest.raises(ScanError, match=r"is a single slice; give the folder that it lies in"):
        load_dicom(path, path.name)


def test_slices_that_slide_more_than_they_rise_are_refused(tmp_path):
    write_series(tmp_path, slide=(0, 1.5, 0))
    with pytest.raises(ScanError, match=r"slide sideways, by an angle of 56 degrees"):
        load_dicom(tmp_path, "exam")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "gone", "gone: cannot be opened .No such file"),
        (lambda folder: folder, "is a folder without files"),
        (lambda folder: [], "an empty list of files"),
        (lambda folder: [folder], "is a folder; give files"),
        (lambda folder: [3.5], "3.5 is not a path"),
        (lambda folder: None, "None is not a path"),
        (lambda folder: "a\0b", "cannot be opened"),
    ],
    ids=["gone", "empty folder", "empty list", "folder in a list", "number", "None", "NUL"],
)
def test_what_holds_no_files_is_refused(tmp_path, make, message):
    for function in (load_dicom, dicom_key):
        with pytest.raises(ScanError, match=f"^exam: .*{message}"):
            function(make(tmp_path), "exam")


def test_files_that_are_no_slices_are_refused(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"text" * 100)
    with pytest.raises(ScanError, match=r"^a\.dcm: is not a DICOM file"):
        load_dicom(tmp_path / "a.dcm", "a.dcm")
    with pytest.raises(ScanError, match=r"holds no CT slices \(1 no DICOM images\)"):
        load_dicom(tmp_path, "exam")
    write(make_slice(START), tmp_path / "b.dcm")
    with pytest.raises(ScanError, match=r"a\.dcm: is not a DICOM file .DICM is not at byte 128"):
        load_dicom([tmp_path / "b.dcm", tmp_path / "a.dcm"], "exam")


def test_deflated_files_are_refused_unopened(tmp_path):
    write_series(tmp_path, syntax="1.2.840.10008.1.2.1.99")
    with pytest.raises(ScanError, match=r"deflated .* is not read; decompress it first"):
        load_dicom(tmp_path, "exam")


def test_folders_are_searched_within_bounds(tmp_path, monkeypatch):
    write_series(tmp_path / "a" / "b")
    os.symlink(tmp_path, tmp_path / "a" / "loop")
    os.mkfifo(tmp_path / "a" / "pipe")
    os.symlink(tmp_path / "gone", tmp_path / "a" / "nowhere")
    assert_is_the_ramp(load_dicom(tmp_path, "exam"))
    monkeypatch.setattr("skedema.scans.dicom._files.MAX_DEPTH", 1)
    with pytest.raises(ScanError, match=r"^exam: has folders 1 deep; give the folder of one exam"):
        load_dicom(tmp_path, "exam")
    monkeypatch.setattr("skedema.scans.dicom._files.MAX_FILES", 3)
    with pytest.raises(ScanError, match="more than 3 files"):
        load_dicom(tmp_path / "a" / "b", "exam")
    with pytest.raises(ScanError, match=r"has \d+ bytes, more than 100;"):
        load_dicom(sorted((tmp_path / "a" / "b").iterdir())[:2], "exam", 100)


def zipped(path, files, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for one in files:
            archive.write(one, one.name)
    return path


def test_a_zip_that_unpacks_to_too_much_is_refused(tmp_path):
    paths = write_series(tmp_path / "a")
    bomb = zipped(tmp_path / "bomb.zip", paths)
    with pytest.raises(ScanError, match=r"^exam: unpacks to \d+ bytes, more than 2000"):
        load_dicom(bomb, "exam", 2000)


def test_broken_zips_are_refused(tmp_path):
    paths = write_series(tmp_path / "a")
    whole = zipped(tmp_path / "whole.zip", paths, zipfile.ZIP_STORED).read_bytes()
    cut = tmp_path / "cut.zip"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ScanError, match=r"^exam: cannot be read \(BadZipFile"):
        load_dicom(cut, "exam")
    pixels = whole.index(b"\xe0\x7f\x10\x00") + 40
    flipped = tmp_path / "flipped.zip"
    flipped.write_bytes(whole[:pixels] + bytes([whole[pixels] ^ 1]) + whole[pixels + 1 :])
    with pytest.raises(ScanError, match="Bad CRC-32"):
        load_dicom(flipped, "exam")
    locked = tmp_path / "locked.zip"
    central = whole.index(b"PK\x01\x02") + 8
    locked.write_bytes(whole[:central] + b"\x01" + whole[central + 1 :])
    with pytest.raises(ScanError, match="is encrypted; unpack it"):
        load_dicom(locked, "exam")


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


def test_the_key_changes_with_the_files(tmp_path):
    paths = write_series(tmp_path / "a")
    archive = zipped(tmp_path / "a.zip", paths)
    cells = [tmp_path / "a", archive, paths, paths[0]]
    keys = [dicom_key(cell, "exam") for cell in cells]
    assert [dicom_key(cell, "exam") for cell in cells] == keys
    assert len({*map(hash, keys)}) == 4
    status = os.stat(paths[0])
    os.utime(paths[0], ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    os.utime(archive, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert not set(keys) & {dicom_key(cell, "exam") for cell in cells}
    before = dicom_key(tmp_path / "a", "exam")
    paths[0].write_bytes(paths[0].read_bytes() + b"\0")
    os.utime(paths[0], ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert dicom_key(tmp_path / "a", "exam") != before
    assert dicom_key(str(tmp_path / "a"), "exam") == dicom_key(tmp_path / "a", "exam")


def test_the_missing_extra_is_named(tmp_path, monkeypatch):
    write_series(tmp_path)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ScanError, match="needs pydicom: pip install pydicom pylibjpeg"):
        load_dicom(tmp_path, "exam")


def test_a_missing_decoder_is_named(tmp_path, monkeypatch):
    write_series(tmp_path, change=lambda ds, k: compress(ds, JPEGLosslessSV1))
    from pydicom.pixels.decoders.base import get_decoder

    monkeypatch.setattr(get_decoder(JPEGLosslessSV1), "_available", {})
    with pytest.raises(
        ScanError, match=r"needs a decoder .*: pip install pydicom .*pylibjpeg-libjpeg"
    ):
        load_dicom(tmp_path, "exam")


def test_filters_of_warnings_are_as_before(tmp_path):
    write_series(tmp_path)
    before = list(warnings.filters)
    load_dicom(tmp_path, "exam")
    with pytest.raises(ScanError):
        load_dicom(tmp_path / "gone", "exam")
    assert warnings.filters == before
