from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from skedema.datasets._subject import PATTERNS, SITES
from skedema.datasets._variables import (
    CATEGORIES,
    COLUMNS,
    MEASURES,
    PATTERN_AND_LABEL,
    PREVALENCE,
    SEPARATION,
    SITE,
    SITE_POWER,
    TURNED,
    VARIABLES,
    with_interaction,
)


def test_patterns_and_labels_have_the_stated_prevalence():
    assert PATTERN_AND_LABEL.shape == (len(PATTERNS), 2)
    assert PATTERN_AND_LABEL.sum() == pytest.approx(1, abs=1e-12)
    assert PATTERN_AND_LABEL[:, 1].sum() == pytest.approx(PREVALENCE, abs=1e-12)


def test_the_finding_has_the_stated_auc_by_numerical_integration():
    odds = np.linspace(-30, 30, 200_001)
    below = np.zeros((2, len(odds)))
    for (without, with_edema), d in zip(PATTERN_AND_LABEL, SEPARATION, strict=True):
        start = np.log(with_edema / without)
        for y, share in enumerate((without, with_edema)):
            if d:
                below[y] += share * norm.cdf((odds - start) / d, d * (y - 0.5))
            else:
                below[y] += share * (odds >= start)
    below /= below[:, -1:]
    auc = ((below[0, 1:] + below[0, :-1]) / 2 * np.diff(below[1])).sum()
    assert auc == pytest.approx(0.88, abs=0.002)


def test_published_separations():
    water_uptake = (18.0 - 7.1) / np.sqrt((5.7**2 + 5.2**2) / 2)
    assert SEPARATION[PATTERNS.index("infarct")] == pytest.approx(water_uptake, abs=0.02)
    grey_white_ratio = np.sqrt(2) * norm.ppf(0.869)
    assert SEPARATION[PATTERNS.index("diffuse")] == pytest.approx(grey_white_ratio, abs=0.02)
    assert SEPARATION[PATTERNS.index("none")] == 0


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_noise_is_left_in_every_pattern(measure):
    assert (measure.loading**2 + np.square(measure.link) < 0.95).all()
    assert measure.link[PATTERNS.index("none")] == 0, "a clean scan shows no severity"


@pytest.mark.parametrize("category", CATEGORIES, ids=lambda category: category.name)
def test_shares_add_up(category):
    share = np.array(category.share)
    assert share.shape == (len(category.values), len(PATTERNS), 2)
    np.testing.assert_allclose(share.sum(axis=0), 1, atol=1e-12)


def test_what_anatomy_and_scanner_depend_on_tells_nothing_and_is_always_recorded():
    by_name = {variable.name: variable for variable in VARIABLES}
    assert not any(by_name["age"].effect + by_name["age"].shift + by_name["age"].link)
    for name in ("sex", "site"):
        assert np.ptp(by_name[name].share, axis=(1, 2)).max() == 0
    for name in ("age", "sex", "site", "anticoagulated"):
        assert by_name[name].gaps is None


def test_sites_lose_as_much_as_asked_on_average():
    share = np.array(SITE.share)[:, 0, 0]
    assert SITE.values == SITES
    assert share @ SITE_POWER == pytest.approx(1)
    assert list(SITE_POWER) == sorted(SITE_POWER)


def test_what_a_variable_depends_on_comes_before_it():
    assert COLUMNS.index("site") < min(
        COLUMNS.index(variable.name) for variable in VARIABLES if variable.gaps is not None
    )
    assert COLUMNS.index("anticoagulated") < COLUMNS.index("anti_xa")


def test_interaction_turns_some_effects_in_infarcts_and_nothing_else():
    infarct = PATTERNS.index("infarct")
    assert with_interaction(0.0) == VARIABLES
    for interaction, share in ((0.25, 0.5), (0.5, 0.0), (1.0, -1.0)):
        for usual, variable in zip(VARIABLES, with_interaction(interaction), strict=True):
            if variable.name not in TURNED:
                assert variable == usual
                continue
            assert (
                variable.effect[infarct] == share * usual.effect[infarct] != usual.effect[infarct]
            )
            effect = np.array(variable.effect)
            effect[infarct] = usual.effect[infarct]
            assert variable._replace(effect=tuple(effect)) == usual
