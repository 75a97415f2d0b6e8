from __future__ import annotations

import numpy as np
import pytest

from skedema import VolumeReader
from skedema.scans._usual import Usual, measures

_RNG = np.random.default_rng(0)


def head(rng: np.random.Generator, shift: float = 0.0) -> np.ndarray:
    """A bright shell around a grey middle, and black outside."""
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, 24)] * 3, indexing="ij")
    radius = np.sqrt((x / rng.uniform(0.7, 0.8)) ** 2 + (y / 0.85) ** 2 + (z - shift) ** 2)
    volume = np.where(radius < 0.9, 0.4, np.where(radius < 1, 1.0, 0.0))
    noise = rng.normal(0, 0.02, volume.shape) * (radius < 1)
    return np.clip(volume + noise, 0, 1)[None].astype(np.float32)


HEADS = np.stack([measures(head(np.random.default_rng(k))) for k in range(40)])


def test_measures_by_hand():
    volume = np.zeros((1, 8, 8, 8), dtype=np.float32)
    volume[:, :, :, :2] = 0.5
    volume[:, :, :, 2:4] = 1.0
    found = measures(volume)
    steps = (0.5 + 1.0) * 64 / volume.size  # along the third axis alone
    assert found[:5] == pytest.approx([0.75, 0.25, 0.5, 0.25, steps / 2 / 0.25])
    picture = found[5:].reshape(4, 4, 4)
    assert picture == pytest.approx(np.broadcast_to([0.5, 1, 0, 0], (4, 4, 4)))


@pytest.mark.parametrize("shape", [(1, 3, 3, 3), (3, 5, 7, 9), (2, 40, 33, 17), (1, 1, 1, 1)])
def test_any_shape_of_volume_will_do(shape):
    volume = _RNG.random(shape).astype(np.float32)
    found = measures(volume)
    assert found.shape == (69,)
    assert np.isfinite(found).all()
    assert np.isfinite(measures(np.zeros(shape, dtype=np.float32))).all()


def test_what_was_learned_from_is_never_unlike():
    assert Usual(HEADS).unlike(HEADS) == {}
    alike = np.stack([measures(np.full((1, 8, 8, 8), 0.5, dtype=np.float32))] * 12)
    assert Usual(alike).unlike(alike) == {}


def test_others_like_them_are_not_unlike():
    others = np.stack([measures(head(np.random.default_rng(100 + k), 0.05)) for k in range(40)])
    assert Usual(HEADS).unlike(others) == {}
    assert Usual(HEADS[:10]).unlike(others) == {}


ODD = {
    "noise": _RNG.random((1, 24, 24, 24)),
    "air": np.zeros((1, 24, 24, 24)),
    "all bright": np.ones((1, 24, 24, 24)),
    "inverted": 1 - head(_RNG),
    "a part": head(_RNG) * (np.arange(24) < 5),
    "noisy": head(_RNG) * _RNG.random((1, 24, 24, 24)),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_unlike_is_told_with_the_measure(name):
    found = np.stack([HEADS[0], measures(ODD[name].astype(np.float32))])
    ((row, why),) = Usual(HEADS).unlike(found).items()
    assert row == 1
    assert ", in training " in why


def test_few_volumes_tell_nothing():
    odd = measures(np.zeros((1, 24, 24, 24), dtype=np.float32))[None]
    assert Usual(HEADS[:9]).unlike(odd) == {}
    assert Usual(np.repeat(HEADS[:9], 5, axis=0)).unlike(odd) == {}
    assert Usual(HEADS[:5]).and_of(HEADS[5:10]).unlike(odd)


@pytest.mark.slow
@pytest.mark.parametrize("reader", [VolumeReader(), VolumeReader(spacing=6.75, shape=32)])
def test_no_false_alarm_on_real_exams_held_out(real_data, reader):
    paths = sorted((real_data / "ct_ich" / "scans").glob("*.nii.gz"))
    known = np.stack([measures(reader.read(path)) for path in paths])
    order = np.random.default_rng(0).permutation(len(paths))
    for fold in range(5):
        held_out = order[fold::5]
        usual = Usual(known[np.setdiff1d(order, held_out)])
        assert usual.unlike(known[held_out]) == {}
    usual = Usual(known)
    rng = np.random.default_rng(0)
    noise = [reader.read(rng.normal(40, 300, (128, 128, 30))) for _ in range(3)]
    assert len(usual.unlike(np.stack([measures(volume) for volume in noise]))) == 3
