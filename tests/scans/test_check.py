from __future__ import annotations

import gzip
import hashlib
import os
import warnings

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from skedema.datasets import make_head_ct_cohort
from skedema.scans._check import _checksum, _geometry, check
from skedema.scans._findings import degrees, odd_geometry
from skedema.scans.scan import Scan

SHAPE, SPACING = (110, 120, 34), (1.9, 1.9, 5.0)


def head(seed=0, shape=SHAPE):
    """Voxels and an affine (RAS) with nothing odd about them."""
    rng = np.random.default_rng(seed)
    voxels = rng.normal(35, 5, shape).astype(np.int16)
    voxels[:20], voxels[20:25] = -1000, 900
    affine = np.diag([*SPACING, 1.0])
    affine[:3, 3] = (-104, -114, -82)
    return voxels, affine


def findings(voxels, affine=None):
    """All findings of one scan as one text."""
    affine = head()[1] if affine is None else affine
    return " | ".join(check([nib.Nifti1Image(voxels, affine)])["findings"][0])


def test_a_sound_scan_has_no_findings(write_scan):
    path = write_scan(*head())
    (row,) = check([path]).to_dict("records")
    assert row.pop("checksum") == hashlib.sha256(path.read_bytes()).hexdigest()
    assert row == {
        "scan": str(path),
        "readable": True,
        "shape": SHAPE,
        "spacing": SPACING,
        "orientation": "RAS",
        "tilt": 0.0,
        "low": float(head()[0].min()),
        "high": 900.0,
        "findings": [],
    }


def test_the_index_of_a_series_or_table_is_kept(write_scan):
    path = str(write_scan(*head()))
    series = pd.Series([path, None], index=["a", "b"])
    for scans in (series, series.to_frame("scan")):
        assert check(scans).index.tolist() == ["a", "b"]
    assert check([path]).index.tolist() == [0]
    assert len(check([])) == 0


def test_what_cannot_be_read_is_a_finding_and_never_an_error(tmp_path, write_scan):
    whole = write_scan(*head())
    cut = tmp_path / "cut.nii.gz"
    cut.write_bytes(whole.read_bytes()[:4000])
    text = tmp_path / "text.nii"
    text.write_text("no scan")
    pickled = tmp_path / "pickled.npy"
    np.save(pickled, np.array([{}], dtype=object), allow_pickle=True)
    bad = [cut, text, pickled, tmp_path / "none.nii", 3.5, None, float("nan"), pd.NA, "", "a\0.nii"]
    bad += [np.zeros((3, 3)), np.full((3, 3, 3), np.nan), {"a": 1}, tmp_path / "x.dcm"]
    table = check([*bad, whole])
    assert table["readable"].tolist() == [False] * len(bad) + [True]
    assert all(table["findings"][:-1].map(len))
    assert table["shape"][:-1].isna().all()
    assert "missing" in table["findings"][5][0]
    assert table["scan"][5] == "missing"
    assert "no such file" in table["findings"][3][0]
    assert str(cut) not in table["findings"][0][0]  # the row names it


