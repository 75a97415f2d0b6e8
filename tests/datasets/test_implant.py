from __future__ import annotations

import csv

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import binary_erosion, gaussian_filter

from skedema.datasets import ImplantedEdema, implant_edema
from skedema.datasets._edema import finding_from_severity
from skedema.datasets._scan import simulate_scan
from skedema.datasets._subject import Subject
from skedema.scans.brain import brain_mask

SPACING = (3.25, 3.25, 3.25)
PATTERNS = ("infarct", "haemorrhage", "diffuse")


@pytest.fixture(scope="module")
def head():
    """Give a simulated head without edema, and its brain."""
    healthy = Subject("none", 0.0, 75.0, "male", "A")
    seed = np.random.SeedSequence(11)
    volume = simulate_scan(healthy, seed, (64, 64, 64), SPACING, "grid").voxels
    return volume, brain_mask(volume, SPACING)


def ball(noise=0.0, slit=False):
    """Give a symmetric head of one tissue, and its brain; fluid in the midline if asked."""
    x, y, z = np.mgrid[-40:41, -40:41, -40:41] * 2.0
    radius = np.sqrt((x / 66) ** 2 + (y / 78) ** 2 + (z / 66) ** 2)
    hu = np.where(radius < 1, 33.0, np.where(radius < 1.1, 1000.0, -1000.0))
    if slit:
        hu[(np.abs(x) < 3) & (np.abs(y) < 45) & (np.abs(z) < 40)] = 8.0
    if noise:
        hu += np.random.default_rng(0).normal(0, noise, hu.shape)
    return hu, radius < 1


@pytest.mark.parametrize("pattern", PATTERNS)
def test_type_shape_and_everything_outside_the_brain_stay(head, pattern):
    volume, brain = head
    before = volume.copy()
    for dtype in (np.int16, np.float32, np.float64):
        given = volume.astype(dtype)
        found = implant_edema(given, SPACING, brain, pattern=pattern, severity=1, random_state=0)
        assert isinstance(found, ImplantedEdema)
        assert found.volume.dtype == dtype
        assert found.volume.shape == volume.shape
        assert found.volume[~brain].tobytes() == given[~brain].tobytes()
        assert (found.volume[brain] != given[brain]).any()
        assert found.lesion.dtype == np.bool_
        assert not found.lesion[~brain].any()
    np.testing.assert_array_equal(volume, before)


@pytest.mark.parametrize("severity", [-1.0, 0.0, 1.5])
def test_the_lesion_is_darker_by_its_net_water_uptake_and_has_its_volume(severity):
    volume, brain = ball(noise=3.0)
    finding = finding_from_severity("infarct", severity)
    for seed in range(4):
        found = implant_edema(volume, (2, 2, 2), brain, severity=severity, random_state=seed)
        core = found.lesion & (gaussian_filter(found.lesion.astype(float), 2) > 0.95)
        if core.sum() > 300:
            ratio = found.volume[core].mean() / 33
            assert ratio == pytest.approx(1 - finding.water_uptake, abs=0.015)
        assert found.lesion.sum() * 0.008 == pytest.approx(finding.volume, rel=0.15)


@pytest.mark.parametrize("pattern", ["infarct", "diffuse"])
def test_noise_stays(pattern):
    volume, brain = ball(noise=3.0)
    found = implant_edema(volume, (2, 2, 2), brain, pattern=pattern, severity=1.5, random_state=1)
    inner = found.lesion & (gaussian_filter(found.lesion.astype(float), 2) > 0.95)
    grain = [each - gaussian_filter(each, 1.5) for each in (volume, found.volume)]
    expected = 1 - finding_from_severity(pattern, 1.5).water_uptake
    # What is moved is interpolated, which costs some.
    assert 0.8 * expected < grain[1][inner].std() / grain[0][inner].std() < 1.05 * expected


@pytest.mark.parametrize("pattern", PATTERNS)
def test_more_severe_is_more_changed_and_next_to_nothing_far_below(head, pattern):
    volume, brain = head
    changes = []
    for severity in (-5.0, -1.0, 0.0, 1.0, 2.0):
        found = implant_edema(
            volume, SPACING, brain, pattern=pattern, severity=severity, random_state=3
        )
        kept = found.volume < 45  # beside the blood, which does not depend on the severity
        changes.append(np.abs(found.volume.astype(float) - volume)[brain & kept].mean())
    assert np.all(np.diff(changes) > 0.05)
    assert changes[0] < 0.25


