from __future__ import annotations

import re
import sys
from html import unescape

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from skedema.inspection import ScanRelevance, explain

from ._patients import cohort, model, patient


@pytest.fixture(scope="module")
def found():
    X, y = cohort()
    return explain(model(), patient(gcs=None), reference=(X, y))


def test_words_tell_every_part_with_its_numbers(found):
    text = str(found)
    first = text.splitlines()[0]
    row = found.interval.loc["none"]
    assert f"probability of none {found.of_target:.2f}" in first
    assert f"95 % interval {row['low']:.2f} to {row['high']:.2f}" in first
    assert f"Venn-Abers {row['p0']:.2f} and {row['p1']:.2f}" in first
    assert f"from {found.nothing_known:.2f}" in text
    top = found.frame().iloc[0]
    assert f"  {found.frame().index[0]} = " in text
    assert f"{top['log_odds']:+.2f}, {top['probability']:+.2f}" in text
    assert "gcs: with other values the probability is" in text
    assert f"row {found.neighbours['row'].iloc[0]}: " in text
    assert found.description == text


class Band(ClassifierMixin, BaseEstimator):
    """Ill only between two bounds, so that what lies beyond a flip flips back."""

    classes_, feature_names_in_ = np.array(["well", "ill"]), np.array(["sodium"])

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict_proba(self, X):
        ill = ((X["sodium"] > 125) & (X["sodium"] < 130)).to_numpy(dtype=float)
        return np.column_stack([1 - ill, ill])


def test_words_tell_a_flip_and_nothing_of_what_lies_beyond_it():
    X = pd.DataFrame({"sodium": np.linspace(120.0, 150.0, 60)})
    y = np.repeat(["well", "ill"], 30)
    text = str(explain(Band(), {"sodium": 140.0}, reference=(X, y)))
    assert re.search(r"sodium, now 140: a lower value, 1(29\.9.*|30), makes it ill", text)
    assert "or lower" not in text


def test_where_no_value_was_tried_none_is_said_to_change_nothing():
    found = explain(Band(), {"sodium": 140.0})
    assert "No single value that was tried would change the prediction." in str(found)
    assert "no other was tried: give reference=(X, y)" in str(found)


def test_frame_begins_with_what_moved_most(found):
    sizes = found.frame()["log_odds"].abs()
    assert sizes.is_monotonic_decreasing
    assert sorted(sizes.index) == sorted(found.contributions.index)


def test_bars_are_the_contributions(found):
    assert found.plot() is found
    widths = [bar.get_width() for bar in found.ax_.patches]
    assert widths == pytest.approx(found.frame()["log_odds"].tolist())
    names = [label.get_text() for label in found.ax_.get_yticklabels()]
    assert names[-1] == "gcs: missing"
    assert "sodium = 128" in names
    assert found.ax_.figure is found.figure_
    plt.close(found.figure_)
    _, ax = plt.subplots()
    assert found.plot(ax).ax_ is ax
    plt.close(ax.figure)


def text_of(path):
    html = re.sub(r"<(style|script)>.*?</\1>", " ", path.read_text(encoding="utf-8"), flags=re.S)
    return unescape(re.sub(r"<[^>]+>", " ", html))


def test_page_holds_every_part_and_no_identifier_unless_asked(found, tmp_path):
    X, y = cohort()
    named = explain(model(), X.loc["P17"], reference=(X, y))
    named.report(tmp_path / "one.html")
    text = text_of(tmp_path / "one.html")
    for part in ("What moved it", "What would change it", "What is missing", "Nearest patients"):
        assert part in text
    assert "no medical device" in text
    assert "P17" not in text
    assert not plt.get_fignums()
    named.report(tmp_path / "two.html", patient="Mrs P17")
    assert "Mrs P17, explained" in text_of(tmp_path / "two.html")


def test_page_shows_where_in_the_scan_without_its_name(tmp_path):
    relevance = np.zeros((12, 12, 12), dtype=np.float32)
    relevance[6, 7, 8] = 0.2
    where = ScanRelevance(relevance, np.zeros((12, 12, 12)), np.eye(4), target="none", name="MRN7")
    found = explain(model(), patient())
    found.scan = where
    found.report(tmp_path / "one.html")
    html = (tmp_path / "one.html").read_text(encoding="utf-8")
    assert "Where in the scan" in html
    assert "MRN7" not in html
    assert html.count("<img") == 2
    assert "MRN7" not in str(found)


def test_notebook_gets_a_page_and_words_without_jinja2(found, monkeypatch):
    assert "One patient explained" in found._repr_html_()
    assert found._repr_html_().startswith("<iframe")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert found._repr_html_().startswith("<pre>")
    with pytest.raises(ImportError, match="pip install jinja2"):
        found.report("never.html")
