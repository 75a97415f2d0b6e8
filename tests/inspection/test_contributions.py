from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logit

from skedema.inspection._asked import asked_about
from skedema.inspection._contributions import contributions, exact, sampled

from ._patients import model, patient

_RNG = np.random.default_rng(0)
GAME = _RNG.normal(size=(2,) * 5 + (2,))  # the worth of each coalition of five, two of them


def worth(members):
    return GAME[tuple(members.astype(int).T)]


def by_all_orders():
    found = np.zeros((5, 2))
    orders = list(permutations(range(5)))
    for order in orders:
        there = np.zeros((1, 5), dtype=bool)
        for player in order:
            before = worth(there)[0]
            there[0, player] = True
            found[player] += worth(there)[0] - before
    return found / len(orders)


def test_all_coalitions_give_the_mean_over_all_orders():
    assert_allclose(exact(worth, 5)[0], by_all_orders())


def test_permutations_come_near_and_always_add_up():
    values, errors = sampled(worth, 5, 400, np.random.RandomState(0))
    expected = by_all_orders()
    # 10 numbers, each within 4 standard errors
    assert (np.abs(values - expected) < 4 * errors).all()
    whole = worth(np.ones((1, 5), bool)) - worth(np.zeros((1, 5), bool))
    for n in (2, 7):
        assert_allclose(sampled(worth, 5, n, np.random.RandomState(0))[0].sum(0), whole[0])


def test_coalitions_are_asked_for_at_once_and_each_one_once():
    calls = []
    sampled(lambda m: calls.append(m) or worth(m), 5, 50, np.random.RandomState(0))
    (members,) = calls
    assert len(np.unique(members, axis=0)) == len(members) <= 32


def of(**values):
    asked = asked_about(model(), patient(**values))
    rng = np.random.RandomState(0)
    return asked, contributions(asked, 0, n_permutations=10, random_state=rng)


def test_contributions_add_up_to_the_patient_less_nothing_known():
    asked, table = of()
    nothing = table.attrs["nothing_known"]
    unknown = model().predict_proba(dict.fromkeys(patient()))
    assert nothing == pytest.approx(unknown[0, 0], abs=1e-12)
    assert table["log_odds"].sum() == pytest.approx(logit(asked.proba[0]) - logit(nothing))
    assert table["probability"].sum() == pytest.approx(asked.proba[0] - nothing)
    assert (table["std_error"] == 0).all()


def test_what_counts_moves_it_and_what_is_missing_does_not():
    _, table = of(gcs=None)
    assert table.loc["gcs", ["log_odds", "probability"]].tolist() == [0, 0]
    assert table["value"].isna().tolist() == [False, True, False, False, False]
    assert set(table["log_odds"].abs().nlargest(2).index) == {"sodium", "side"}
    assert table.loc["sodium", "log_odds"] > 0.3


def test_nobody_known_has_no_contributions():
    asked = asked_about(model(), dict.fromkeys(patient()))
    table = contributions(asked, 0, n_permutations=10, random_state=np.random.RandomState(0))
    assert (table["log_odds"] == 0).all()
    assert table.attrs["nothing_known"] == pytest.approx(asked.proba[0], abs=1e-12)
