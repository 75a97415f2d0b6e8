from __future__ import annotations

import pickle
import re

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from skedema import VolumeReader
from skedema.datasets import make_head_ct_cohort
from skedema.datasets._acquisition import HEIGHT, draw_acquisition
from skedema.datasets._confounders import NO_CONFOUNDERS
from skedema.datasets._grid import rotation, straight_grid
from skedema.datasets._phantom import draw_head
from skedema.datasets._scan import Drawn, render
from skedema.scans import check
from skedema.scans._remarks import gathered
from skedema.scans.cache import VolumeCache
from skedema.scans.errors import NotBelieved
from skedema.scans.head.brain import brain_mask
from skedema.scans.head.pose import head_pose
from skedema.scans.head.template import SHAPE, SPACING, template_head
from skedema.scans.scan import Scan

READER = VolumeReader(template="head")
GRID = (72, 80, 68), (2.75, 2.75, 2.75)
# Corners of a brain, in mm from the head's own middle.
PLACES = np.array([[x, y, z] for x in (-50, 50) for y in (-65, 65) for z in (-20, 55)], float)


def head(degrees=(0, 0, 0), move=(0, 0, 0), grid=GRID, person=0, noise=5.0):
    """Render a head that is turned about x, y and z and moved; gives the way into the scan, too."""
    turn = rotation(np.array(degrees, dtype=float))
    acquisition = draw_acquisition("A", np.random.default_rng(0))
    acquisition = acquisition._replace(turn=turn, move=np.array(move, dtype=np.float32))
    anatomy = draw_head(60, "male", np.random.default_rng(person))
    where = straight_grid(*grid)
    hu = render(Drawn(anatomy, None, NO_CONFOUNDERS, acquisition), where)
    hu += np.random.default_rng(1).normal(0, noise, hu.shape).astype(np.float32)
    into = np.eye(4)
    into[:3, :3], into[:3, 3] = turn, np.add(move, (0, 0, HEIGHT))
    return Scan(hu, where.affine), into


@pytest.fixture(scope="module")
def straight():
    return head()


def image(scan):
    return nib.Nifti1Image(scan.voxels, scan.affine)


def in_template(scan, into):
    """Say where the places of a head come to lie in the template."""
    there = template_head(scan).to_template @ into
    return PLACES @ there[:3, :3].T + there[:3, 3]


# A pose is right to 1.5 degrees, 2 mm at the brain's rim; two turns together nod by up to 2, which
# is left as it is scanned; a slice of 5 mm leaves the top uncertain by half. A voxel has 3.4 mm.
@pytest.mark.parametrize(
    ("degrees", "move", "grid"),
    [
        ((0, 0, 0), (7, -6, 5), GRID),
        ((0, 0, 14), (0, 0, 0), GRID),
        ((0, -9, 0), (0, 0, 0), GRID),
        ((0, 6, -18), (-6, 4, -5), GRID),
        ((0, 5, 8), (3, 3, 3), ((56, 64, 56), (3.5, 3.5, 3.5))),
        ((0, 5, 8), (3, 3, 3), ((140, 160, 38), (1.4, 1.4, 5.0))),
        ((0, 5, 8), (3, 3, 3), ((196, 216, 38), (1.0, 1.0, 5.0))),
    ],
)
def test_a_head_comes_to_one_place_however_it_lay_and_was_sampled(straight, degrees, move, grid):
    scan, into = head(degrees, move, grid)
    assert template_head(scan).remarks == ()
    np.testing.assert_allclose(in_template(scan, into), in_template(*straight), atol=5.0)


def test_a_tilted_gantry_changes_nothing(straight):
    scan, into = straight
    lean = np.tan(np.radians(15))
    shear = scan.affine.copy()
    shear[1, 2] = scan.affine[2, 2] * lean
    shear[1, 3] -= lean * scan.affine[2, 2] * (scan.voxels.shape[2] - 1) / 2
    index = np.linalg.solve(scan.affine, shear)
    leant = ndimage.affine_transform(
        scan.voxels, index[:3, :3], index[:3, 3], order=1, cval=-1024.0
    )
    found = in_template(Scan(leant, shear), into)
    np.testing.assert_allclose(found, in_template(*straight), atol=3.4)