def test_the_midline_moves_by_the_stated_shift_away_from_the_lesion():
    volume, brain = ball(slit=True)
    x = (np.arange(81) - 40)[:, None, None] * 2.0
    for seed in range(4):
        found = implant_edema(volume, (2, 2, 2), brain, severity=1.5, random_state=seed)
        side = np.sign((found.lesion * x).sum())
        fluid = np.clip((24 - found.volume) / 16, 0, 1) * (np.abs(x) < 20)
        fluid[gaussian_filter(found.lesion.astype(float), 1) > 0.1] = 0
        count = fluid.sum(axis=0)
        moved = (-side * (fluid * x).sum(axis=0))[count > 1.5] / count[count > 1.5]
        stated = finding_from_severity("infarct", 1.5).shift
        assert 0.6 * stated < moved.max() < 1.25 * stated


def test_fluid_near_the_lesion_is_pressed_out_before_the_far(head):
    volume, brain = head
    x = np.arange(64)[:, None, None] - 31.5
    fluid = brain & (gaussian_filter(volume.astype(float), 0.7) < 16)
    for seed in range(3):
        found = implant_edema(volume, SPACING, brain, severity=2.0, random_state=seed)
        side = np.sign((found.lesion * x).sum())
        lifted = found.volume.astype(float) - volume
        near, far = (lifted[fluid & (x * sign > 3)].mean() for sign in (side, -side))
        assert near > 2
        assert near > far + 2


def test_blood_calcium_and_fluid_take_up_no_water():
    volume, brain = ball()
    volume[20:60, 36:40, 36:40] = 65.0
    volume[20:60, 44, 44] = 300.0
    volume[20:60, 30:36, 46:52] = 5.0
    found = implant_edema(volume, (2, 2, 2), brain, severity=-1.0, random_state=0).volume
    blood, lime, fluid = (volume == value for value in (65.0, 300.0, 5.0))
    assert np.abs(found[blood & (gaussian_filter(blood.astype(float), 0.7) > 0.9)] - 65).max() < 1
    assert np.abs(found[lime] - 300).max() < 40  # moved by a part of a voxel
    # Some is pressed out, none takes up water; a cubic overshoots a little at edges.
    assert found[fluid].min() > 2.5
    assert found[fluid].mean() < 10


def test_a_haemorrhage_brings_blood_with_a_darker_rim(head):
    volume, brain = head
    found = implant_edema(
        volume, SPACING, brain, pattern="haemorrhage", severity=1.5, random_state=2
    )
    assert 50 < np.median(found.volume[found.lesion & (found.volume > 48)]) < 70
    rim = found.lesion & (found.volume < 45)
    assert np.median(found.volume[rim]) < np.median(volume[rim]) - 5


def test_diffuse_edema_takes_contrast_from_the_whole_brain():
    volume, brain = ball()
    volume[brain & (np.indices(volume.shape)[2] % 20 < 10)] = 28.0
    found = implant_edema(volume, (2, 2, 2), brain, pattern="diffuse", severity=1.0, random_state=0)
    finding = finding_from_severity("diffuse", 1.0)
    high = found.volume[34:47, 34:47, 35].mean()
    low = found.volume[34:47, 34:47, 45].mean()
    assert low == pytest.approx(28 * (1 - finding.water_uptake), rel=0.02)
    assert high - low == pytest.approx(5 * (1 - finding.contrast_loss), abs=0.8)


def test_random_state_decides_the_place_and_the_severity_does_not(head):
    volume, brain = head

    def lesion(seed, severity=1.0):
        return implant_edema(volume, SPACING, brain, severity=severity, random_state=seed)

    np.testing.assert_array_equal(lesion(0).volume, lesion(0).volume)
    same = implant_edema(
        volume, SPACING, brain, severity=1.0, random_state=np.random.RandomState(0)
    )
    np.testing.assert_array_equal(lesion(0).volume, same.volume)
    assert (lesion(0).lesion & lesion(1).lesion).sum() < 0.9 * lesion(0).lesion.sum()
    smaller, larger = lesion(0, -0.5).lesion, lesion(0, 1.5).lesion
    assert (smaller & ~larger).sum() < 0.05 * smaller.sum()


