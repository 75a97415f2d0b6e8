from __future__ import annotations

import inspect
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch

from skedema.datasets import make_head_ct_cohort
from skedema.datasets._variables import TURNED

SMALL = {"shape": (24, 24, 24), "spacing": (8.5, 8.5, 8.5)}


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return make_head_ct_cohort(6, tmp_path_factory.mktemp("cohort"), random_state=3, **SMALL)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return make_head_ct_cohort(
        60,
        tmp_path_factory.mktemp("many"),
        random_state=0,
        shape=(12, 12, 12),
        spacing=(17, 17, 17),
    )


def test_the_bunch_holds_one_row_a_patient_everywhere(cohort):
    assert isinstance(cohort, Bunch)
    assert cohort.frame.shape == (6, 15)
    assert cohort.frame.columns[0] == "scan"
    assert "edema" not in cohort.frame
    assert cohort.target.name == "edema"
    assert set(cohort.target) <= {0, 1}
    assert list(cohort.oracle) == ["image", "clinical", "both"]
    for part in (cohort.target, cohort.oracle, cohort.findings):
        pd.testing.assert_index_equal(part.index, cohort.frame.index)
    assert list(cohort.frame.index[:2]) == ["patient-0001", "patient-0002"]


def test_findings_grow_with_the_severity_of_what_the_scan_shows(many):
    kinds = ["volume", "water_uptake", "effacement", "midline_shift", "blood", "contrast_loss"]
    assert list(many.findings) == ["pattern", "severity", *kinds]
    assert set(many.findings["pattern"]) == {"none", "infarct", "haemorrhage", "diffuse"}
    ordered = many.findings.sort_values("severity")
    growing = {
        "none": [],
        "infarct": ["volume", "water_uptake", "effacement", "midline_shift"],
        "haemorrhage": ["water_uptake"],  # the other sizes follow from the blood as well
        "diffuse": ["water_uptake", "effacement", "contrast_loss"],
    }
    for pattern, names in growing.items():
        rows = ordered[ordered["pattern"] == pattern]
        assert (rows[names].diff().iloc[1:] > 0).all(axis=None)
    assert (ordered.loc[ordered["pattern"] == "none", kinds] == 0).all(axis=None)
    assert ((ordered["blood"] > 0) == (ordered["pattern"] == "haemorrhage")).all()


def test_the_image_oracle_follows_pattern_and_severity(many):
    for pattern, rows in many.findings.groupby("pattern"):
        image = many.oracle["image"][rows.sort_values("severity").index]
        assert image.is_monotonic_increasing
        assert (image.nunique() == 1) == (pattern == "none")


def test_every_file_is_a_nifti_in_hu_with_the_grid_asked_for(tmp_path):
    cohort = make_head_ct_cohort(
        2, tmp_path, shape=(20, 24, 16), spacing=(10, 8.5, 12.5), random_state=0
    )
    for path in cohort.frame["scan"]:
        image = nib.load(path)
        assert image.shape == (20, 24, 16)
        assert image.get_data_dtype() == np.int16
        assert image.header.get_zooms() == (10, 8.5, 12.5)
        assert image.header.get_xyzt_units()[0] == "mm"
        assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
        np.testing.assert_allclose(image.affine @ [9.5, 11.5, 7.5, 1], [0, 0, 0, 1])
        np.testing.assert_array_equal(image.get_sform(), image.affine)
        np.testing.assert_allclose(image.get_qform(), image.affine, atol=1e-5)
        hu = np.asarray(image.dataobj)
        assert hu.min() >= -2000
        assert hu.max() <= 3071
        assert np.asarray(image.dataobj).dtype == np.int16


def test_the_same_seed_gives_equal_tables_and_bytes(cohort, tmp_path):
    again = make_head_ct_cohort(6, tmp_path, random_state=3, **SMALL)
    pd.testing.assert_frame_equal(
        again.frame.drop(columns="scan"), cohort.frame.drop(columns="scan")
    )
    pd.testing.assert_frame_equal(again.oracle, cohort.oracle)
    pd.testing.assert_series_equal(again.target, cohort.target)
    from_before = {Path(path).name: Path(path).read_bytes() for path in cohort.frame["scan"]}
    assert files(tmp_path) == from_before