@pytest.mark.parametrize("factor", [0.85, 1.1])
def test_cavities_have_one_size(straight, factor):
    scan, _ = straight
    larger = scan.affine.copy()
    larger[:3, :3] *= factor
    mask = brain_mask(scan.voxels, scan.spacing.tolist())
    for affine in (scan.affine, larger):
        found = template_head(scan._replace(affine=affine))
        there = found.to_template @ affine
        points = np.argwhere(mask) @ there[:3, :3].T + there[:3, 3]
        low, high = np.quantile(points, [0.005, 0.995], axis=0)
        np.testing.assert_allclose((high - low)[:2], (126, 158), atol=3.4)
        np.testing.assert_allclose((high + low)[:2], 0, atol=3.4)
        assert np.quantile(points[:, 2], 0.998) == pytest.approx(65, abs=3.4)


def test_left_stays_left_and_both_sides_are_there(straight):
    scan, into = straight
    index = np.linalg.solve(scan.affine, into @ [35, 0, 20, 1])[:3].round().astype(int)
    marked = scan.voxels.copy()
    marked[tuple(slice(k - 3, k + 4) for k in index)] = 75  # in the right hemisphere
    for affine, voxels in [
        (scan.affine, marked),
        (scan.affine @ np.diag([-1, 1, 1, 1]) + _last(scan), marked[::-1]),
    ]:
        volume = READER.read(nib.Nifti1Image(voxels, affine))[0]
        bright = np.argwhere(volume > 0.8).mean(axis=0)
        assert bright[0] > 28  # of 48, x growing to the right
        brain = volume != np.float32(np.median(volume))
        assert brain[:24].sum() == pytest.approx(brain[24:].sum(), rel=0.05)


def _last(scan):
    """Add to an affine whose first axis is flipped."""
    shift = np.zeros((4, 4))
    shift[:3, 3] = scan.affine[:3, 0] * (scan.voxels.shape[0] - 1)
    return shift


def slowly(scan):
    """Compose a prepared head by other means, from all points of the mask at once."""
    mask = brain_mask(scan.voxels, scan.spacing.tolist())
    pose = head_pose(mask, scan)
    points = (np.argwhere(mask) @ scan.affine[:3, :3].T + scan.affine[:3, 3]) @ pose.axes.T
    low, high = np.quantile(points, [0.005, 0.995], axis=0)
    scale = np.array([126, 158, 0]) / (high - low)
    scale[2] = np.sqrt(scale[0] * scale[1])
    middle = (low + high) / 2
    middle[0] = pose.axes[0] @ pose.centre
    middle[2] = np.quantile(points[:, 2], 0.998) - 65 / scale[2]
    median = np.median(scan.voxels[mask])
    brain = np.where(mask, scan.voxels, median).clip(0, 80)
    # Antialiasing and linear interpolation each blur by a triangle of 3.4 mm on average.
    blur = 3.4 * np.sqrt(2 / 6) / scale / scan.spacing
    brain = ndimage.gaussian_filter(brain, blur, mode="nearest")
    index = np.stack(np.indices(SHAPE), axis=-1) - (np.array(SHAPE) - 1) / 2
    ras = (index * SPACING / scale + middle) @ pose.axes
    voxel = (ras - scan.affine[:3, 3]) @ np.linalg.inv(scan.affine[:3, :3]).T
    return ndimage.map_coordinates(brain, np.moveaxis(voxel, -1, 0), order=3, cval=median), median


# Fewer points tell the pose and the size there, and the kernels are alike in width alone.
# The head is turned, or its points lie in layers, and their quantiles jump by a voxel.
@pytest.mark.parametrize("degrees", [(0, 4, 8), (2, 6, -14)])
def test_it_is_what_a_slow_composition_gives(degrees):
    scan, _ = head(degrees, (4, -3, 2), noise=1.0)
    expected, median = slowly(scan)
    volume = READER.read(image(scan))[0] * 80
    brain = np.abs(volume - median) > 0.01

    def off(volume):
        return np.abs(volume - expected)[brain]

    assert off(volume).mean() < 1.0
    assert np.quantile(off(volume), 0.99) < 6.0
    for axis in range(3):
        for step in (-1, 1):
            assert off(np.roll(volume, step, axis)).mean() > 1.5 * off(volume).mean()


