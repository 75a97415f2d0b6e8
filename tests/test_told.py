from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pandas as pd
import pytest
from sklearn.model_selection import cross_val_score

from skedema import AttentionMixerClassifier
from skedema._told import first_time_here, is_table_told, listening, recorded, table_told, tell

X = pd.DataFrame({"age": [61.0, 74.0, 35.0, 52.0, 80.0] * 4, "site": [None] * 20})
Y = [0, 1] * 10


def test_a_table_is_told_in_one_thread_only():
    with table_told(), ThreadPoolExecutor(1) as pool:
        assert is_table_told()
        assert not pool.submit(is_table_told).result()
    assert not is_table_told()


def test_what_is_told_is_heard_instead_of_warned_in_one_thread_only():
    with warnings.catch_warnings(), ThreadPoolExecutor(1) as pool:
        warnings.simplefilter("error")
        with listening() as outer:
            with listening() as inner:
                tell("one")
            tell("two")
            assert isinstance(pool.submit(tell, "three").exception(), UserWarning)
    assert (inner, outer) == (["one"], ["two"])
    with pytest.warns(UserWarning, match="four"):
        tell("four")


def test_threads_record_each_its_own_warnings_and_leave_no_trace():
    state = warnings.filters[:], warnings.showwarning
    steps = Barrier(2, timeout=60)

    def leave_in_turns(name):
        steps.wait()
        if name == "second":  # it comes in when the first is inside, and leaves after it
            steps.wait()
        with recorded() as heard:
            if name == "first":
                steps.wait()
            steps.wait()
            for _ in range(2):  # each time, whatever was shown before
                warnings.warn(name, UserWarning, stacklevel=1)
            steps.wait()
            if name == "second":
                steps.wait()
        if name == "first":
            steps.wait()
        return heard

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(leave_in_turns, ["first", "second"]))
    assert found == [["first"] * 2, ["second"] * 2]
    assert (warnings.filters, warnings.showwarning) == state


def test_who_records_nothing_is_shown_what_he_raises():
    with (
        warnings.catch_warnings(record=True) as shown,
        ThreadPoolExecutor(1) as pool,
        recorded() as heard,
    ):
        pool.submit(warnings.warn, "other", UserWarning).result()
        warnings.warn("own", UserWarning, stacklevel=1)
    assert heard == ["own"]
    assert [str(each.message) for each in shown] == ["other"]


def test_a_warning_is_at_the_line_of_the_caller():
    clf = AttentionMixerClassifier(max_epochs=1, random_state=0)
    with pytest.warns(UserWarning, match="no value at all") as caught:
        clf.fit(X, Y)
    with pytest.warns(UserWarning, match="no value at all") as folds:
        cross_val_score(clf, X, Y, cv=2)
    assert [each.filename for each in (*caught, *folds)] == [__file__] * 3


def test_a_line_is_asked_for_the_first_time_once_whoever_called_it():
    def ask(deeper):  # frames that live at the same time have addresses of their own
        return [first_time_here("test"), *(ask(deeper - 1) if deeper else [])]

    assert ask(2) == [True, False, False]
    assert ask(0) == [False]
    assert first_time_here("test")
