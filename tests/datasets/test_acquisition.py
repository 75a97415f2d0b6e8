from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import uniform_filter1d

from skedema.datasets._acquisition import (
    SCANNERS,
    Motion,
    draw_acquisition,
    head_points,
    scan,
    scanner_grid,
)
from skedema.datasets._grid import straight_grid

GRID = straight_grid((40, 40, 40), (2.0, 2.0, 1.0))


def quiet(site="A", **changes):
    drawn = draw_acquisition(site, np.random.default_rng(0))
    plain = drawn._replace(motion=None, noise=0.0, offset=0.0, tilt=0.0)
    return plain._replace(**changes)


def sharp(acquisition, thickness=1.0):
    scanner = acquisition.scanner._replace(thickness=thickness, sharpness=0.1)
    return acquisition._replace(scanner=scanner)


def scanned(clean, acquisition, grid=GRID):
    stored = scan(clean.astype(np.float32), acquisition, grid, np.random.default_rng(0))
    assert stored.dtype == np.int16
    return stored.astype(float)


def inner(volume):
    """Voxels well inside the reconstruction circle."""
    return volume[10:30, 10:30]


def test_noise_and_offset_are_the_scan_s_own():
    flat = np.full(GRID.shape, 30.0)
    for site in SCANNERS:
        seen = inner(scanned(flat, quiet(site, noise=4.0, offset=3.0)))
        assert seen.mean() == pytest.approx(33, abs=0.15)
        assert seen.std() == pytest.approx(4, abs=0.15)


def test_noise_of_a_smooth_kernel_is_correlated_within_slices_only():
    def correlation(sharpness, axis):
        blurred = quiet(noise=5.0)
        blurred = blurred._replace(scanner=blurred.scanner._replace(sharpness=sharpness))
        seen = inner(scanned(np.full(GRID.shape, 30.0), blurred)) - 30
        return (seen * np.roll(seen, 1, axis)).mean() / seen.var()

    assert correlation(2.0, 0) > correlation(1.2, 0) > correlation(0.3, 0) - 0.05
    assert correlation(2.0, 0) > 0.5
    assert abs(correlation(2.0, 2)) < 0.05


@pytest.mark.parametrize("thickness", [1.0, 3.0, 5.0])
def test_thick_slices_are_means_over_their_box(thickness):
    volume = np.random.default_rng(0).normal(100, 300, GRID.shape)
    seen = scanned(volume, sharp(quiet(), thickness))
    expected = np.rint(uniform_filter1d(volume, int(thickness), axis=2, mode="nearest"))
    np.testing.assert_allclose(inner(seen), inner(np.clip(expected, -1024, 3071)), atol=1)


def test_a_slice_between_whole_voxels_keeps_the_sum():
    volume = np.zeros(GRID.shape)
    volume[20, 20, 20] = 1000
    seen = scanned(volume, sharp(quiet(), 2.5))[20, 20]
    assert seen[18:23].tolist() == [0, 300, 400, 300, 0]


def test_a_site_decides_padding_offset_noise_and_thickness():
    for site, scanner in SCANNERS.items():
        scans = [draw_acquisition(site, np.random.default_rng(seed)) for seed in range(300)]
        assert np.mean([each.offset for each in scans]) == pytest.approx(scanner.offset, abs=0.1)
        assert np.mean([each.noise for each in scans]) == pytest.approx(scanner.noise, rel=0.05)
        seen = scanned(np.full(GRID.shape, -1500.0), scans[0])
        assert set(seen[0, 0]) == {scanner.padding}
        assert scanner.padding == -1024 or scanner.padding not in seen[20, 20]
    assert len({scanner.padding for scanner in SCANNERS.values()}) == 3
    assert {scanner.thickness for scanner in SCANNERS.values()} == {1.25, 3.0, 5.0}


def test_a_minority_is_tilted_or_moves():
    scans = [draw_acquisition("A", np.random.default_rng(seed)) for seed in range(600)]
    assert np.mean([each.tilt > 0 for each in scans]) == pytest.approx(0.3, abs=0.06)
    assert max(each.tilt for each in scans) < 20
    assert np.mean([each.motion is not None for each in scans]) == pytest.approx(0.08, abs=0.03)


def test_motion_shows_a_second_edge_in_its_slices_alone():
    volume = np.zeros(GRID.shape)
    volume[:20] = 100
    moved = Motion(first=0.5, last=0.75, x=4.0, y=0.0, weight=0.25)
    seen = scanned(volume, sharp(quiet(motion=moved)))
    assert seen[18:24, 20, 25].tolist() == [100, 100, 25, 25, 0, 0]
    assert seen[18:24, 20, 10].tolist() == [100, 100, 0, 0, 0, 0]


def test_scanner_slices_cover_the_same_field():
    for site, scanner in SCANNERS.items():
        grid = scanner_grid(quiet(site), (64, 64, 64), (3.25, 3.25, 3.25))
        assert grid.shape[:2] == (64, 64)
        assert grid.spacing == pytest.approx((3.25, 3.25, scanner.thickness))
        assert grid.shape[2] * scanner.thickness == pytest.approx(208, abs=scanner.thickness / 2)
    tilted = scanner_grid(quiet(tilt=15.0), (64, 64, 64), (3.25, 3.25, 3.25))
    across = tilted.affine[:3, 1] @ tilted.affine[:3, 2] / 3.25 / 5
    assert across == pytest.approx(np.sin(np.radians(15)))


def test_a_head_lies_where_it_was_put():
    placed = quiet(turn=np.eye(3), move=np.float32([5, 0, 0]))
    points = head_points(placed, GRID)
    np.testing.assert_allclose(points, GRID.points() - np.float32([[5], [0], [15]]), atol=1e-5)