def test_outside_lies_the_brain_s_own_median(straight):
    scan, _ = straight
    mask = brain_mask(scan.voxels, scan.spacing.tolist())
    volume = READER.read(image(scan))[0]
    for corner in np.ndindex(2, 2, 2):
        outside = volume[tuple(-end for end in corner)] * 80
        assert outside == pytest.approx(np.median(scan.voxels[mask]), abs=0.3)
    whole = image(scan._replace(voxels=scan.voxels.round().astype(np.int16)))
    assert READER.read(whole)[0, 0, 0, 0] * 80 == pytest.approx(volume[0, 0, 0] * 80, abs=0.6)


def test_brains_can_be_centred_on_one_median(straight):
    scan, _ = straight
    reader = VolumeReader(template="head", brain_hu=35, windows=None)
    one, other = (
        reader.read(image(scan._replace(voxels=scan.voxels + shift)))[0] for shift in (0, 3)
    )
    assert one[0, 0, 0] == other[0, 0, 0] == 35
    assert np.abs(one - other).mean() < 0.3  # the edge of the mask has moved
    as_is = VolumeReader(template="head", windows=None).read(image(scan))[0]
    np.testing.assert_allclose(one - one[0, 0, 0], as_is - as_is[0, 0, 0], atol=1e-3)


def test_masks_of_fine_voxels_are_found_on_coarse_ones():
    scan, _ = head((0, 5, -10), grid=((196, 216, 38), (1.0, 1.0, 5.0)))
    found = template_head(scan).scan.voxels
    brain = brain_mask(scan.voxels, scan.spacing.tolist())
    start = np.argwhere(brain).min(axis=0)
    where = tuple(slice(max(0, a - 1), a - 1 + n) for a, n in zip(start, found.shape, strict=True))
    kept = found != np.median(found)
    overlaps = [
        2 * (kept & part).sum() / (kept.sum() + brain.sum())
        for shift in np.ndindex(3, 3, 2)
        if (part := np.roll(brain, np.array(shift) - 1, (0, 1, 2))[where]).shape == kept.shape
    ]
    assert max(overlaps) > 0.96


def told(scan, reader=READER):
    """Read with what is told gathered, and once more to see that it is warned of and found."""
    with gathered() as remarks:
        volume = reader.read(image(scan))
    (kind, text), *more = [(r.kind, str(r)) for *_, r in remarks if r.kind != "intensity"]
    assert not more
    with pytest.warns(UserWarning, match=r"1 of 2 scans is .*row 1") as caught:
        reader.transform([image(head()[0]), image(scan)])
    assert len(caught) == 1
    assert text in check([image(scan)], volume=reader)["findings"][0]
    return volume, kind, text


def test_without_a_mask_a_scan_is_read_as_scanned(straight):
    scan, _ = straight
    brain = brain_mask(scan.voxels, scan.spacing.tolist())
    scan = scan._replace(voxels=np.where(brain, scan.voxels, np.minimum(scan.voxels, 80)))
    volume, kind, text = told(scan)
    assert kind == "mask"
    assert "no brain found: no" in text
    plain = VolumeReader(spacing=3.4, shape=(48, 56, 48))
    with gathered():
        np.testing.assert_array_equal(volume, plain.read(image(scan)))


def test_a_mask_that_leaks_is_told(straight):
    scan, _ = straight
    x, y, _ = np.indices(scan.voxels.shape)
    dark = (x > 31) & (y > 30) & (scan.voxels > -50) & (scan.voxels < 100)
    scan = scan._replace(voxels=np.where(dark, scan.voxels - 60, scan.voxels))  # below 0 HU
    _, kind, text = told(scan)
    assert kind == "mask"
    assert "of the surface of its brain mask lies on bone" in text