def test_no_pattern_changes_nothing(head):
    volume, brain = head
    found = implant_edema(volume, SPACING, brain, pattern="none", severity=3.0, random_state=0)
    np.testing.assert_array_equal(found.volume, volume)
    assert found.volume is not volume
    assert not found.lesion.any()


def test_integers_are_clipped_to_their_range():
    volume, brain = ball()
    found = implant_edema(
        np.clip(volume, 0, 255).astype(np.uint8), (2, 2, 2), brain, severity=1, random_state=0
    )
    assert found.volume.dtype == np.uint8
    assert found.volume[brain].max() <= 34


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"volume": np.zeros((4, 4))}, ValueError, r"shape \(X, Y, Z\), not \(4, 4\)"),
        ({"volume": np.full((81, 81, 81), "a")}, TypeError, "real numbers"),
        ({"volume": np.full((81, 81, 81), np.nan)}, ValueError, "NaN or infinite"),
        ({"spacing": (1, 1)}, ValueError, "three lengths above 0"),
        ({"spacing": (1, 1, -1)}, ValueError, "three lengths above 0"),
        ({"brain": np.ones((3, 3, 3), dtype=bool)}, ValueError, r"shape \(3, 3, 3\)"),
        ({"brain": np.ones((81, 81, 81))}, TypeError, "booleans"),
        ({"brain": np.zeros((81, 81, 81), dtype=bool)}, ValueError, "0 ml"),
        ({"spacing": (0.5, 0.5, 0.5)}, ValueError, "a lesion needs 300"),
        ({"pattern": "stroke"}, ValueError, "none, infarct, haemorrhage, diffuse"),
        ({"severity": "high"}, TypeError, "severity must be a number"),
        ({"severity": True}, TypeError, "severity must be a number"),
        ({"severity": np.inf}, ValueError, "severity must be finite"),
        ({"random_state": "seed"}, ValueError, "seed"),
    ],
)
def test_bad_arguments_are_named(changes, error, message):
    volume, brain = ball()
    good = {"volume": volume, "spacing": (2, 2, 2), "brain": brain}
    with pytest.raises(error, match=message):
        implant_edema(**{**good, **changes})


@pytest.fixture(scope="module")
def exams(real_data):
    """Give three real exams: HU, spacing and the brain."""
    with open(real_data / "ct_ich" / "cohort.csv", newline="") as file:
        assert next(csv.reader(file))
    found = []
    for path in sorted((real_data / "ct_ich" / "scans").glob("*.nii.gz"))[5:45:13]:
        image = nib.as_closest_canonical(nib.load(path))
        hu, spacing = np.asarray(image.dataobj).astype(np.int16), image.header.get_zooms()[:3]
        found.append((hu, spacing, brain_mask(hu, spacing)))
    return found


def test_real_exams_get_infarcts_with_the_uptake_asked_for(exams):
    for seed, (hu, spacing, brain) in enumerate(exams):
        found = implant_edema(hu, spacing, brain, severity=1.5, random_state=seed)
        finding = finding_from_severity("infarct", 1.5)
        np.testing.assert_array_equal(found.volume[~brain], hu[~brain])
        volume_ml = found.lesion.sum() * np.prod(spacing) / 1000
        assert volume_ml == pytest.approx(finding.volume, rel=0.25)
        before, after = hu[found.lesion].mean(), found.volume[found.lesion].mean()
        # The border of the lesion takes up less; fluid within it is lifted.
        assert 1 - after / before == pytest.approx(finding.water_uptake, abs=0.07)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_real_exams_change_more_with_severity_and_keep_their_noise(exams, pattern):
    for hu, spacing, brain in exams[:2]:
        changes = []
        for severity in (-3.0, 0.0, 1.5):
            found = implant_edema(
                hu, spacing, brain, pattern=pattern, severity=severity, random_state=0
            ).volume.astype(float)
            changes.append(np.abs(found - hu)[brain].mean())
            inner = binary_erosion(brain, iterations=4) & (hu < 45) & (found < 45)
            grain, usual = (
                np.std((each - gaussian_filter(each, 1))[inner])
                for each in (found, hu.astype(float))
            )
            assert 0.6 < grain / usual < 1.1
        assert changes[0] < changes[1] < changes[2]
