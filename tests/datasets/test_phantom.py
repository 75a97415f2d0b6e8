from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import label

from skedema.datasets._acquisition import HEIGHT
from skedema.datasets._confounders import NO_CONFOUNDERS
from skedema.datasets._grid import straight_grid
from skedema.datasets._lesions import displacement, place_lesion
from skedema.datasets._phantom import draw_head, in_cavity, render_head

GRID = straight_grid((48, 48, 48), (4.3, 4.3, 4.3))
POINTS = GRID.points() - np.float32([[0], [0], [HEIGHT]])
VOXEL_ML = GRID.voxel_mm3 / 1000


def head_of(age=60, seed=0):
    return draw_head(age, "male", np.random.default_rng(seed))


def lesion_of(pattern="infarct", severity=1.5, seed=1, **finding):
    lesion = place_lesion(pattern, severity, np.random.default_rng(seed))
    return lesion._replace(finding=lesion.finding._replace(**finding))


def render(head, lesion=None, confounders=NO_CONFOUNDERS):
    return render_head(head, lesion, confounders, POINTS, GRID.voxel_mm3).reshape(GRID.shape)


def box(volume, x, y, z):
    """Voxels within bounds in mm around the middle of the cranial cavity."""
    keep = np.ones(POINTS.shape[1], dtype=bool)
    for axis, (low, high) in zip(POINTS, (x, y, z), strict=True):
        keep &= (axis >= low) & (axis <= high)
    return volume.ravel()[keep]


def fluid_position(volume):
    """Mean x in mm of the fluid near the midline."""
    where = ((-26, 26), (-20, 25), (5, 25))
    fluid = np.clip((26 - box(volume, *where)) / 18, 0, 1)
    return float((fluid * box(POINTS[0], *where)).sum() / fluid.sum())


def fluid_ml(volume, x):
    """Fluid in the upper half of the brain."""
    values = box(volume, x, (-55, 55), (-5, 45))
    return np.clip((24 - values) / 16, 0, 1).sum() * VOXEL_ML


def test_tissues_have_their_hounsfield_units():
    hu = render(head_of())
    np.testing.assert_allclose(hu[[0, 0, -1, -1], :3, -1], -1000)
    assert np.isclose(hu, 1000, atol=1).sum() > 1000
    brain = box(hu, (-40, 40), (-45, 45), (0, 30))
    assert brain.min() >= 7.9
    assert brain.max() < 51
    assert 28 < np.median(brain) < 38
    # Grey matter 35 to 37 HU, white matter about 29, fluid 0 to 15.
    assert np.median(box(hu, (22, 28), (-4, 12), (-2, 6))) == pytest.approx(36, abs=2)
    assert np.median(box(hu, (18, 26), (-15, 0), (26, 32))) == pytest.approx(29, abs=1.5)
    assert 0 < box(render(head_of(age=85)), (6, 12), (-15, 5), (11, 18)).min() < 15


def test_the_skull_closes_around_a_brain_of_human_size():
    hu = render(head_of())
    parts, _ = label((hu > -200) & (hu < 300))
    middle = np.argmin(np.abs(POINTS - [[20], [10], [20]]).sum(axis=0))
    volume_ml = (parts == parts.flat[middle]).sum() * VOXEL_ML
    assert 1000 < volume_ml < 1800


def test_heads_are_broad_or_long_and_not_quite_symmetric():
    index = [h.cavity[0] / h.cavity[1] for h in (head_of(seed=seed) for seed in range(200))]
    assert np.mean(index) == pytest.approx(0.8, abs=0.01)
    assert 0.03 < np.std(index) < 0.06
    petalia = [head_of(seed=seed).petalia for seed in range(200)]
    assert np.mean(petalia) == pytest.approx(0, abs=0.005)
    head = head_of()._replace(petalia=0.05)
    front = np.float32([[-62, 62], [40, 40], [0, 0]])
    assert in_cavity(head, front)[0] > in_cavity(head, front)[1]
    assert in_cavity(head, -front)[0] > in_cavity(head, -front)[1]


def test_age_widens_ventricles_and_sulci():
    heads = {age: [head_of(age, seed) for seed in range(4)] for age in (30, 85)}
    fluid = {age: [fluid_ml(render(head), (-45, 45)) for head in heads[age]] for age in heads}
    assert np.mean(fluid[85]) > 1.25 * np.mean(fluid[30])
    ventricles = {
        age: [
            (box(render(head), (-20, 20), (-30, 30), (5, 25)) < 15).sum() * VOXEL_ML
            for head in heads[age]
        ]
        for age in heads
    }
    assert np.mean(ventricles[85]) > 1.4 * np.mean(ventricles[30])


