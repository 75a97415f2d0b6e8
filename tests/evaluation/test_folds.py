from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skedema.evaluation import evaluate

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(60, 2)), columns=["sodium", "age"])
Y = (X["sodium"] + RNG.normal(size=60) > 0).astype(int)
FITS = []
AT_MOST = {"fits": np.inf}


class Counted(LogisticRegression):
    def fit(self, X, y):
        if len(FITS) == AT_MOST["fits"]:
            raise KeyboardInterrupt
        FITS.append(self.C)
        return super().fit(X, y)


class NoPickle:
    def __deepcopy__(self, memo):
        return NoPickle()

    def __reduce__(self):
        raise TypeError("never")


@pytest.fixture
def run(tmp_path):
    def run(models, X=X, y=Y, **more):
        FITS.clear()
        settings = {"cv": 3, "random_state": 0, "storage": tmp_path} | more
        result = evaluate(models, X, y, **settings)
        return result, len(FITS)

    return run


def test_nothing_is_computed_twice(run):
    models = {"a": Counted(), "b": Counted(C=0.1)}
    first, n_first = run(models)
    second, n_second = run(models)
    assert (n_first, n_second) == (6, 0)
    pd.testing.assert_frame_equal(first.predictions, second.predictions)
    pd.testing.assert_frame_equal(first.folds, second.folds)
    plain, _ = run(models, storage=None)
    pd.testing.assert_frame_equal(first.predictions, plain.predictions)


def test_model_under_two_names_is_fitted_once_where_folds_are_kept(run):
    models = {"a": Counted(), "b": Counted(C=0.1), "again": Counted()}
    result, n_fits = run(models)
    assert n_fits == 6
    plain, n_plain = run(models, storage=None)
    assert n_plain == 9
    pd.testing.assert_frame_equal(result.predictions, plain.predictions)
    assert [len(kept) for kept in result.estimators.values()] == [3, 3, 3]
    assert run(models)[1] == 0


def test_interrupted_evaluation_goes_on(run, monkeypatch):
    models = {"a": Counted(), "b": Counted(C=0.1)}
    monkeypatch.setitem(AT_MOST, "fits", 4)
    with pytest.raises(KeyboardInterrupt):
        run(models)
    assert FITS == [1.0, 1.0, 1.0, 0.1]
    monkeypatch.undo()
    result, n_fits = run(models)
    assert n_fits == 2
    plain, _ = run(models, storage=None)
    pd.testing.assert_frame_equal(result.predictions, plain.predictions)


def test_estimator_that_is_added_later_is_all_that_is_computed(run):
    run({"a": Counted()})
    _, n_fits = run({"renamed": Counted(verbose=0), "new": Counted(C=2)})
    assert n_fits == 3


def test_other_data_folds_and_parameters_are_other_entries(run):
    models = {"a": Counted()}
    run(models)
    assert run(models, X=X + 1e-9)[1] == 3
    assert run(models, X=X.rename(columns={"age": "years"}))[1] == 3
    assert run(models, y=1 - Y)[1] == 3
    assert run(models, random_state=1)[1] == 3
    assert run({"a": Counted(tol=1e-3)})[1] == 3
    assert run({"a": make_pipeline(StandardScaler(), Counted())})[1] == 3
    assert run({"a": make_pipeline(StandardScaler(with_std=False), Counted())})[1] == 3
    assert run(models)[1] == 0


def test_folds_must_be_the_same_in_a_later_session(run):
    models = {"a": Counted()}
    for more in (
        {"random_state": None},
        {"random_state": np.random.RandomState(0)},
        {"cv": StratifiedKFold(3, shuffle=True)},
        {"cv": StratifiedShuffleSplit(3)},
    ):
        with pytest.raises(ValueError, match="same in a later session"):
            run(models, **more)
    run(models, cv=StratifiedKFold(3), random_state=None)
    run(models, cv=list(StratifiedKFold(3, shuffle=True).split(X, Y)), random_state=None)


def test_damaged_entry_is_computed_anew(run, tmp_path):
    models = {"a": Counted()}
    first, _ = run(models)
    path = sorted(tmp_path.glob("*.array"))[0]
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="damaged"):
        second, n_fits = run(models)
    assert n_fits == 1
    pd.testing.assert_frame_equal(first.predictions, second.predictions)


def test_what_cannot_be_told_apart_is_refused_with_storage_only(run):
    models = {"odd": Counted(warm_start=NoPickle())}
    with pytest.raises(TypeError, match="Estimator 'odd' cannot be told"):
        run(models)


def test_processes_keep_what_they_compute(run, tmp_path):
    models = {"a": LogisticRegression()}
    run(models, n_jobs=2)
    assert len(list(tmp_path.glob("*.array"))) == 3


_SCRIPT = """
import sys, time
import numpy as np
from sklearn.linear_model import LogisticRegression
from skedema.evaluation import evaluate

class Slow(LogisticRegression):
    def fit(self, X, y):
        print("fit", flush=True)
        time.sleep(float(sys.argv[2]))
        return super().fit(X, y)

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 2))
y = (X[:, 0] > 0).astype(int)
result = evaluate({"slow": Slow()}, X, y, cv=4, random_state=0, storage=sys.argv[1])
print(len(result.predictions))
"""


@pytest.mark.slow
def test_killed_evaluation_goes_on_where_it_stopped(tmp_path):
    script, folder = tmp_path / "script.py", tmp_path / "kept"
    script.write_text(_SCRIPT, encoding="utf-8")

    def started(seconds):
        command = [sys.executable, "-W", "error", script, folder, seconds]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    first = started("0.5")
    while len(list(folder.glob("*.array"))) < 2 and first.poll() is None:
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    n_kept = len(list(folder.glob("*.array")))
    assert 2 <= n_kept < 4
    said, _ = started("0").communicate()
    assert said.split() == ["fit"] * (4 - n_kept) + ["40"]
