"""The benchmark of intervals."""

from __future__ import annotations

from numpy.testing import assert_allclose

from benchmarks import intervals
from skedema import AttentionMixerClassifier


def test_every_model_has_a_row_a_group_and_intervals_are_in_order(monkeypatch):
    monkeypatch.setattr(intervals, "SIZES", (100,))
    rows = list(intervals.report(1, 60, 4))
    assert {row[0] for row in rows} == set(intervals.MODELS)
    assert [row[3] for row in rows if row[2] == "all"] == ["4", "4"]
    assert all(0 <= float(cell) <= 1 for row in rows for cell in row[4:10])


def test_truth_is_that_of_the_patients_asked_about():
    table = intervals.one_draw("gradient boosting, half held out", 100, 0, 50, 50)
    assert (table["low"] <= table["high"]).all()
    assert (table["p0"] <= table["p1"]).all()
    _, _, posterior = intervals.patients(50, intervals.TESTED_SEED)
    assert table["posterior"].tolist() == posterior.tolist()


def test_a_single_network_is_asked_as_members_are():
    X, y, _ = intervals.patients(60, intervals.SEED)
    one = AttentionMixerClassifier(n_members=1, max_epochs=1, warn_unusual=False, random_state=0)
    each = intervals.members(one.fit(X, y), X)
    assert_allclose(each, one.predict_proba(X)[:, 1:], atol=1e-12)