def test_no_two_patients_have_the_same_head():
    volumes = [render(head_of(seed=seed)) for seed in range(3)]
    assert all(np.abs(volumes[0] - other).mean() > 5 for other in volumes[1:])


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_an_infarct_darkens_its_own_hemisphere_by_the_net_water_uptake(seed):
    head, lesion = head_of(), lesion_of(seed=seed, shift=0.0, effacement=0.0)
    without = render(head)
    ratio = render(head, lesion) / np.where(without == 0, 1, without)
    where = ((-60, 60), (-70, 70), (-20, 55))
    brain, x = box(ratio, *where), box(POINTS[0], *where)
    assert brain.min() == pytest.approx(1 - lesion.finding.water_uptake, abs=1e-3)
    np.testing.assert_allclose(brain[lesion.side * x < -6], 1, atol=1e-6)


def test_infarcts_are_lumps_or_wedges_on_either_side():
    lesions = [lesion_of(seed=seed) for seed in range(60)]
    assert {lesion.side for lesion in lesions} == {-1, 1}
    wedges = [lesion for lesion in lesions if lesion.toward is not None]
    assert 15 < len(wedges) < 45
    head, wedge = (
        head_of(),
        lesion_of(severity=-0.5, seed=lesions.index(wedges[0]))._replace(side=1),
    )
    wedge = wedge._replace(
        center=(20, 0, 6), toward=(1, 0, 0), finding=wedge.finding._replace(shift=0.0)
    )
    lost = 1 - render(head, wedge) / np.where(render(head) == 0, 1, render(head))
    width = [
        (box(lost, (x, x + 8), (-70, 70), (2, 10)) > wedge.finding.water_uptake / 2).sum()
        for x in (22, 42)
    ]
    assert width[1] > 1.3 * width[0]


@pytest.mark.parametrize("severity", [-1.0, 0.0, 1.5])
def test_the_uptake_is_found_again_against_the_mirrored_region(severity):
    seen = []
    for seed in range(8):
        head = head_of(seed=seed)._replace(petalia=0.0)
        lesion = lesion_of(severity=severity, seed=seed, shift=0.0, effacement=0.0)
        clean = render(head)
        hu = render(head, lesion)
        core = clean - hu > 0.9 * lesion.finding.water_uptake * clean
        core &= (clean > 25) & (clean < 40) & (clean[::-1] > 25) & (clean[::-1] < 40)
        seen.append(1 - hu[core].mean() / hu[::-1][core].mean())
    assert np.mean(seen) == pytest.approx(lesion.finding.water_uptake, abs=0.012)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_the_lesion_has_the_volume_asked_for(seed):
    head, lesion = head_of(), lesion_of(severity=0.5, seed=seed, shift=0.0, effacement=0.0)
    without = render(head)
    lost = 1 - render(head, lesion) / np.where(without == 0, 1, without)
    brain = box(lost, (-70, 70), (-85, 85), (-30, 70))
    volume_ml = (brain / lesion.finding.water_uptake).sum() * VOXEL_ML
    assert volume_ml == pytest.approx(lesion.finding.volume, rel=0.2)


@pytest.mark.parametrize("pattern", ["infarct", "haemorrhage"])
def test_the_midline_shifts_away_from_the_lesion_more_with_severity(pattern):
    shifts = []
    for severity in (-1.0, 0.5, 1.5, 2.5):
        lesion = lesion_of(pattern, severity)
        still = lesion._replace(finding=lesion.finding._replace(shift=0.0))
        moved = [fluid_position(render(head_of(), each)) for each in (lesion, still)]
        shifts.append(-lesion.side * (moved[0] - moved[1]))
    assert np.all(np.diff(shifts) > 0)
    assert shifts[0] < 1
    assert shifts[-1] > 3.5


@pytest.mark.parametrize("pattern", ["infarct", "haemorrhage"])
def test_the_finding_states_the_largest_shift_of_the_midline(pattern):
    lesion = lesion_of(pattern, 2.0)
    y, z = np.meshgrid(np.arange(-80, 81), np.arange(-40, 61))
    midline = np.stack([np.zeros(y.size), y.ravel(), z.ravel()]).astype(np.float32)
    taper = np.clip(1 - (midline[1] / 83) ** 2 - (midline[2] / 66) ** 2, 0, 1)
    pushed = -lesion.side * displacement(lesion, midline, taper)
    assert pushed.max() == pytest.approx(lesion.finding.shift, rel=0.1)


@pytest.mark.parametrize("pattern", ["infarct", "haemorrhage", "diffuse"])
def test_nothing_changes_outside_the_brain(pattern):
    head = head_of()
    changed = render(head, lesion_of(pattern, 2.5)) != render(head)
    outside = in_cavity(head, POINTS).reshape(GRID.shape) > GRID.spacing[0] / 2
    assert changed.any()
    assert not (changed & outside).any()


