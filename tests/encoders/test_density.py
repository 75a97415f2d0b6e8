from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from skedema import AttentionMixerClassifier
from skedema.datasets import make_head_ct_cohort
from skedema.encoders import Density, list_encoders, make_encoder
from skedema.scans import ScanError
from skedema.scans._remarks import gathered


def phantom(*, spacing=2.5, turn=0.0, left=35.0, right=35.0):
    """A cavity of brain in bone, its halves of one density each; RAS unless it is turned."""
    n = (int(150 / spacing), int(185 / spacing), int(120 / spacing))
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = -spacing * (np.array(n) - 1) / 2
    points = np.moveaxis(np.indices(n), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    x, y, z = np.moveaxis(points @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]), -1, 0)
    radius = np.sqrt((x / 60) ** 2 + (y / 78) ** 2 + (z / 52) ** 2)
    hu = np.where(radius < 1.13, 1000.0, -1000.0)
    inside = (radius < 1) & (z > -25)
    hu[inside] = np.where(x > 0, right, left)[inside]
    hu += np.random.default_rng(0).normal(0, 0.5, hu.shape)
    return nib.Nifti1Image(hu.astype(np.float32), affine), inside.sum() * spacing**3 / 1000


def table(scans, **parameters):
    return Density(**parameters).set_output(transform="pandas").fit_transform(scans)


def amounts(row, what="mean of both sides"):
    """Add up inner and outer parts, an entry a range."""
    ml = row[row.index.str.startswith("ml") & row.index.str.endswith(what)]
    return ml.groupby(ml.index.str.extract(r"tissue (.*?),", expand=False), sort=False).sum()


def test_ml_add_up_to_the_brain():
    scan, ml = phantom(left=35, right=35)
    found = amounts(table([scan]).iloc[0])
    assert 2 * found.sum() == pytest.approx(ml, rel=0.03)
    assert found["at 32 to 36 HU"] == pytest.approx(found.sum(), rel=0.05)


def test_a_dark_hemisphere_is_a_difference_of_the_sides():
    scan, ml = phantom(left=22, right=35)
    row = table([scan]).iloc[0]
    difference = amounts(row, "difference of the sides")
    for name in ("at 20 to 24 HU", "at 32 to 36 HU"):
        assert difference[name] == pytest.approx(ml / 2, rel=0.06)
    assert row["median HU, inner, difference of the sides"] == pytest.approx(13, abs=0.5)
    assert row["median HU, inner, mean of both sides"] == pytest.approx(28.5, abs=0.5)


def test_mirroring_changes_nothing():
    scan, _ = phantom(left=22, right=35)
    mirrored = nib.Nifti1Image(scan.get_fdata(dtype=np.float32)[::-1], scan.affine)
    one, other = Density().transform([scan, mirrored])
    np.testing.assert_allclose(one, other, atol=8)  # ml: a layer of voxels at the middle
    assert one.max() > 200


@pytest.mark.parametrize("change", [{"turn": 12.0}, {"spacing": 3.0}, {"spacing": 1.2}])
def test_turn_and_size_of_voxels_hardly_matter(change):
    one = amounts(table([phantom(left=22)[0]]).iloc[0], "difference of the sides")
    other = amounts(table([phantom(left=22, **change)[0]]).iloc[0], "difference of the sides")
    assert np.abs(one - other).max() < 0.1 * one.max()


def test_the_rim_is_what_lies_next_to_the_bone():
    scan, _ = phantom()
    shares = []
    for rim in (5, 10, 20):
        row = table([scan], rim=rim).iloc[0]
        mean = row[row.index.str.startswith("ml") & row.index.str.contains("mean")]
        shares.append(mean[mean.index.str.contains("next to the bone")].sum() / mean.sum())
    assert 0.1 < shares[0] < shares[1] < shares[2] < 0.9


