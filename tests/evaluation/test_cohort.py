from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from skedema.evaluation import evaluate

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(80, 3)), columns=["sodium", "glucose", "age"])
Y = (X["sodium"] + RNG.normal(size=80) > 0.3).astype(int)
MODELS = {"lr": LogisticRegression(), "prevalence": DummyClassifier()}
FOLDS = StratifiedKFold(4, shuffle=True, random_state=3)
LABELLED = X.set_index(pd.Index([f"P{i}" for i in range(80)]))
SITE = pd.Series(["A", "B"] * 40, index=LABELLED.index)
ANOTHER_ORDER = "hold the same row labels in another order"


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        ("groups", {"groups": SITE[::-1]}),
        ("subgroups['site']", {"subgroups": {"site": SITE[::-1]}}),
        ("subgroups", {"subgroups": SITE[::-1].to_frame("site")}),
    ],
)
def test_what_comes_beside_X_must_be_in_the_order_of_its_rows(name, beside):
    y = Y.set_axis(LABELLED.index)
    with pytest.raises(ValueError, match=re.escape(f"X and {name} {ANOTHER_ORDER}")):
        evaluate(MODELS, LABELLED, y, **beside)
    if "groups" in beside:  # X without labels, y with
        with pytest.raises(ValueError, match=re.escape(f"y and {name} {ANOTHER_ORDER}")):
            evaluate(MODELS, X.to_numpy(), y, **beside)
    with pytest.raises(ValueError, match=f"X and y {ANOTHER_ORDER}"):
        evaluate(MODELS, LABELLED, y[::-1])


def test_following_the_remedy_aligns_labels():
    y = Y.set_axis(LABELLED.index)
    wanted = evaluate(MODELS, LABELLED, y, cv=FOLDS).predictions
    mixed_up = y.sample(frac=1, random_state=0)
    found = evaluate(MODELS, LABELLED, mixed_up.loc[LABELLED.index], cv=FOLDS).predictions
    pd.testing.assert_frame_equal(found, wanted)


def test_numbers_that_are_no_classes_are_refused():
    with pytest.raises(ValueError, match="80 numbers that are no classes"):
        evaluate(MODELS, X, X["age"])
    with pytest.raises(ValueError, match=r"one class only, \[1\]"):
        evaluate(MODELS, X, np.ones(80, dtype=int))
