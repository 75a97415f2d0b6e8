from __future__ import annotations

import numpy as np
import pytest

from skedema._pretraining.lesions import with_lesion

BRAIN = ((0.0, 80.0),)
SHAPE = (24, 28, 24)


def head(fill: float = -1000.0) -> np.ndarray:
    """Make a brain of about 35 HU in a skull, and `fill` outside of it: (X, Y, Z) in HU."""
    axes = [np.linspace(-1, 1, n) for n in SHAPE]
    radius = np.linalg.norm(np.stack(np.meshgrid(*axes, indexing="ij")), axis=0)
    noise = np.random.default_rng(0).normal(35, 2, SHAPE)
    hu = np.where(radius < 0.75, noise, np.where(radius < 0.85, 1000.0, fill))
    return hu.astype(np.float32)


def read(hu: np.ndarray) -> np.ndarray:
    return np.clip(hu / 80, 0, 1)[None].astype(np.float32)


def lesions(volume: np.ndarray, ranges=BRAIN, n: int = 20) -> list[np.ndarray]:
    found = [with_lesion(volume, ranges, np.random.default_rng(seed)) for seed in range(n)]
    assert all(one is not None for one in found)
    return found


def test_a_lesion_is_dark_or_bright_as_blood_and_mostly_on_one_side():
    volume = read(head())
    dark, bright, left = 0, 0, 0
    for found in lesions(volume, n=40):
        change = (found - volume)[0] * 80
        assert found.dtype == np.float32
        assert found.min() >= 0
        assert found.max() <= 1
        if change.sum() > 0:
            bright += 1
            assert 50 < found[0][change > 10].max() * 80 < 69
        else:
            dark += 1
            assert -0.31 < (change / (80 * volume[0] + 1e-6)).min() < 0
        on_the_left = np.abs(change[:12]).sum() / np.abs(change).sum()
        left += on_the_left > 0.5
        assert not 0.4 < on_the_left < 0.6
    assert min(dark, bright) > 10
    assert 10 < left < 30


@pytest.mark.parametrize("fill", [-1000.0, 35.0], ids=["air", "median of a prepared head"])
def test_only_tissue_is_changed(fill):
    hu = head(fill)
    for found in lesions(read(hu)):
        changed = found != read(hu)
        assert changed.any()
        assert not changed[0][(hu == fill) | (hu == 1000)].any()


def test_hu_and_several_windows_show_the_same_lesion():
    hu = head()
    ranges = (0.0, 80.0), (-60.0, 140.0)
    both = np.stack([(hu - low) / (high - low) for low, high in ranges]).clip(0, 1)
    for seed in range(5):
        plain = with_lesion(hu[None], (), np.random.default_rng(seed))
        windowed = with_lesion(both, ranges, np.random.default_rng(seed))
        for channel, (low, high) in enumerate(ranges):
            expected = ((plain[0] - low) / (high - low)).clip(0, 1)
            np.testing.assert_allclose(windowed[channel], expected, atol=1e-5)


def test_the_generator_decides_and_the_volume_stays():
    volume = read(head())
    before = volume.copy()
    one, other = lesions(volume), lesions(volume)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(volume, before)
    assert len({found.tobytes() for found in one}) == len(one)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_what_has_no_tissue_gets_no_lesion(value):
    assert (
        with_lesion(np.full((1, *SHAPE), value, np.float32), BRAIN, np.random.default_rng(0))
        is None
    )
