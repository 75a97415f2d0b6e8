"""Exams that lie, lack slices or hold several passes."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest

from skedema.scans.dicom import load_dicom

pytest.importorskip("pydicom")
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian

ROWS, COLUMNS, STEP = 40, 36, 2.5


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


def read_in_silence(folder, series, **more):
    write(folder, series)
    return load_dicom(folder, "exam", **more)


def assert_same(scan, other):
    assert np.array_equal(scan.voxels, other.voxels)
    np.testing.assert_allclose(scan.affine, other.affine)
    assert (scan.depths is None) == (other.depths is None)


def passes(n=12, shift=0.0, **tags):
    """Two passes, the second with contrast agent, `shift` slices higher, with other tags."""
    first = exam(n)
    second = [
        one_slice(k, height=STEP * (k + shift), contrast=30, InstanceNumber=n + k + 1)
        for k in range(n)
    ]
    return first, set_all(second, **tags)


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