def test_an_unforeseen_error_ends_no_check(monkeypatch, write_scan):
    def fails(cell, **how):
        raise MemoryError("too large")

    path = write_scan(*head())
    monkeypatch.setitem(check.__globals__, "load_scan", fails)
    assert check([path])["findings"][0] == ["cannot be read (MemoryError: too large)"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda v: np.full_like(v, -1000), "constant image: every voxel is -1000 HU"),
        (lambda v: v.clip(-20, 100), "highest value 100 HU: bone and air are clipped"),
        (lambda v: v + 1024, "lowest value .* HU: no air; was the rescale intercept"),
        (lambda v: np.where(v > 800, 20_000, v), "highest value 20000 HU: not even metal"),
        (lambda v: v[:, :, :6], "few slices: 110 x 120 x 6 voxels"),
        (lambda v: v[:, :50], "field of view 209 x 95 x 170 mm"),
    ],
)
def test_voxels_that_are_odd_are_found(change, text):
    voxels = change(head()[0]).astype(np.int16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = findings(voxels)
    assert pd.Series([found]).str.contains(text).all(), found


@pytest.mark.parametrize(
    ("spacing", "text"),
    [
        ((4.0, 1.9, 5.0), "field of view 440 x 228 x 170 mm"),
        ((2.5, 2.0, 5.0), "wide pixels: 2.5 x 2 mm"),
        ((1.9, 1.9, 11.0), "thick slices: 11 mm"),
        ((0.19, 0.19, 0.5), "field of view 21 x 23 x 17 mm"),
    ],
)
def test_sizes_that_are_odd_are_found(spacing, text):
    # 11 mm slices of 34 are 374 mm, too; each text is one of the findings
    assert text in findings(head()[0], np.diag([*spacing, 1.0]))


def test_orientation_oblique_axes_and_tilt_are_told():
    voxels, affine = head()
    flipped = affine @ np.diag([-1, -1, 1, 1])
    assert check([nib.Nifti1Image(voxels, flipped)])["orientation"][0] == "LPS"
    turn = np.eye(4)
    angle = np.radians(12)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    assert "oblique by 12.0 degrees" in findings(voxels, turn @ affine)
    sheared = affine.copy()
    sheared[1, 2] = 5 * np.tan(np.radians(3))
    table = check([nib.Nifti1Image(voxels, sheared)])
    assert table["tilt"][0] == pytest.approx(3)
    assert table["findings"][0] == ["tilted gantry: the slices lean by 3.0 degrees"]
    assert degrees(np.array([1.0, 0, 0]), np.array([-1.0, 1.0, 0])) == pytest.approx(45)


def test_uneven_slices_are_told_with_their_distances():
    voxels, affine = head()
    depths = np.arange(34.0)
    depths[20:] += 0.6
    scan = Scan(voxels, affine, depths)
    row = _geometry(scan)
    assert row["spacing"] == SPACING
    assert odd_geometry(scan, row) == ["uneven slices: 5.00 to 8.00 mm apart"]
    assert odd_geometry(scan._replace(depths=np.arange(34.0)), row) == []


def test_arrays_have_no_left_and_right():
    table = check([head()[0]])
    assert table["findings"][0] == [
        "no geometry: left and right cannot be told, and sizes in mm are not known"
    ]
    assert table["checksum"].isna().all()
    assert table["spacing"].isna().all()


def test_warnings_while_reading_become_findings_of_their_scan(tmp_path, write_scan):
    image = nib.Nifti1Image(*head(1))
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    path = tmp_path / "codes.nii"
    nib.save(image, path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = check([write_scan(*head()), path])
    assert table["readable"].all()
    assert table["findings"][0] == []
    assert "form" in " ".join(table["findings"][1])


def test_duplicates_are_found_by_file_and_by_voxels(tmp_path, write_scan):
    first = write_scan(*head(), name="first.nii.gz")
    copy = tmp_path / "copy.nii.gz"
    copy.write_bytes(first.read_bytes())
    plain = write_scan(*head(), name="plain.nii")
    other = write_scan(*head(1), name="other.nii")
    table = check(pd.Series([first, copy, plain, other], index=list("abcd")))
    of_first = " ".join(table["findings"]["a"])
    assert f"duplicate: the same file content as {copy} (row 'b')" in of_first
    assert f"duplicate: the same voxels as {copy} (row 'b'), {plain} (row 'c')" in of_first
    assert table["findings"]["c"] == [
        f"duplicate: the same voxels as {first} (row 'a'), {copy} (row 'b')"
    ]
    assert table["findings"]["d"] == []
    (twice, _) = check([first, first])["findings"]
    assert twice == [f"duplicate: the same file content as {first} (row 1)"]  # said once


def test_a_checksum_that_differs_is_a_finding(write_scan):
    path = write_scan(*head())
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    assert check([path], checksum=[right.upper()])["findings"][0] == []
    assert check([path], checksum=[None])["findings"][0] == []
    assert check([path], checksum=check([path])["checksum"])["findings"][0] == []
    (found,) = check([path], checksum=["0" * 64])["findings"][0]
    assert found.startswith(f"checksum is {right}, expected was 000")
    table = check([head()[0], None], checksum=[right, right])
    assert "no single file" in table["findings"][0][-1]
    assert len(table["findings"][1]) == 1


def test_checksums_that_do_not_fit_the_scans_are_refused():
    scans = pd.Series([None, None], index=["a", "b"])
    with pytest.raises(ValueError, match="1 entries for 2 scans"):
        check(scans, checksum=[None])
    with pytest.raises(ValueError, match="row 'b': 'abc' is no SHA-256"):
        check(scans, checksum=[None, "abc"])
    with pytest.raises(ValueError, match="index is not that of the scans"):
        check(scans, checksum=pd.Series([None, None]))
    with pytest.raises(ValueError, match="one text"):
        check(scans, checksum="a" * 64)
    with pytest.raises(TypeError, match="one scan in place of a sequence"):
        check("scan.nii")


def test_a_scan_unlike_nearly_all_others_is_found():
    small = [np.pad(head(k)[0][::4, ::4, :10], 1) for k in range(11)]
    affine = np.diag([7.6, 7.6, 12.0, 1.0])
    images = [nib.Nifti1Image(voxels, affine) for voxels in small[:-1]]
    images += [nib.Nifti1Image(small[-1][1:, :, :-2], np.diag([7.6, 7.6, 10.0, 1.0]))]
    table = check(images)
    unlike = [[text for text in row if "unlike" in text] for row in table["findings"]]
    assert unlike[:-1] == [[]] * 10
    shape, spacing = unlike[-1]
    assert shape == (
        "unlike the cohort: shape 29 x 32 x 10, where 100% of the others have about 12 along axis 2"
    )
    assert "voxels in mm 7.6 x 7.6 x 10, where 100% of the others have about 12" in spacing
    assert not any("unlike" in text for row in check(images[-9:])["findings"] for text in row)


def test_processes_give_the_same_table(tmp_path, write_scan):
    scans = [write_scan(*head(k, (30, 30, 10)), name=f"{k}.nii.gz") for k in range(3)]
    scans += [None, np.ones((4, 4, 4)), tmp_path / "none.nii"]
    pd.testing.assert_frame_equal(check(scans, n_jobs=2), check(scans))


def test_progress_is_shown_when_asked_for(capsys):
    check([None])
    assert capsys.readouterr().err == ""
    check([None], verbose=1)
    assert "checking scans: 100%" in capsys.readouterr().err


def test_a_simulated_cohort_is_sound_but_for_its_wide_voxels(tmp_path):
    frame = make_head_ct_cohort(3, tmp_path, random_state=0).frame
    for found in check(frame["scan"])["findings"]:
        assert found == ["wide pixels: 3.25 x 3.25 mm"]


def test_real_exams(real_data):
    scans = sorted((real_data / "ct_ich" / "scans").glob("*.nii.gz"))[:3]
    table = check([*scans, real_data / "ge_tilt_dcm2niix.nii.gz"])
    assert table["readable"].all()
    for found in table["findings"][:3]:
        assert "highest value 100 HU: bone and air are clipped" in found[0]
    assert "oblique by 18.5 degrees" in " ".join(table["findings"][3])


def test_nothing_but_plain_files_is_hashed(tmp_path):
    pipe = tmp_path / "pipe.nii"
    os.mkfifo(pipe)
    # Reading it would wait for ever; that the reader refuses it is tested with the reader.
    assert _checksum(pipe) is None
    folder = tmp_path / "series"
    folder.mkdir()
    (folder / "one.gz").write_bytes(gzip.compress(b"x"))
    assert check([folder])["checksum"].isna().all()