@pytest.mark.parametrize("pattern", ["infarct", "haemorrhage"])
def test_mass_effect_presses_out_fluid_on_its_side(pattern):
    head = head_of(age=75)
    dry = lesion_of(pattern, 1.5, water_uptake=0.0, shift=0.0, blood=0.0)
    right, left = (
        fluid_ml(render(head), x) - fluid_ml(render(head, dry), x) for x in ((8, 45), (-45, -8))
    )
    near, far = (right, left) if dry.side > 0 else (left, right)
    assert near > 5
    assert abs(far) < 0.1


def test_more_fluid_is_lost_before_the_midline_shifts():
    head, levels = head_of(age=75), (-1.0, 0.2, 2.5)
    lesions = [lesion_of(severity=u, water_uptake=0.0) for u in levels]
    x = (8, 45) if lesions[0].side > 0 else (-45, -8)
    fluid = [
        fluid_ml(render(head, lesion._replace(finding=lesion.finding._replace(shift=0.0))), x)
        for lesion in lesions
    ]
    moved = [-lesions[0].side * fluid_position(render(head, lesion)) for lesion in lesions]
    lost = (fluid[0] - fluid[1]) / (fluid[0] - fluid[2])
    shifted = (moved[1] - moved[0]) / (moved[2] - moved[0])
    assert lost > 1.3 * shifted


@pytest.mark.parametrize("seed", [1, 2, 3, 5])  # none of them touches the skull
def test_a_haemorrhage_is_blood_of_its_volume_and_density(seed):
    lesion = lesion_of("haemorrhage", 0.0, seed=seed, shift=0.0, effacement=0.0)
    without, hu = render(head_of()), render(head_of(), lesion)
    within = in_cavity(head_of(), POINTS).reshape(GRID.shape) < -GRID.spacing[0]
    blood = within & (hu - without > 5)
    assert hu[blood].max() == pytest.approx(lesion.blood_hu, abs=0.1)
    assert 50 <= lesion.blood_hu <= 70
    share = (hu - without)[blood] / (lesion.blood_hu - without[blood])
    assert share.sum() * VOXEL_ML == pytest.approx(lesion.finding.blood, rel=0.15)


def test_blood_does_not_depend_on_the_severity_and_its_volumes_are_skewed():
    mild, severe = (
        [lesion_of("haemorrhage", u, seed=seed) for seed in range(300)] for u in (-2.0, 2.0)
    )
    blood = np.array([lesion.finding.blood for lesion in mild])
    assert blood.tolist() == [lesion.finding.blood for lesion in severe]
    assert np.median(blood) == pytest.approx(20, rel=0.1)
    assert blood.mean() > 1.1 * np.median(blood)
    assert (blood >= 6).all()


def test_the_rim_around_the_blood_grows_and_darkens_with_the_severity():
    head, volumes, darkest = head_of(), [], []
    for severity in (-1.0, 0.0, 1.0, 2.0):
        lesion = lesion_of("haemorrhage", severity, shift=0.0, effacement=0.0)
        dry = lesion._replace(finding=lesion.finding._replace(water_uptake=0.0))
        lost = 1 - render(head, lesion) / np.where(render(head, dry) == 0, 1, render(head, dry))
        volumes.append((lost / lesion.finding.water_uptake).sum() * VOXEL_ML)
        darkest.append(lost.max())
        # Voxels of 4.3 mm blur a rim of a few.
        assert volumes[-1] == pytest.approx(lesion.finding.volume, rel=0.35)
    assert np.all(np.diff(volumes) > 5)
    assert np.all(np.diff(darkest) > 0.01)


def test_diffuse_edema_brings_grey_and_white_matter_together():
    head, ratios, means = head_of(), [], []
    for severity in (None, -1.0, 0.0, 1.0, 2.0):
        hu = render(head, None if severity is None else lesion_of("diffuse", severity))
        grey = np.median(box(hu, (22, 28), (-4, 12), (-2, 6)))
        white = np.median(box(hu, (18, 26), (-15, 0), (26, 32)))
        ratios.append(grey / white)
        means.append(white)
    assert np.all(np.diff(ratios) < -0.01)
    assert np.all(np.diff(means) < 0)
    assert ratios[0] > 1.2
    assert ratios[-1] < 1.08


def test_diffuse_edema_presses_out_fluid_on_both_sides_alike():
    head = head_of(age=75)
    left = [fluid_ml(render(head, lesion_of("diffuse", u)), (-45, -8)) for u in (-3.0, 0.0, 2.0)]
    right = [fluid_ml(render(head, lesion_of("diffuse", u)), (8, 45)) for u in (-3.0, 0.0, 2.0)]
    for fluid in (left, right):
        assert fluid[0] > 1.15 * fluid[1] > 1.15**2 * fluid[2]
    assert abs(fluid_position(render(head, lesion_of("diffuse", 2.0)))) < 2
