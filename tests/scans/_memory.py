"""Scans of every format to measure, and what reading them takes."""

from __future__ import annotations

import gzip
import struct
import zipfile
import zlib

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("pydicom")
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, RLELossless

SIDE = 128


SHAPE = (SIDE, SIDE, SIDE)


RNG = np.random.default_rng(0)


def noise(dtype, shape=SHAPE):
    """Voxels that no compression makes smaller."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return RNG.normal(40, 20, shape).astype(dtype)
    bits = RNG.bytes(int(np.prod(shape)) * dtype.itemsize)
    return np.frombuffer(bits, dtype).reshape(shape, order="F")


def packed(data):
    return gzip.compress(data, 1)


CODES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768}
CODES |= {"i8": 1024, "u8": 1280}


def nii(dtype, shape=SHAPE, voxels=None, pair=False):
    """Give the bytes of a header, and of the voxels."""
    header = nib.nifti1.Nifti1PairHeader() if pair else nib.Nifti1Header()
    header["dim"] = [3, *shape, 1, 1, 1, 1]
    header["datatype"], header["bitpix"] = CODES[dtype], 8 * int(dtype[1])
    header["vox_offset"] = 0 if pair else 352
    header.set_sform(np.eye(4), 1)
    header.set_xyzt_units("mm")
    block = header.binaryblock
    voxels = noise(dtype, shape) if voxels is None else voxels
    data = np.asarray(voxels, f"<{dtype}").tobytes(order="F")
    return block + (b"" if pair else bytes(4)), data


def write_nii(folder, name, dtype, **fields):
    content = b"".join(nii(dtype, **fields))
    return put(folder / name, packed(content) if name.endswith(".gz") else content)


def write_pair(folder, name, dtype):
    content, data = nii(dtype, pair=True)
    put(folder / name.replace("img", "hdr"), packed(content) if name.endswith(".gz") else content)
    return put(folder / name, packed(data) if name.endswith(".gz") else data)


def write_mgz(folder, name, dtype):
    kind = {"u1": 0, "i4": 1, "f4": 3, "i2": 4, "u2": 10}[dtype]
    start = struct.pack(">7i", 1, *SHAPE, 1, kind, 0) + struct.pack(">h", 0)
    data = np.asarray(noise(dtype), f">{dtype}").tobytes(order="F")
    return put(folder / name, packed(start.ljust(284, b"\0") + data))


def write_meta(folder, name, dtype):
    kind = {"u1": "UCHAR", "i2": "SHORT", "f4": "FLOAT", "f8": "DOUBLE"}[dtype]
    data = noise(dtype).tobytes(order="F")
    zipped = "z" in name
    apart = name.endswith(".mhd")
    header = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nElementSpacing = 1 1 1\n"
        f"CompressedData = {zipped}\nDimSize = {SIDE} {SIDE} {SIDE}\n"
        f"ElementType = MET_{kind}\nElementDataFile = {'a.raw' if apart else 'LOCAL'}\n"
    ).encode()
    data = zlib.compress(data, 1) if zipped else data
    if apart:
        put(folder / "a.raw", data)
    return put(folder / name, header + (b"" if apart else data))


def write_nrrd(folder, name, dtype):
    kind = {"u1": "uint8", "i2": "int16", "f4": "float", "f8": "double"}[dtype]
    zipped = "z" in name
    header = (
        f"NRRD0004\ntype: {kind}\ndimension: 3\nsizes: {SIDE} {SIDE} {SIDE}\nspace: lps\n"
        "space directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\nendian: little\n"
        f"encoding: {'gzip' if zipped else 'raw'}\n\n"
    ).encode()
    data = noise(dtype).tobytes(order="F")
    return put(folder / name, header + (packed(data) if zipped else data))


def write_npy(folder, name, dtype):
    np.save(folder / name, noise(dtype))
    return folder / name


def ct_slice(k, pixels, syntax=None):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = f"1.2.3.{k + 1}"
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.Modality, ds.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SeriesInstanceUID, ds.FrameOfReferenceUID, ds.InstanceNumber = "1.2.3", "1.2.9", k + 1
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [0, 0, 2 * k], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.RescaleSlope, ds.RescaleIntercept = [0.5, 0.5], 1, 0
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.PixelData = pixels.astype("<i2").tobytes()
    if syntax:
        ds.compress(syntax, generate_instance_uid=False)
    return ds


def enhanced(slices):
    ds = slices[0]
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = EnhancedCTImageStorage
    frames = []
    for one in slices:
        frame, place, size, axes, hu = (Dataset() for _ in range(5))
        place.ImagePositionPatient = one.ImagePositionPatient
        size.PixelSpacing = one.PixelSpacing
        axes.ImageOrientationPatient = one.ImageOrientationPatient
        hu.RescaleSlope, hu.RescaleIntercept, hu.RescaleType = 1, 0, "HU"
        frame.PlanePositionSequence, frame.PixelMeasuresSequence = [place], [size]
        frame.PlaneOrientationSequence, frame.PixelValueTransformationSequence = [axes], [hu]
        frames.append(frame)
    ds.PerFrameFunctionalGroupsSequence, ds.NumberOfFrames = frames, len(frames)
    ds.PixelData = b"".join(one.PixelData for one in slices)
    return ds


def write_dicom(folder, name, syntax):
    """Slices of noise, in a folder, a zip or one file."""
    slices = [ct_slice(k, noise("i2", (512, 512)), syntax) for k in range(16)]
    if name.endswith(".dcm"):
        enhanced(slices).save_as(folder / name, enforce_file_format=True)
        return folder / name
    where = folder / name.removesuffix(".zip")
    where.mkdir()
    for k, one in enumerate(slices):
        one.save_as(where / f"{k}.dcm", enforce_file_format=True)
    return zipped(folder / name, where) if name.endswith(".zip") else where


def zipped(path, folder, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for one in sorted(folder.iterdir()):
            archive.write(one, one.name)
    return path


def put(path, content):
    path.write_bytes(content)
    return path


#: Name of the file, how it is written, type of the voxels or transfer syntax.
FORMATS = [
    *((f"{dtype}.nii{gz}", write_nii, dtype) for dtype in CODES for gz in ("", ".gz")),
    ("pair.img", write_pair, "f8"),
    ("pairgz.img.gz", write_pair, "u1"),
    *((f"{dtype}.mgz", write_mgz, dtype) for dtype in ("u1", "i2", "i4", "f4", "u2")),
    *((f"{dtype}.mha", write_meta, dtype) for dtype in ("u1", "i2", "f4", "f8")),
    *((f"{dtype}z.mha", write_meta, dtype) for dtype in ("u1", "i2", "f4", "f8")),
    ("f8.mhd", write_meta, "f8"),
    *((f"{dtype}.nrrd", write_nrrd, dtype) for dtype in ("u1", "i2", "f4", "f8")),
    *((f"{dtype}z.nrrd", write_nrrd, dtype) for dtype in ("u1", "i2", "f4", "f8")),
    *((f"{dtype}.npy", write_npy, dtype) for dtype in ("u1", "i2", "i8", "f2", "f4", "f8")),
    ("folder", write_dicom, None),
    ("rle", write_dicom, RLELossless),
    ("exam.zip", write_dicom, None),
    ("enhanced.dcm", write_dicom, None),
]


def rle(ds, data):
    ds.file_meta.TransferSyntaxUID = RLELossless
    ds.PixelData = encapsulate([data])
    ds["PixelData"].VR = "OB"