def test_sizes_that_are_no_head_s_are_told(straight):
    scan, _ = straight
    scan = scan._replace(affine=scan.affine @ np.diag([0.55, 0.55, 0.55, 1]))
    _, kind, text = told(scan)
    assert kind == "mask"
    assert "which is no head's; check its sizes" in text


def test_without_a_pose_a_head_is_not_turned(straight, monkeypatch):
    def refuses(*args):
        raise NotBelieved("several planes mirror its brain equally well")

    scan, _ = head((0, 0, 12))
    turned = template_head(scan)
    monkeypatch.setitem(template_head.__globals__, "head_pose", refuses)
    found = template_head(scan)
    (remark,) = found.remarks
    assert remark.kind == "turn"
    assert str(remark).startswith("prepared but not turned")
    scale = found.to_template[:3, :3]
    np.testing.assert_array_equal(scale, np.diag(np.diag(scale)))  # but it is scaled
    assert np.abs(turned.to_template[0, 1]) > 0.15
    assert found.outside == turned.outside


def cut(scan, axis, part):
    index = [slice(None)] * 3
    index[axis] = part
    affine = scan.affine.copy()
    affine[:3, 3] += affine[:3, axis] * (part.start or 0)
    return Scan(scan.voxels[tuple(index)], affine)


def test_a_head_on_its_side_is_not_turned():
    scan, _ = head((0, 0, 62))
    volume, kind, text = told(scan)
    assert kind == "turn"
    assert "check its orientation" in text
    assert volume[0, 0, 0, 0] == pytest.approx(0.4, abs=0.1)  # brain only, all the same


@pytest.mark.parametrize(
    ("axis", "part", "why"),
    [
        (0, slice(36, None), "cuts off a side of the head"),
        (1, slice(0, 44), "cuts off a side of the head"),
        (2, slice(0, 34), "ends below the widest level"),
        (2, slice(47, None), r"ends \d+ mm below the top"),
    ],
)
def test_what_is_left_of_a_head_is_not_scaled(axis, part, why):
    scan = cut(head((0, 4, 8))[0], axis, part)
    with gathered() as remarks:
        READER.read(image(scan))
    texts = [str(each.remark) for each in remarks if each.remark.kind == "cut"]
    assert len(texts) == 1
    assert texts[0].startswith("prepared by what the field of view holds of the head")
    assert np.linalg.det(template_head(scan).to_template) == pytest.approx(1)
    assert re.search(why, texts[0])


@pytest.mark.parametrize(("n_slices", "is_told"), [(2, False), (4, False), (8, True), (10, True)])
def test_a_vertex_that_is_missing_moves_nothing(straight, n_slices, is_told):
    scan, into = straight
    mask = brain_mask(scan.voxels, scan.spacing.tolist())
    last = int(np.flatnonzero(mask.any(axis=(0, 1)))[-1])
    shorter = cut(scan, 2, slice(0, last + 1 - n_slices))
    # By then the plane of symmetry is right to 4 degrees, 5 mm at the brain's rim.
    np.testing.assert_allclose(in_template(shorter, into), in_template(scan, into), atol=8)
    remarks = template_head(shorter).remarks
    assert bool(remarks) is is_told
    assert all("mm are missing at the top of the brain" in str(each) for each in remarks)


def test_without_a_geometry_nothing_is_prepared():
    array = np.random.default_rng(0).uniform(0, 80, (9, 9, 9))
    with pytest.warns(UserWarning, match=r"shape \(9, 9, 9\).*no geometry.*use template=None"):
        volume = READER.read(array)
    np.testing.assert_array_equal(volume, VolumeReader(shape=READER.settings().shape).read(array))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"template": "brain"}, "template='brain': give \"head\" or None"),
        ({"template": "head", "spacing": None}, "needs a spacing in mm"),
        ({"template": "head", "align": True}, "leave head_margin, skull_strip and align"),
        ({"template": "head", "skull_strip": True}, "leave head_margin, skull_strip and align"),
        ({"template": "head", "head_margin": 5}, "leave head_margin, skull_strip and align"),
        ({"brain_hu": 35}, 'brain_hu=35 needs template="head"'),
        ({"template": "head", "brain_hu": np.nan}, "brain_hu=nan: give the HU"),
        ({"template": "head", "spacing": "automatic"}, "spacing='automatic': give"),
    ],
)
def test_parameters_that_do_not_go_together_are_told(parameters, message):
    with pytest.raises((ValueError, TypeError), match=message):
        VolumeReader(**parameters).settings()


