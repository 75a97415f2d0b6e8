from __future__ import annotations

import itertools

import pytest

from skedema.evaluation._report import Material, cost


def clock(monkeypatch, step):
    ticks = itertools.count(0, step)
    monkeypatch.setattr(cost.time, "perf_counter", lambda: float(next(ticks)))


def test_what_takes_long_is_told_before_it_begins(result, monkeypatch):
    material = Material(result, "logistic", 2, 10, False)
    clock(monkeypatch, 2.0)  # seconds a prediction; 3 folds, 6 columns, 5 times
    with pytest.warns(UserWarning, match=r"about 3 min.* 90 predictions; sections= without 'imp"):
        cost.tell_of_importance(material)
    with pytest.warns(UserWarning, match=r"3 more patients.*'gallery'"):
        cost.tell_of_gallery(40.0, 3)


def test_what_is_quick_is_not(result, monkeypatch):
    clock(monkeypatch, 0.1)
    cost.tell_of_importance(Material(result, "logistic", 2, 10, False))
    cost.tell_of_gallery(5.0, 3)
