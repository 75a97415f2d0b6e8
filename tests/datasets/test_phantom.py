from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, label

from skedema.datasets._edema import displacement, finding_from_severity, place_edema
from skedema.datasets._grid import cover, ellipsoid, grid_affine, grid_axes, sheet
from skedema.datasets._phantom import draw_head, render_anatomy, render_head
from skedema.datasets._scan import simulate_scan

SHAPE, SPACING = (48, 48, 48), (4.3, 4.3, 4.3)


def head_and_edema(severity=1.5, age=60, seed=0):
    head = draw_head(age, "male", np.random.default_rng(seed))
    straight = head._replace(turn=np.eye(3), shift=np.zeros(3, dtype=np.float32), lacunes=())
    return straight, place_edema(severity, np.random.default_rng(seed + 1))


def box(volume, x, y, z):
    """The voxels within bounds in mm around the middle of the cranial cavity."""
    bounds = zip((x, y, z), grid_axes(SHAPE, SPACING), (0, 0, 15), strict=True)
    keep = [
        (axis - middle >= low) & (axis - middle <= high) for (low, high), axis, middle in bounds
    ]
    return volume[np.ix_(*keep)], keep


def fluid_position(volume):
    """Mean x in mm of the fluid near the midline."""
    values, keep = box(volume, (-26, 26), (-20, 25), (5, 25))
    fluid = np.clip((26 - values) / 18, 0, 1)
    x = grid_axes(SHAPE, SPACING)[0][keep[0]][:, None, None]
    return float((fluid * x).sum() / fluid.sum())


def test_an_ellipsoid_of_equal_axes_is_a_sphere_in_mm():
    points = np.random.default_rng(0).normal(0, 20, (3, 100)).astype(np.float32)
    distance = ellipsoid(points, (1, 2, 3), (15, 15, 15))
    expected = np.linalg.norm(points - np.array([[1], [2], [3]]), axis=0) - 15
    np.testing.assert_allclose(distance, expected, atol=1e-4)


def test_partial_volume_counts_the_share_of_a_voxel():
    assert cover(np.float32([-5, -1, 0, 1, 5]), 4).tolist() == [1, 0.75, 0.5, 0.25, 0]
    assert sheet(np.float32([0, 2, 4]), 0.5, 4).tolist() == [0.25, 0.125, 0]
    assert sheet(np.float32([0]), 0.0, 4).tolist() == [0]
    assert sheet(np.float32([0]), 9.0, 4).tolist() == [1]


def test_the_affine_agrees_with_the_axes():
    affine = grid_affine((4, 5, 6), (1, 2, 3))
    axes = grid_axes((4, 5, 6), (1, 2, 3))
    np.testing.assert_allclose(
        (affine @ [3, 1, 5, 1])[:3], [axes[0][3], axes[1][1], axes[2][5]], atol=1e-6
    )


def test_tissues_have_their_hounsfield_units():
    head, _ = head_and_edema()
    hu = render_anatomy(head, None, SHAPE, SPACING)
    corners = hu[[0, 0, -1, -1], :3, -1]
    np.testing.assert_allclose(corners, -1000)
    assert np.isclose(hu, 1000, atol=1).sum() > 1000
    brain, _ = box(hu, (-40, 40), (-45, 45), (0, 30))
    assert brain.min() >= 7.9
    assert brain.max() < 51
    assert 28 < np.median(brain) < 38
    lentiform, _ = box(hu, (22, 28), (-4, 12), (-2, 6))
    centrum, _ = box(hu, (18, 26), (-15, 0), (26, 32))
    assert np.median(lentiform) == pytest.approx(37, abs=2)
    assert np.median(centrum) < 32


def test_the_skull_closes_around_a_brain_of_human_size():
    head, _ = head_and_edema()
    hu = render_anatomy(head, None, SHAPE, SPACING)
    parts, _ = label((hu > -200) & (hu < 300))
    middle = tuple(
        int(np.argmin(np.abs(a - m)))
        for a, m in zip(grid_axes(SHAPE, SPACING), (20, 10, 35), strict=True)
    )
    volume_ml = (parts == parts[middle]).sum() * np.prod(SPACING) / 1000
    assert 1000 < volume_ml < 1800


def test_noise_and_offset_are_the_scanners():
    head, _ = head_and_edema()
    clean = render_head(
        head._replace(noise=0, offset=0), None, SHAPE, SPACING, np.random.default_rng(0)
    )
    noisy = render_head(
        head._replace(noise=4, offset=3), None, SHAPE, SPACING, np.random.default_rng(0)
    )
    difference = noisy.astype(float) - clean
    assert difference.mean() == pytest.approx(3, abs=0.1)
    assert difference.std() == pytest.approx(4, abs=0.1)


def test_age_widens_ventricles_and_sulci():
    def fluid(age):
        seen = []
        for seed in range(4):
            head, _ = head_and_edema(age=age, seed=seed)
            brain, _ = box(
                render_anatomy(head, None, SHAPE, SPACING), (-45, 45), (-55, 55), (0, 50)
            )
            seen.append(np.clip((30 - brain) / 22, 0, 1).mean())
        return np.mean(seen)

    assert fluid(85) > 1.25 * fluid(30)


def test_no_two_patients_have_the_same_head():
    heads = [draw_head(60, "male", np.random.default_rng(seed)) for seed in range(3)]
    volumes = [render_anatomy(head, None, SHAPE, SPACING) for head in heads]
    assert all(np.abs(volumes[0] - other).mean() > 5 for other in volumes[1:])


