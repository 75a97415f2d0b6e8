from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from skedema.datasets._acquisition import SCANNERS, draw_acquisition, scan, scanner_grid
from skedema.datasets._confounders import draw_confounders
from skedema.datasets._edema import finding_from_severity
from skedema.datasets._grid import straight_grid
from skedema.datasets._lesions import place_lesion
from skedema.datasets._phantom import draw_head
from skedema.datasets._scan import Drawn, render, simulate_file, simulate_scan, write_nifti
from skedema.datasets._subject import PATTERNS, SITES, Subject
from skedema.scans import VolumeReader

SMALL, COARSE = (32, 32, 32), (6.5, 6.5, 6.5)
PATIENT = Subject("infarct", 1.0, 60.0, "male", "A")


def simulated(seed=4, shape=SMALL, spacing=COARSE, slices="grid", **changes):
    subject = PATIENT._replace(**changes)
    return simulate_scan(subject, np.random.SeedSequence(seed), shape, spacing, slices)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("slices", ["grid", "scanner"])
def test_one_seed_gives_one_scan(pattern, slices):
    first, again = (simulated(pattern=pattern, slices=slices) for _ in range(2))
    np.testing.assert_array_equal(first.voxels, again.voxels)
    assert first.finding == again.finding
    assert first.voxels.dtype == np.int16
    assert (simulated(5, pattern=pattern, slices=slices).voxels != first.voxels).mean() > 0.3


@pytest.mark.parametrize("pattern", PATTERNS[1:])
def test_the_severity_changes_the_edema_alone(pattern):
    for seed in (1, 2, 3):
        without, mild, severe = (
            simulated(seed, pattern=name, severity=u).voxels
            for name, u in (("none", 0.0), (pattern, -6.0), (pattern, 2.0))
        )
        assert 0.005 < (severe != mild).mean() < 0.35
        if pattern != "haemorrhage":
            assert (mild != without).mean() < 0.02
        difference = gaussian_filter(severe.astype(float) - mild, 1.5)
        assert difference.min() < -1
        # The point spread carries next to nothing into the skull.
        skull = without > 900
        np.testing.assert_allclose(severe[skull], mild[skull], atol=1)
        np.testing.assert_array_equal(severe[without < -500], mild[without < -500])


def test_other_patterns_have_the_same_head_scanner_and_noise():
    scans = [simulated(pattern=pattern, severity=0.0).voxels for pattern in PATTERNS]
    for other in scans[1:]:
        assert (other == scans[0]).mean() > 0.6


def test_the_truth_comes_with_the_scan(tmp_path):
    assert simulated().finding == finding_from_severity("infarct", 1.0)
    assert simulated(pattern="none").finding == finding_from_severity("none", 1.0)
    blood = {simulated(seed, pattern="haemorrhage").finding.blood for seed in range(3)}
    assert len(blood) == 3
    seed = np.random.SeedSequence(4)
    told = simulate_file(tmp_path / "a.nii.gz", PATIENT, seed, SMALL, COARSE, "grid")
    assert told == simulated().finding


def test_a_site_s_scans_look_like_its_scanner_s():
    for site in SITES:
        seen = simulated(site=site, severity=0.0).voxels
        assert set(seen[0, 0]) == {SCANNERS[site].padding}
    medians = []
    for site in SITES:
        tissue = [simulated(seed, site=site, severity=0.0).voxels for seed in range(8)]
        medians.append(np.mean([np.median(v[(v > 15) & (v < 60)]) for v in tissue]))
    assert medians[1] - medians[2] == pytest.approx(6, abs=1.5)


@pytest.mark.parametrize(("shape", "spacing"), [((1, 1, 1), (3, 3, 3)), ((9, 40, 3), (20, 4, 50))])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_any_grid_will_do(pattern, shape, spacing):
    for slices in ("grid", "scanner"):
        seen = simulated(0, shape, spacing, slices, pattern=pattern).voxels
        assert seen.shape[:2] == shape[:2]
        assert seen.min() >= -1024
    assert simulated(0, shape, spacing, pattern=pattern).voxels.shape == shape


