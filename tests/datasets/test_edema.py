from __future__ import annotations

import numpy as np
import pytest

from skedema.datasets._edema import MEDIAN_BLOOD, finding_from_severity, with_blood
from skedema.datasets._phantom import GREY, WHITE

SHOWN = {
    "none": set(),
    "infarct": {"volume", "water_uptake", "effacement", "shift"},
    "haemorrhage": {"volume", "water_uptake", "effacement", "shift"},
    "diffuse": {"water_uptake", "effacement", "contrast_loss"},
}


@pytest.mark.parametrize("pattern", SHOWN)
def test_findings_grow_from_nothing_or_are_zero(pattern):
    grid = [finding_from_severity(pattern, u) for u in np.linspace(-6, 6, 200)]
    for name in set(grid[0]._fields) - {"blood"}:
        values = np.array([getattr(finding, name) for finding in grid])
        if name in SHOWN[pattern]:
            assert np.all(np.diff(values) > 0)
            assert 0 <= values[0] < 0.02 * values[-1]
        else:
            assert not values.any()


def test_only_a_haemorrhage_has_blood_and_the_severity_does_not_change_it():
    for pattern in SHOWN:
        blood = {finding_from_severity(pattern, u).blood for u in (-2.0, 0.0, 2.0)}
        assert blood == {MEDIAN_BLOOD if pattern == "haemorrhage" else 0.0}


@pytest.mark.parametrize("pattern", ["infarct", "haemorrhage"])
def test_fluid_is_lost_before_the_midline_shifts(pattern):
    early, latest = (finding_from_severity(pattern, u) for u in (0, 6))
    assert early.effacement / latest.effacement > 1.5 * early.shift / latest.shift


def test_net_water_uptake_of_infarcts_is_the_published_one():
    # Broocks et al., Stroke 2018: 18.0 +- 5.7 % and 7.1 +- 5.2 %, 2.0 standard deviations apart
    rng = np.random.default_rng(0)
    for mean, expected in ((1.0, 0.180), (-1.0, 0.071)):
        values = [
            finding_from_severity("infarct", u).water_uptake for u in rng.normal(mean, 1, 2000)
        ]
        assert np.mean(values) == pytest.approx(expected, abs=0.006)
        assert np.std(values) == pytest.approx(0.0545, abs=0.009)  # bent at 0
        assert min(values) > 0


def test_grey_and_white_matter_have_the_published_ratios():
    # Choi et al. 2008: 1.28 after a cardiac arrest with a good outcome, 1.19 with a poor one
    def ratio(u):
        return 1 + (GREY / WHITE - 1) * (1 - finding_from_severity("diffuse", u).contrast_loss)

    assert ratio(-6) == pytest.approx(1.28, abs=0.01)
    assert 1.2 < ratio(-1) < 1.28
    assert ratio(0) == pytest.approx(1.18, abs=0.01)
    assert 1.05 < ratio(1.5) < 1.16


def test_the_rim_keeps_its_share_of_the_blood():
    usual = finding_from_severity("haemorrhage", 0.5)
    assert with_blood(usual, usual.blood) == usual
    large = with_blood(usual, 8 * usual.blood)
    assert large.volume / large.blood == pytest.approx(usual.volume / usual.blood)
    assert large.shift == pytest.approx(2 * usual.shift)
    assert large.water_uptake == usual.water_uptake
