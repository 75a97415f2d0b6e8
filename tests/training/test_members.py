from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skedema._training.classes import Classes
from skedema._training.members import count_members, shared_out
from skedema._training.patients import Patients
from skedema._training.target import Target


def codes(*counts: int) -> np.ndarray:
    return np.repeat(np.arange(len(counts)), counts)


def target(*counts: int, n_classes: int | None = None) -> Target:
    found = codes(*counts)
    return Target(Classes(n_classes or len(counts)), found, np.ones(len(found)), found)


@pytest.mark.parametrize(
    ("counts", "n_members"),
    [
        ((20, 19), 1),
        ((20, 20), 4),
        ((91, 9), 1),
        ((90, 10), 4),
        ((40, 40, 40), 4),
        ((250, 250), 4),
        ((251, 250), 1),
    ],
)
def test_some_hundred_patients_have_several_members(counts, n_members):
    assert count_members("auto", target(*counts), trained=False) == n_members
    assert count_members("auto", target(*counts), trained=True) == 1
    assert count_members(3, target(*counts), trained=False) == 3


def test_a_class_that_is_announced_but_absent_makes_no_members():
    assert count_members("auto", target(100, 100, n_classes=3), trained=False) == 1


def test_members_do_not_share_an_encoder_that_is_trained():
    assert count_members(1, target(9, 9), trained=True) == 1
    with pytest.raises(ValueError, match=r"n_members=2 needs .* fine_tune=False, or n_members=1"):
        count_members(2, target(9, 9), trained=True)


def test_a_class_of_one_patient_would_be_unknown_to_the_member_that_leaves_it_out():
    with pytest.raises(ValueError, match=r"n_members=4 .* have \[59, 1\]. Use n_members=1"):
        count_members(4, target(59, 1), trained=False)
    assert count_members(1, target(59, 1), trained=False) == 1
    assert count_members(4, target(58, 2), trained=False) == 4
    learned, _ = shared_out(group(codes(58, 2)), codes(58, 2), 4, seed=0)
    assert (learned.weight[-2:] > 0).any(dim=0).all()


def group(labels: np.ndarray, weight: np.ndarray | None = None) -> Patients:
    n = len(labels)
    present = np.zeros(n, dtype=bool)
    return Patients(np.zeros((n, 2)), present, target=labels, weight=weight, dtype=torch.float64)


def test_each_patient_is_left_out_by_one_member_and_watched_by_it():
    labels = np.random.default_rng(0).permutation(codes(41, 22))
    weight = np.random.default_rng(1).uniform(0.5, 2, 63)
    learned, watched = shared_out(group(labels, weight), labels, 4, seed=3)
    assert learned.weight.shape == watched.weight.shape == (63, 4)
    assert_array_equal((learned.weight == 0).sum(dim=1), np.ones(63))
    assert_array_equal(watched.weight > 0, learned.weight == 0)
    for part in (watched.weight > 0).numpy().T:
        assert np.bincount(labels[part])[0] in (10, 11)
        assert np.bincount(labels[part])[1] in (5, 6)
    assert_allclose(learned.weight.mean(dim=0), np.ones(4))
    assert_allclose(watched.weight.sum(dim=1), 4 * weight)  # their mean is that of `weight`
    ratio = (learned.weight / torch.as_tensor(weight)[:, None]).numpy()
    assert all(len(np.unique(column.round(9))) == 2 for column in ratio.T)  # 0 and a factor


def test_parts_are_drawn_by_the_seed_alone():
    labels = codes(30, 30)
    drawn = [shared_out(group(labels), labels, 3, seed)[0] for seed in (0, 0, 1)]
    first, again, other = (learned.weight for learned in drawn)
    assert first.equal(again)
    assert not first.equal(other)


def test_a_member_without_anyone_to_learn_from_has_no_weights_that_are_not_finite():
    weight = np.zeros(8)
    weight[2] = 1
    learned, _ = shared_out(group(codes(4, 4), weight), codes(4, 4), 2, seed=0)
    assert learned.weight.isfinite().all()
    assert_array_equal(learned.asked.sum(dim=1), np.ones(8))  # those without weight are asked, too