def a_head(tilt, turn=None, site="C"):
    """Draw a head and a silent scanner that looks at it."""
    acquisition = draw_acquisition(site, np.random.default_rng(1))
    return Drawn(
        head=draw_head(70, "male", np.random.default_rng(0)),
        lesion=place_lesion("infarct", 1.5, np.random.default_rng(2)),
        confounders=draw_confounders(70, np.random.default_rng(3)),
        acquisition=acquisition._replace(
            motion=None,
            tilt=tilt,
            noise=0.01,
            offset=0.0,
            turn=acquisition.turn if turn is None else turn @ acquisition.turn,
        ),
    )


def stored(path, drawn, grid):
    voxels = scan(render(drawn, grid), drawn.acquisition, grid, np.random.default_rng(0))
    write_nifti(path, voxels, grid.affine)
    return path


@pytest.mark.parametrize("tilt", [0.0, 16.0])
@pytest.mark.parametrize("site", ["A", "C"])
def test_the_reader_finds_the_same_head_on_the_grid_and_in_scanner_slices(tmp_path, site, tilt):
    drawn = a_head(tilt, site=site)
    shape, spacing = (64, 64, 64), (3.25, 3.25, 3.25)
    grids = straight_grid(shape, spacing), scanner_grid(drawn.acquisition, shape, spacing)
    paths = [stored(tmp_path / f"{i}.nii.gz", drawn, grid) for i, grid in enumerate(grids)]
    reader = VolumeReader(spacing=5.0, shape=40, windows=(100, 40))
    straight, sliced = reader.transform([str(path) for path in paths])[:, 0]
    brain = straight[12:28, 10:30, 18:31] * 100, sliced[12:28, 10:30, 18:31] * 100
    assert np.abs(brain[0] - brain[1]).mean() < 2
    assert np.corrcoef(straight.ravel(), sliced.ravel())[0, 1] > 0.97
    if tilt:
        voxels = scan(
            render(drawn, grids[1]), drawn.acquisition, grids[1], np.random.default_rng(0)
        )
        write_nifti(
            paths[1],
            voxels,
            scanner_grid(a_head(0.0, site=site).acquisition, shape, spacing).affine,
        )
        untilted = reader.transform([str(paths[1])])[0, 0]
        assert np.corrcoef(straight.ravel(), untilted.ravel())[0, 1] < 0.95


def test_on_the_grid_a_tilted_gantry_changes_nothing(monkeypatch):
    scans = []
    for tilted in (0.0, 1.0):
        monkeypatch.setitem(SCANNERS, "A", SCANNERS["A"]._replace(tilted=tilted))
        scans.append(simulated(0, SMALL, COARSE, "grid"))
    assert (scans[0].voxels == scans[1].voxels).all()
    np.testing.assert_array_equal(scans[0].affine, scans[1].affine)


def test_files_of_tilted_scans_hold_the_shear_in_the_sform_alone(tmp_path):
    import nibabel as nib

    drawn = a_head(12.0)
    grid = scanner_grid(drawn.acquisition, SMALL, COARSE)
    image = nib.load(stored(tmp_path / "tilted.nii.gz", drawn, grid))
    np.testing.assert_allclose(image.affine, grid.affine, atol=1e-4)
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (1, 0)
    np.testing.assert_allclose(image.header.get_zooms(), grid.spacing, rtol=1e-5)
    straight = straight_grid(SMALL, COARSE)
    image = nib.load(stored(tmp_path / "straight.nii.gz", drawn, straight))
    np.testing.assert_allclose(image.get_qform(), straight.affine, atol=1e-4)
    assert int(image.header["qform_code"]) == 1


@pytest.mark.parametrize("slices", ["grid", "scanner"])
def test_one_seed_gives_one_file_to_the_byte(tmp_path, slices):
    for name in ("a", "b"):
        simulate_file(
            tmp_path / name, PATIENT, np.random.SeedSequence(0), (20, 20, 20), (10, 10, 10), slices
        )
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