def test_uneven_slices_count_for_what_they_stand_for():
    from skedema.encoders.density import densities
    from skedema.scans.scan import Scan

    scan, _ = phantom()
    hu = scan.get_fdata(dtype=np.float32)
    kept = np.r_[0:24, 24 : hu.shape[2] : 2]
    uneven = Scan(hu[:, :, kept], scan.affine, kept.astype(float))
    whole, _ = densities(Scan(hu, scan.affine), (20, 40), 10)
    part, _ = densities(uneven, (20, 40), 10)
    assert part[:8:2].sum() + part[8::2].sum() == pytest.approx(
        whole[:8:2].sum() + whole[8::2].sum(), rel=0.06
    )


def test_names_go_with_the_numbers_and_parameters():
    names = Density().get_feature_names_out()
    assert len(names) == len(set(names)) == 2 * 2 * (13 + 1)
    assert "ml of tissue at 20 to 24 HU, inner, difference of the sides" in names
    assert "ml of tissue of 60 HU and more, next to the bone, mean of both sides" in names
    assert len(Density(edges=[30]).get_feature_names_out()) == 2 * 2 * 3
    digests = {
        Density(**each).features_digest()
        for each in ({}, {"edges": (20, 30)}, {"rim": 5}, {"acquisition": 2})
    }
    assert len(digests) == 4
    assert Density(n_jobs=2, verbose=1).features_digest() == Density().features_digest()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"edges": 20}, "edges=20: give HU between the ranges"),
        ({"edges": ()}, r"edges=\(\): give HU between the ranges"),
        ({"edges": (30, 20)}, "rising order"),
        ({"edges": (20, np.inf)}, "rising order"),
        ({"rim": 0}, "rim=0: give mm above 0"),
        ({"rim": "wide"}, "rim='wide': give mm above 0"),
    ],
)
def test_parameters_that_make_no_sense_are_told(parameters, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Density(**parameters).fit(None)


def test_what_cannot_be_measured_is_told():
    with pytest.raises(ScanError, match=r"^row 1: array of shape \(9, 9, 9\): has no geometry"):
        Density().transform([phantom()[0], np.full((9, 9, 9), 35.0)])
    bare = nib.Nifti1Image(np.full((40, 40, 30), 35.0), np.diag([3.0, 3, 3, 1]))
    with pytest.warns(UserWarning, match=r"1 of 2 scans is read without a brain mask.*row 1"):
        found = Density().transform([phantom()[0], bare])
    assert np.isfinite(found).all()


def test_each_scan_is_measured_by_itself():
    scans = [phantom(left=left)[0] for left in (22, 35)]
    alone = np.vstack([Density().transform([scan]) for scan in scans])
    np.testing.assert_array_equal(Density().transform(scans), alone)


def test_processes_give_the_same(tmp_path):
    scans = make_head_ct_cohort(3, tmp_path, random_state=0).frame["scan"]
    with gathered() as told:
        one, two = (Density(n_jobs=n).transform(scans) for n in (None, 2))
    np.testing.assert_array_equal(one, two)
    assert told == []


def test_it_is_an_encoder_by_name(tmp_path):
    assert "density" in list_encoders()
    assert make_encoder("density").get_params() == Density().get_params()
    cohort = make_head_ct_cohort(12, tmp_path, random_state=0)
    X, y = cohort.frame[["scan", "age"]], cohort.target
    by_name, by_object = (
        AttentionMixerClassifier(image="scan", encoder=encoder, max_epochs=2, random_state=0)
        for encoder in ("density", clone(Density()))
    )
    p = by_name.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(p, by_object.fit(X, y).predict_proba(X))
    assert isinstance(by_name.encoder_, Density)
    assert len(by_name.image_features(X)) == 12


def test_set_output_names_the_columns():
    found = table([phantom()[0]])
    assert isinstance(found, pd.DataFrame)
    assert found.columns.tolist() == Density().get_feature_names_out().tolist()


def test_real_exams_are_measured(real_data):
    paths = sorted((real_data / "ct_ich" / "scans").glob("*.nii.gz"))[::16]
    found = table([str(path) for path in paths])
    ml = 2 * found.filter(like="ml of").filter(like="mean").sum(axis=1)
    assert ml.between(700, 2000).all()
    assert found["median HU, inner, mean of both sides"].between(20, 50).all()