def test_edema_darkens_its_own_hemisphere_by_the_net_water_uptake():
    head, edema = head_and_edema(severity=1.5)
    edema = edema._replace(finding=edema.finding._replace(shift=0.0, effacement=0.0))
    without = render_anatomy(head, None, SHAPE, SPACING)
    ratio = render_anatomy(head, edema, SHAPE, SPACING) / np.where(without == 0, 1, without)
    brain, keep = box(ratio, (-60, 60), (-70, 70), (-20, 55))
    x = grid_axes(SHAPE, SPACING)[0][keep[0]]
    assert brain.min() == pytest.approx(1 - edema.finding.water_uptake, abs=1e-3)
    far = brain[np.sign(x) == -edema.side]
    np.testing.assert_allclose(far[np.abs(x[np.sign(x) == -edema.side]) > 6], 1, atol=1e-6)


def test_the_lesion_has_the_volume_asked_for():
    head, edema = head_and_edema(severity=0.5)
    edema = edema._replace(finding=edema.finding._replace(shift=0.0, effacement=0.0))
    without = render_anatomy(head, None, SHAPE, SPACING)
    lost = 1 - render_anatomy(head, edema, SHAPE, SPACING) / np.where(without == 0, 1, without)
    brain, _ = box(lost, (-70, 70), (-85, 85), (-30, 70))
    volume_ml = (brain / edema.finding.water_uptake).sum() * np.prod(SPACING) / 1000
    assert volume_ml == pytest.approx(edema.finding.volume, rel=0.2)


def test_the_midline_shifts_away_from_the_lesion_more_with_severity():
    shifts = []
    for severity in (-1.0, 0.5, 1.5, 2.5):
        head, edema = head_and_edema(severity)
        still = edema._replace(finding=edema.finding._replace(shift=0.0))
        moved = [fluid_position(render_anatomy(head, e, SHAPE, SPACING)) for e in (edema, still)]
        shifts.append(-edema.side * (moved[0] - moved[1]))
    assert np.all(np.diff(shifts) > 0)
    assert shifts[0] < 1
    assert shifts[-1] > 4


def test_the_finding_states_the_largest_shift_of_the_midline():
    _, edema = head_and_edema(2.0)
    y, z = np.meshgrid(np.arange(-80, 81), np.arange(-40, 61))
    midline = np.stack([np.zeros(y.size), y.ravel(), z.ravel()]).astype(np.float32)
    taper = np.clip(1 - (midline[1] / 83) ** 2 - (midline[2] / 66) ** 2, 0, 1)
    pushed = -edema.side * displacement(edema, midline, taper)
    assert pushed.max() == pytest.approx(edema.finding.shift, rel=0.1)


def test_the_skull_does_not_move():
    head, edema = head_and_edema(2.5)
    with_edema = render_anatomy(head, edema, SHAPE, SPACING)
    without = render_anatomy(head, None, SHAPE, SPACING)
    np.testing.assert_array_equal(with_edema >= 999, without >= 999)


def test_mass_effect_presses_out_fluid_on_its_side():
    head, edema = head_and_edema(1.5, age=75)
    dry = edema._replace(finding=edema.finding._replace(water_uptake=0.0, shift=0.0))
    near, far = ((8, 45), (-45, -8)) if edema.side > 0 else ((-45, -8), (8, 45))
    change = [
        box(
            render_anatomy(head, dry, SHAPE, SPACING) - render_anatomy(head, None, SHAPE, SPACING),
            x,
            (-50, 50),
            (-5, 45),
        )[0].mean()
        for x in (near, far)
    ]
    assert change[0] > 0.5
    assert abs(change[1]) < 0.05


def test_findings_start_from_nothing_and_lose_fluid_before_the_midline_shifts():
    grid = [finding_from_severity(u) for u in np.linspace(-6, 6, 200)]
    for name in grid[0]._fields:
        values = np.array([getattr(finding, name) for finding in grid])
        assert np.all(np.diff(values) > 0)
        assert values[0] >= 0
    assert finding_from_severity(-4).volume < 2
    early = finding_from_severity(0)
    latest = finding_from_severity(6)
    assert early.effacement / latest.effacement > 2 * early.shift / latest.shift


def test_net_water_uptake_is_near_the_published_distributions():
    rng = np.random.default_rng(0)
    for mean, expected in ((0.83, 0.180), (-0.83, 0.071)):
        values = [finding_from_severity(u).water_uptake for u in rng.normal(mean, 1, 2000)]
        assert np.mean(values) == pytest.approx(expected, abs=0.015)
        assert np.std(values) == pytest.approx(0.055, abs=0.006)


def test_one_seed_gives_the_same_head_with_and_without_edema():
    seed = np.random.SeedSequence(4)
    small, coarse = (32, 32, 32), (6.5, 6.5, 6.5)
    without = simulate_scan(None, 55, "female", seed, small, coarse)
    with_edema = simulate_scan(2.0, 55, "female", seed, small, coarse)
    again = simulate_scan(2.0, 55, "female", seed, small, coarse)
    np.testing.assert_array_equal(with_edema, again)
    assert with_edema.dtype == np.int16
    changed = with_edema != without
    assert 0.005 < changed.mean() < 0.25
    difference = gaussian_filter(with_edema.astype(float) - without, 1.5)
    assert difference.min() < -4


@pytest.mark.parametrize(("shape", "spacing"), [((1, 1, 1), (3, 3, 3)), ((9, 40, 3), (20, 4, 50))])
def test_any_grid_will_do(shape, spacing):
    scan = simulate_scan(1.0, 70, "male", np.random.SeedSequence(0), shape, spacing)
    assert scan.shape == shape
    assert scan.min() >= -1024
