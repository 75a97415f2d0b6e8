from __future__ import annotations

import numpy as np
import pytest

from skedema.scans import ScanError
from skedema.scans.dicom._load import load_dicom

pytest.importorskip("pydicom")
from pydicom.uid import (
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    RLELossless,
)

from ._ramp import COLUMNS, assert_is_the_ramp, compress, compressed, set_pixels, write_series


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


def test_a_missing_decoder_is_named(tmp_path, monkeypatch):
    write_series(tmp_path, change=lambda ds, k: compress(ds, JPEGLosslessSV1))
    from pydicom.pixels.decoders.base import get_decoder

    monkeypatch.setattr(get_decoder(JPEGLosslessSV1), "_available", {})
    with pytest.raises(
        ScanError, match=r"needs a decoder .*: pip install pydicom .*pylibjpeg-libjpeg"
    ):
        load_dicom(tmp_path, "exam")
