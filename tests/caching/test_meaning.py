from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import fbeta_score, make_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema._caching.meaning import digest
from skedema.encoders import CNN


def of(thing):
    return digest(thing, "thing")


FRAME = pd.DataFrame({"age": [60, None, 71.0], "sex": ["f", None, "m"], "n": [1, 2, 3]})
POLARS = pl.DataFrame({"age": [60.0, None, 71.0], "sex": ["f", None, "m"], "n": [1, 2, 3]})


def test_tables_count_by_their_values_names_and_order():
    for table in (FRAME, POLARS, FRAME["age"], POLARS["age"]):
        assert of(table) == of(table[:])
        assert of(table) != of(table[:2])
    assert of(FRAME) != of(FRAME[["sex", "age", "n"]])
    assert of(FRAME) != of(FRAME.rename(columns={"age": "Age"}))
    assert of(FRAME) != of(FRAME.replace({"n": {3: 4}}))
    assert of(FRAME) == of(FRAME.set_axis([5, 6, 7]))  # folds go by position
    assert of(FRAME.assign(sex=FRAME["sex"].astype("category"))) == of(FRAME)


def test_arrays_count_by_value_and_type_whatever_their_layout():
    values = np.arange(6.0).reshape(2, 3)
    assert of(values) == of(np.asfortranarray(values)) == of(np.repeat(values, 2, axis=1)[:, ::2])
    assert of(values) != of(values.astype(np.float32))
    assert of(values) != of(values.reshape(3, 2))


def test_scans_count_by_path_or_by_voxels():
    paths = pd.DataFrame({"scan": [Path("a.nii.gz"), Path("b.nii.gz"), None]})
    assert of(paths) == of(paths.assign(scan=["a.nii.gz", "b.nii.gz", None]))
    assert of(paths) != of(paths.assign(scan=["a.nii.gz", "c.nii.gz", None]))
    voxels = [np.zeros((4, 4, 4)), np.ones((4, 4, 4))]
    assert of(voxels) == of([scan.copy() for scan in voxels])
    assert of(voxels) != of(voxels[::-1])


def test_estimators_count_by_parameters_and_not_by_how_they_run():
    clf = AttentionMixerClassifier(encoder=CNN(width=4), volume=VolumeReader(shape=8))
    same = AttentionMixerClassifier(
        encoder=CNN(width=4), volume=VolumeReader(shape=8), n_jobs=2, verbose=1, memory="here"
    )
    assert of(clf) == of(same) == of(same.set_params(checkpoint_dir="there"))
    for other in ({"encoder__width": 8}, {"volume__shape": 9}, {"lr": 0.1}, {"encoder": "cnn"}):
        assert of(clf) != of(same.set_params(**other))
        same.set_params(encoder=CNN(width=4), volume=VolumeReader(shape=8), lr=1e-3)
    pipelines = [make_pipeline(StandardScaler(), LogisticRegression(C=c)) for c in (1, 1, 2)]
    assert of(pipelines[0]) == of(pipelines[1]) != of(pipelines[2])
    X, y = np.random.default_rng(0).normal(size=(20, 2)), np.tile([0, 1], 10)
    assert of(pipelines[0].fit(X, y)) == of(pipelines[1])  # a clone does not know what was learned


class Means(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.mean_ = X.mean()
        return self

    def transform(self, X):
        return X.mean(axis=(1, 2)) - self.mean_


def test_frozen_encoders_count_by_what_they_have_learned():
    scans = [np.random.default_rng(i).normal(40, 10, (16, 16, 16)) for i in range(3)]

    def fitted(seed, **more):
        reader = VolumeReader(shape=16)
        return ViTAutoencoder(
            size="tiny", volume=reader, max_epochs=1, random_state=seed, **more
        ).fit(scans)

    first = fitted(0)
    before = of(FrozenEstimator(first))
    first.transform(scans)  # fills caches
    assert of(FrozenEstimator(first)) == before
    assert of(FrozenEstimator(fitted(0, n_jobs=1, verbose=0))) == before  # fitted anew
    assert of(FrozenEstimator(fitted(1).set_params(random_state=0))) != before
    scaled = [
        make_pipeline(VolumeReader(shape=4), Means()).fit(s) for s in (scans, scans, scans[:2])
    ]
    digests = [of(FrozenEstimator(pipeline)) for pipeline in scaled]
    assert digests[0] == digests[1] != digests[2]


def test_functions_count_by_code_and_scorers_by_parameters():
    def threshold(at):
        return lambda estimator, X, y: at

    assert of(threshold(1)) == of(threshold(1)) != of(threshold(2))
    assert of(make_scorer(fbeta_score, beta=1)) != of(make_scorer(fbeta_score, beta=2))
    assert of(functools.partial(max, 1)) != of(functools.partial(max, 2))


_SCRIPT = """
import numpy as np, pandas as pd
from skedema import AttentionMixerClassifier
from skedema.encoders import CNN
from skedema._caching.meaning import digest
from sklearn.metrics import make_scorer, f1_score

frame = pd.DataFrame({"age": [60, None, 71.0], "sex": ["f", None, "m"], "n": [1, 2, 3]})
clf = AttentionMixerClassifier(encoder=CNN(), callbacks=[], class_weight={"b": 1, "a": 2})
things = [frame, clf, make_scorer(f1_score), {"b", "a", "c"}, lambda trial: {"a": 1} | {"b": 2}]
print(*(digest(thing, "thing") for thing in things))
"""


def test_class_whose_code_was_edited_is_another():
    def kind(code):
        names = {"LogisticRegression": LogisticRegression, "__name__": "models"}
        exec(f"class Model(LogisticRegression):\n    def fit(self, X, y):\n        {code}", names)
        return names["Model"]

    assert of(kind("return self")()) == of(kind("return self")()) != of(kind("return 1")())


@pytest.mark.slow
def test_digests_are_the_same_in_other_processes(capsys):
    exec(_SCRIPT, {"__name__": "__main__"})
    here = capsys.readouterr().out
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    there = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        env={"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert here == there.stdout
    assert of(FRAME) == here.split()[0]
