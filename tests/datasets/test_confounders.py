from __future__ import annotations

import numpy as np
import pytest

from skedema.datasets._acquisition import HEIGHT
from skedema.datasets._confounders import (
    NO_CONFOUNDERS,
    draw_confounders,
    hardening,
    holes,
    widening,
)
from skedema.datasets._grid import straight_grid
from skedema.datasets._lesions import place_lesion
from skedema.datasets._phantom import draw_head, render_head

GRID = straight_grid((48, 48, 48), (4.3, 4.3, 4.3))
POINTS = GRID.points() - np.float32([[0], [0], [HEIGHT]])
HEAD = draw_head(70, "female", np.random.default_rng(0))


def render(confounders, lesion=None):
    return render_head(HEAD, lesion, confounders, POINTS, GRID.voxel_mm3)


def drawn(age, n):
    return [draw_confounders(age, np.random.default_rng(seed)) for seed in range(n)]


def an_old_infarct():
    return next(each.old_infarct for each in drawn(90, 200) if each.old_infarct)


def test_they_grow_more_common_with_age_and_stay_a_minority():
    young, old = drawn(40, 1500), drawn(85, 1500)
    share = [np.mean([each.old_infarct is not None for each in group]) for group in (young, old)]
    assert share[0] < 0.05 < 0.1 < share[1] < 0.2
    lacunes = [np.mean([len(each.lacunes) for each in group]) for group in (young, old)]
    assert lacunes[0] < 0.5 < lacunes[1] < 1
    pale = [np.mean([each.leukoaraiosis for each in group]) for group in (young, old)]
    assert pale[0] < 0.015 < 0.03 < pale[1] < 0.1


def test_an_old_infarct_is_a_hole_of_fluid_in_its_own_hemisphere():
    old = an_old_infarct()
    confounders = NO_CONFOUNDERS._replace(old_infarct=old)
    change = render(confounders) - render(NO_CONFOUNDERS)
    hole = change < -10
    assert 2 < hole.sum() * GRID.voxel_mm3 / 1000 < 60
    assert (old.side * POINTS[0][hole] > -5).all()
    assert 8 <= render(confounders)[hole].min() <= 16


def test_the_ventricle_beside_an_old_infarct_is_wider_and_the_midline_stays():
    old = an_old_infarct()
    confounders = NO_CONFOUNDERS._replace(old_infarct=old)
    assert widening(confounders, old.side) > 1 == widening(confounders, -old.side)
    near = (np.abs(POINTS[1]) < 30) & (np.abs(POINTS[2] - 14) < 9) & (np.abs(POINTS[0]) < 22)
    darker = near & (render(confounders) < render(NO_CONFOUNDERS) - 1)
    assert darker.any()
    assert (old.side * POINTS[0][darker] > -1).all()


def test_lacunes_are_small_holes_deep_in_the_brain():
    confounders = NO_CONFOUNDERS._replace(lacunes=(((20.0, 0.0, 10.0), 4.0),))
    depth = np.full(POINTS.shape[1], 40, dtype=np.float32)
    share = holes(confounders, POINTS, depth, 4.3)
    assert share.sum() * GRID.voxel_mm3 == pytest.approx(4 / 3 * np.pi * 4**3, rel=0.3)
    assert not holes(confounders, POINTS, depth * 0, 4.3).any()


def test_leukoaraiosis_darkens_white_matter_beside_the_ventricles_alone():
    change = render(NO_CONFOUNDERS._replace(leukoaraiosis=0.2)) - render(NO_CONFOUNDERS)
    assert -6 < change.min() < -2
    cortex = (np.abs(POINTS[0]) > 52) & (POINTS[2] > 0)
    assert change[cortex].min() > -0.5


def test_beam_hardening_darkens_the_space_between_the_petrous_bones():
    confounders = NO_CONFOUNDERS._replace(band=10.0)
    points = np.float32([[0, -18, -48], [0, -18, 20], [60, -18, -48]]).T
    taken = hardening(confounders, points, np.ones(3, dtype=np.float32))
    np.testing.assert_allclose(taken, [10, 0, 0], atol=0.1)
    cupped = hardening(NO_CONFOUNDERS._replace(cupping=2.0), points, np.float32([1, 0.5, 0]))
    np.testing.assert_allclose(cupped, [2, 1, 0])


def test_what_confounders_change_far_from_the_edema_does_not_depend_on_the_severity():
    confounders = draw_confounders(85, np.random.default_rng(3))
    confounders = confounders._replace(old_infarct=an_old_infarct())
    mild, severe = (
        render(confounders, place_lesion("infarct", u, np.random.default_rng(0)))
        for u in (-1.0, 2.0)
    )
    outside = ((POINTS / np.float32([[75], [92], [75]])) ** 2).sum(axis=0) > 1
    np.testing.assert_array_equal(mild[outside], severe[outside])
