from __future__ import annotations

import numpy as np
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import check_scoring
from sklearn.model_selection import StratifiedKFold, cross_val_score

from skedema.search._folds import score_fold

X, Y = make_classification(90, 5, flip_y=0.3, random_state=0)
SPLITS = list(StratifiedKFold(3).split(X, Y))
MODEL = LogisticRegression()
AUC = check_scoring(MODEL, "roc_auc")


def test_scores_are_those_of_cross_validation():
    weights = {"sample_weight": np.arange(90.0)}
    found = [score_fold(MODEL, X, Y, split, AUC, weights) for split in SPLITS]
    wanted = cross_val_score(MODEL, X, Y, cv=SPLITS, scoring="roc_auc", params=weights)
    assert [fold.score for fold in found] == wanted.tolist()
    assert all(fold.error is None and fold.fit_seconds > 0 for fold in found)
    assert not hasattr(MODEL, "coef_")


def test_an_error_is_given_back():
    one_class = np.flatnonzero(Y), np.flatnonzero(Y == 0)
    fold = score_fold(MODEL, X, Y, one_class, AUC, {})
    assert isinstance(fold.error, ValueError)
    assert np.isnan([fold.score, fold.fit_seconds, fold.score_seconds]).all()
