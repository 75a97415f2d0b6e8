from __future__ import annotations

import itertools
import re

from skedema.evaluation._report import Material, cost


def clock(monkeypatch, step):
    ticks = itertools.count(0, step)
    monkeypatch.setattr(cost.time, "perf_counter", lambda: float(next(ticks)))


def test_what_takes_long_is_told_before_it_begins(result, monkeypatch, caplog):
    material = Material(result, "logistic", 2, 10, False)
    clock(monkeypatch, 2.0)  # seconds a prediction; 3 folds, 6 columns, 5 times
    cost.tell_of_importance(material)
    cost.tell_of_gallery(40.0, 3)
    first, second = caplog.messages
    assert re.search(r"about 3 min.* 90 predictions; sections= without 'imp", first)
    assert re.search(r"3 more patients.*'gallery'", second)


def test_what_is_quick_is_not(result, monkeypatch, caplog):
    clock(monkeypatch, 0.1)
    cost.tell_of_importance(Material(result, "logistic", 2, 10, False))
    cost.tell_of_gallery(5.0, 3)
    assert not caplog.messages
