"""A series whose HU are another value at every place."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.encaps import encapsulate  # noqa: E402
from pydicom.uid import CTImageStorage, ExplicitVRBigEndian, ExplicitVRLittleEndian, JPEGLosslessSV1  # noqa: E402

AXIAL = (1, 0, 0, 0, 1, 0)


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


def write_slice(ds, path):
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
        paths.append(write_slice(ds, folder / name))
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


def compressed(syntax, alter):
    def change(ds, k):
        compress(ds, syntax)
        if k == 3:
            frame = pydicom.encaps.get_frame(ds.PixelData, 0, number_of_frames=1)
            ds.PixelData = encapsulate([alter(frame)])

    return change
