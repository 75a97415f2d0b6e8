from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from skedema.datasets import make_head_ct_cohort
from skedema.scans._intensity import odd_intensity
from skedema.scans.files import load_scan


def padded(hu):
    hu = hu.copy()
    hu[:5], hu[:, -5:] = -3024, -2000
    return hu


# What happens to HU and leaves them HU.
HARMLESS = {
    "as they are": lambda hu: hu,
    "brain window": lambda hu: hu.clip(-20, 100),
    "0 to 80": lambda hu: hu.clip(0, 80),
    "wide window": lambda hu: hu.clip(-1024, 1500),
    "padded": padded,
    "clipped, padded": lambda hu: padded(hu.clip(-20, 100)),
    "without its outside": lambda hu: hu[len(hu) // 4 : -len(hu) // 4],
    "one HU a step": lambda hu: hu.round().astype(np.int16),
}
# What is found in every scan, and in those whose air is not clipped.
SHIFTS = {
    f"{shift:+d}, {name}": lambda hu, change=change, shift=shift: change(hu + shift)
    for shift in (1024, 1000, -1024, -1000)
    for name, change in {"plain": np.asarray, "padded": padded}.items()
}
SHIFTS |= {
    "unsigned, 12 bits": lambda hu: np.clip(hu + 1024, 0, 4095).astype(np.uint16),
    "a window of stored values": lambda hu: hu.clip(-20, 100) + 1024,
    "without a sign": lambda hu: np.where(hu < -5, hu + 65536, hu),
}
WITH_AIR = {
    "half": lambda hu: hu * 0.5,
    "twice": lambda hu: hu * 2.0,
    "inverted": lambda hu: -hu,
}


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    """Heads of three scanners, on the grid and as the scanner's own slices."""
    folder = tmp_path_factory.mktemp("heads")
    heads = []
    for slices in ("grid", "scanner"):
        frame = make_head_ct_cohort(
            6, folder / slices, shape=(40, 40, 40), spacing=(5.2,) * 3, slices=slices,
            random_state=3,
        ).frame  # fmt: skip
        heads += [load_scan(path).voxels.astype(np.float32) for path in frame["scan"]]
    return heads


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_hu_are_hu_however_clipped_and_padded(heads, change):
    assert [odd_intensity(change(hu)) for hu in heads] == [None] * len(heads)


@pytest.mark.parametrize("change", (SHIFTS | WITH_AIR).values(), ids=SHIFTS | WITH_AIR)
def test_what_is_not_hu_is_found(heads, change):
    assert all(odd_intensity(change(hu)) for hu in heads)


def test_the_remedy_is_that_which_undoes_it(heads):
    for hu in heads:
        assert "subtract 1024" in odd_intensity(hu + 1024)
        assert "add 1024" in odd_intensity(hu - 1024)
        assert odd_intensity(hu + 1024 - 1024) is None
        assert odd_intensity(hu + 1000 - 1024) is None  # close enough for what is told apart here
        assert "inverted" in odd_intensity(-hu)
        assert "slope" in odd_intensity(2 * hu)
    assert "no CT" in odd_intensity(np.random.default_rng(0).normal(400, 20, (40, 40, 40)))


def mixture(**shares):
    """Voxels of other parts of the body, by their share of the scan."""
    means = {"air": -1000, "lung": -860, "fat": -100, "muscle": 55, "liver": 110, "bone": 600}
    widths = {"air": 8, "lung": 60, "fat": 12, "muscle": 12, "liver": 14, "bone": 350}
    rng = np.random.default_rng(0)
    parts = [rng.normal(means[k], widths[k], int(41000 * n)) for k, n in shares.items()]
    return rng.permutation(np.concatenate(parts))[:39600].reshape(30, 40, 33)


@pytest.mark.parametrize(
    "body",
    [
        {"air": 0.4, "lung": 0.25, "fat": 0.15, "muscle": 0.15, "bone": 0.05},
        {"air": 0.3, "fat": 0.3, "muscle": 0.2, "liver": 0.15, "bone": 0.05},
        {"fat": 0.8, "muscle": 0.15, "bone": 0.05},
        {"air": 0.88, "muscle": 0.08, "bone": 0.04},
        {"lung": 0.9, "muscle": 0.06, "bone": 0.04},
    ],
)
def test_no_part_of_the_body_is_odd_but_all_are_when_shifted(body):
    hu = mixture(**body)
    assert odd_intensity(hu) is None
    for shift in (1024, -1024, 1000, -1000):
        assert odd_intensity(hu + shift), shift


def test_nothing_is_told_where_nothing_can_be():
    rng = np.random.default_rng(0)
    for voxels in (
        rng.normal(1060, 5, (9, 9, 9)),  # too few
        np.full((40, 40, 40), 1060.0),
        np.where(np.arange(64000) % 2, 1060.0, 0.0).reshape(40, 40, 40),  # two numbers
        rng.uniform(-1000, 3000, (40, 40, 40)),
    ):
        assert odd_intensity(voxels) is None


def test_layout_and_type_do_not_matter(heads):
    shifted = (heads[0] + 1024).round().astype(np.int16)
    expected = odd_intensity(shifted)
    assert odd_intensity(np.asfortranarray(shifted)) == expected
    assert odd_intensity(shifted.astype(np.float32)) == expected


@pytest.fixture(scope="module")
def exams(real_data):
    paths = sorted((real_data / "ct_ich" / "scans").glob("*.nii.gz"))
    paths.append(real_data / "ge_tilt_dcm2niix.nii.gz")
    return [np.asanyarray(nib.load(path).dataobj).astype(np.float32) for path in paths]


@pytest.mark.slow
@pytest.mark.parametrize("change", (HARMLESS | SHIFTS).values(), ids=HARMLESS | SHIFTS)
def test_real_exams(exams, change):
    odd = sum(odd_intensity(change(hu)) is not None for hu in exams)
    assert odd == (0 if change in HARMLESS.values() else len(exams))