def test_another_seed_gives_another_cohort(cohort, tmp_path):
    other = make_head_ct_cohort(6, tmp_path, random_state=4, **SMALL)
    assert not other.oracle.equals(cohort.oracle)
    first = cohort.frame["scan"].iloc[0]
    assert files(tmp_path)["patient-0001.nii.gz"] != Path(first).read_bytes()


def test_a_random_state_object_counts_as_its_seed_and_advances(cohort, tmp_path):
    state = np.random.RandomState(3)
    first = make_head_ct_cohort(6, tmp_path, random_state=state, **SMALL)
    second = make_head_ct_cohort(6, tmp_path, random_state=state, **SMALL)
    pd.testing.assert_frame_equal(first.oracle, cohort.oracle)
    assert not second.oracle.equals(first.oracle)


def test_the_global_generator_is_left_alone(tmp_path):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    make_head_ct_cohort(1, tmp_path, random_state=0, **SMALL)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_a_smaller_cohort_is_the_beginning_of_a_larger_one(cohort, tmp_path):
    fewer = make_head_ct_cohort(3, tmp_path, random_state=3, **SMALL)
    pd.testing.assert_frame_equal(fewer.oracle, cohort.oracle.iloc[:3])
    pd.testing.assert_frame_equal(
        fewer.frame.drop(columns="scan"), cohort.frame.iloc[:3].drop(columns="scan")
    )
    for ours, theirs in zip(fewer.frame["scan"], cohort.frame["scan"][:3], strict=True):
        assert Path(ours).read_bytes() == Path(theirs).read_bytes()


@pytest.mark.slow
def test_the_number_of_jobs_changes_nothing(cohort, tmp_path):
    parallel = make_head_ct_cohort(6, tmp_path, random_state=3, n_jobs=2, **SMALL)
    pd.testing.assert_frame_equal(parallel.oracle, cohort.oracle)
    for ours, theirs in zip(parallel.frame["scan"], cohort.frame["scan"], strict=True):
        assert Path(ours).read_bytes() == Path(theirs).read_bytes()


def test_the_folder_is_made_and_only_files_of_the_same_name_are_replaced(tmp_path):
    folder = tmp_path / "a" / "b"
    make_head_ct_cohort(1, folder, random_state=0, **SMALL)
    (folder / "notes.txt").write_text("kept")
    (folder / "patient-0001.nii.gz").write_bytes(b"stale")
    make_head_ct_cohort(1, folder, random_state=0, **SMALL)
    assert sorted(path.name for path in folder.iterdir()) == ["notes.txt", "patient-0001.nii.gz"]
    assert (folder / "notes.txt").read_text() == "kept"
    assert nib.load(folder / "patient-0001.nii.gz").shape == (24, 24, 24)


def test_scan_paths_are_text_under_the_directory_as_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cohort = make_head_ct_cohort(1, "scans", random_state=0, **SMALL)
    assert cohort.frame["scan"].tolist() == [str(Path("scans") / "patient-0001.nii.gz")]
    monkeypatch.setenv("HOME", str(tmp_path))
    cohort = make_head_ct_cohort(1, "~/scans", random_state=0, **SMALL)
    assert cohort.frame["scan"].tolist() == [str(tmp_path / "scans" / "patient-0001.nii.gz")]