def test_the_grid_of_the_mode_is_its_default():
    settings = READER.settings()
    assert (settings.spacing, settings.shape) == ((3.4, 3.4, 3.4), (48, 56, 48))
    assert VolumeReader(template="head", spacing=5, shape=32).settings().shape == (32, 32, 32)
    assert VolumeReader().settings()[:2] == ((2.25,) * 3, (96,) * 3)
    assert READER.summary().startswith("heads upright, brain only, of one size, RAS grid of 48 x")
    assert "its median at 35 HU" in VolumeReader(template="head", brain_hu=35).summary()


def test_memory_and_disk_tell_prepared_heads_apart_and_keep_their_warnings(tmp_path):
    scan = cut(head((0, 4, 8))[0], 0, slice(36, None))
    path = tmp_path / "scan.nii.gz"
    nib.save(image(scan._replace(voxels=scan.voxels.round().astype(np.int16))), path)
    same = {"spacing": 3.4, "shape": (48, 56, 48)}
    readers = [VolumeReader(**same), READER, VolumeReader(template="head", brain_hu=40)]
    for cache in (VolumeCache(), VolumeCache()):  # the second one finds all on disk
        with gathered():
            volumes = [cache.get(reader, path, tmp_path) for reader in readers]
        assert len({volume.tobytes() for volume in volumes}) == 3
        about = cache.about(READER, path, tmp_path)
        assert [remark.kind for remark in about.remarks] == ["cut"]
    assert cache.n_reads == 0


def test_workers_give_the_same_and_keep_their_warnings(tmp_path):
    scans = make_head_ct_cohort(2, tmp_path, random_state=0).frame["scan"].tolist()
    broken = image(cut(head()[0], 0, slice(36, None)))
    one, two = (VolumeReader(template="head", n_jobs=n) for n in (None, 2))
    with pytest.warns(UserWarning, match=r"1 of 3 scans is prepared by what .*row 1"):
        alone = one.transform([scans[0], broken, scans[1]])
    with pytest.warns(UserWarning, match=r"1 of 3 scans is prepared by what .*row 1"):
        together = two.transform([scans[0], broken, scans[1]])
    np.testing.assert_array_equal(alone, together)
    assert pickle.loads(pickle.dumps(two)).settings() == one.settings()


@pytest.mark.parametrize("slices", ["grid", "scanner"])
def test_simulated_cohorts_raise_no_alarm(tmp_path, slices):
    cohort = make_head_ct_cohort(6, tmp_path, slices=slices, random_state=5)
    with gathered() as remarks:
        READER.transform(cohort.frame["scan"])
    assert remarks == []


def exams(real_data):
    return sorted((real_data / "ct_ich" / "scans").glob("*.nii.gz"))


@pytest.mark.parametrize("part", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in range(8))])
def test_real_exams_are_prepared_and_all_but_an_infant_turned(real_data, part):
    paths = exams(real_data)[part::16] if part == 0 else exams(real_data)[part::8]
    with gathered() as remarks:
        READER.transform([str(path) for path in paths])
    assert {each.remark.kind for each in remarks} <= {"turn"}
    assert all("sub-085" in each.name for each in remarks)


def test_a_real_tilted_series_is_prepared(real_data):
    pytest.importorskip("pydicom")
    with gathered() as remarks:
        series = READER.read(real_data / "ge_tilt_dicom")
        corrected = READER.read(real_data / "ge_tilt_dcm2niix.nii.gz")
    assert not {"mask", "turn", "cut"} & {each.remark.kind for each in remarks}
    assert np.corrcoef(series.ravel(), corrected.ravel())[0, 1] > 0.9