def test_a_failed_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def no_room(_):
        raise OSError("no room")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(OSError, match="no room"):
        make_head_ct_cohort(1, tmp_path, random_state=0, **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_only_what_may_not_exist_is_missing_when_none_is_asked_for(tmp_path):
    cohort = make_head_ct_cohort(5, tmp_path, missing=0, random_state=0, **SMALL)
    may_not_exist = ["hours_since_onset", "nihss", "anti_xa"]
    assert not cohort.frame.drop(columns=may_not_exist).isna().any(axis=None)
    assert cohort.frame.loc[~cohort.frame["anticoagulated"], "anti_xa"].isna().all()


def test_the_scanner_decides_on_its_own_slices_when_asked_to(tmp_path):
    field = {"shape": (16, 16, 40), "spacing": (13, 13, 5)}
    on_grid = make_head_ct_cohort(6, tmp_path / "grid", random_state=0, **field)
    own = make_head_ct_cohort(6, tmp_path / "own", slices="scanner", random_state=0, **field)
    pd.testing.assert_frame_equal(own.oracle, on_grid.oracle)
    pd.testing.assert_frame_equal(own.findings, on_grid.findings)
    assert {nib.load(path).shape for path in on_grid.frame["scan"]} == {(16, 16, 40)}
    shapes = [nib.load(path).shape for path in own.frame["scan"]]
    assert {shape[:2] for shape in shapes} == {(16, 16)}
    assert len({shape[2] for shape in shapes}) > 1


def test_interaction_changes_four_variables_and_no_scan(cohort, tmp_path):
    turned = make_head_ct_cohort(6, tmp_path, interaction=1, random_state=3, **SMALL)
    assert files(tmp_path) == files(Path(cohort.frame["scan"].iloc[0]).parent)
    pd.testing.assert_series_equal(turned.target, cohort.target)
    pd.testing.assert_frame_equal(turned.findings, cohort.findings)
    pd.testing.assert_series_equal(turned.oracle["image"], cohort.oracle["image"])
    infarct = turned.findings["pattern"] == "infarct"
    assert infarct.any()
    changed = turned.frame.ne(cohort.frame) & turned.frame.notna()
    assert set(changed.columns[changed.any()]) - {"scan"} == set(TURNED)
    assert not changed.loc[~infarct, list(TURNED)].any(axis=None)
    assert turned.DESCR.startswith(cohort.DESCR)
    assert "times -1," in turned.DESCR


def test_the_description_names_every_column(cohort):
    for name in [*cohort.frame, *cohort.oracle]:
        assert name in cohort.DESCR


def test_options_are_keywords():
    kinds = [p.kind for p in inspect.signature(make_head_ct_cohort).parameters.values()]
    assert kinds[2:] == [inspect.Parameter.KEYWORD_ONLY] * 8


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"directory": None}, TypeError, "directory="),
        ({"directory": 3}, TypeError, "must be a path"),
        ({"n_samples": 0}, ValueError, "n_samples must be at least 1"),
        ({"n_samples": 2.0}, TypeError, "n_samples must be a whole number"),
        ({"n_samples": True}, TypeError, "n_samples must be a whole number"),
        ({"shape": (8, 8)}, ValueError, "shape must hold three"),
        ({"shape": 8}, TypeError, "shape must hold three"),
        ({"shape": "888"}, TypeError, "shape must hold three"),
        ({"shape": (8, 8, 0)}, ValueError, "shape must be at least 1"),
        ({"shape": (8, 8, 8.5)}, TypeError, "shape must be a whole number"),
        ({"spacing": (1, 1)}, ValueError, "spacing must hold three"),
        ({"spacing": (1, 1, 0)}, ValueError, "spacing must be positive"),
        ({"spacing": (1, 1, np.inf)}, ValueError, "spacing must be positive"),
        ({"spacing": (1, 1, "1")}, TypeError, "spacing must be a number"),
        ({"slices": "thin"}, ValueError, "slices must be 'grid' or 'scanner'"),
        ({"slices": None}, ValueError, "slices must be 'grid' or 'scanner'"),
        ({"missing": -0.1}, ValueError, "missing must lie between"),
        ({"missing": 1.0}, ValueError, "missing must lie between"),
        ({"missing": float("nan")}, ValueError, "missing must lie between"),
        ({"missing": "some"}, TypeError, "missing must be a number"),
        ({"interaction": -0.1}, ValueError, "interaction must lie between 0 and 1"),
        ({"interaction": 1.5}, ValueError, "interaction must lie between 0 and 1"),
        ({"interaction": True}, TypeError, "interaction must be a number"),
        ({"random_state": "seed"}, ValueError, "seed"),
    ],
)
def test_bad_arguments_are_named_before_anything_is_written(tmp_path, arguments, error, message):
    good = {"n_samples": 1, "directory": tmp_path / "new", "random_state": 0, **SMALL}
    with pytest.raises(error, match=message):
        make_head_ct_cohort(**{**good, **arguments})
    assert not (tmp_path / "new").exists()


def test_a_file_as_directory_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(NotADirectoryError, match="is a file"):
        make_head_ct_cohort(1, file, random_state=0, **SMALL)
