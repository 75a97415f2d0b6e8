from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score

from skedema.evaluation import evaluate
from skedema.evaluation.metrics import figures

RNG = np.random.default_rng(1)
X = RNG.normal(size=(90, 2))
TWO = (X[:, 0] + RNG.normal(size=90) > 0).astype(int)
THREE = np.digitize(X[:, 0] + 0.5 * RNG.normal(size=90), [-0.5, 0.5])
FOLDS = StratifiedKFold(3, shuffle=True, random_state=0)
OF_TWO = ["neg_log_loss", "matthews_corrcoef", "jaccard", "neg_brier_score", "f1_macro"]
OF_THREE = ["neg_log_loss", "roc_auc_ovo", "f1_weighted", "jaccard_macro", "roc_auc_ovr"]


@pytest.mark.parametrize(("y", "names"), [(TWO, OF_TWO), (THREE, OF_THREE)])
def test_folds_have_the_scores_of_cross_validation(y, names):
    model = LogisticRegression()
    result = evaluate({"lr": model}, X, y, cv=FOLDS, metrics=names)
    for name in names:
        wanted = cross_val_score(model, X, y, cv=FOLDS, scoring=name)
        np.testing.assert_allclose(result.per_fold[name], wanted, rtol=1e-12)


def test_scores_are_of_the_positive_class():
    words = np.where(TWO, "edema", "none")
    result = evaluate({"lr": LogisticRegression()}, X, words, cv=FOLDS, pos_label="edema")
    table = result.predictions
    found, missed, alarms = (
        ((table["label"] == a) & (table["predicted"] == b)).sum()
        for a, b in (("edema", "edema"), ("edema", "none"), ("none", "edema"))
    )
    summary = result.summary(["jaccard"], n_resamples=50)
    assert summary["pooled"][0] == found / (found + missed + alarms)
    assert summary["low"][0] < summary["pooled"][0] < summary["high"][0]


def test_where_a_class_is_missing_a_score_is_not_defined():
    assert np.isnan(figures([1, 1], [0.2, 0.8], names=["neg_log_loss"])["neg_log_loss"])


@pytest.mark.parametrize("name", ["r2", "neg_mean_squared_error", "rand_score"])
def test_scorers_of_other_than_classes_are_refused(name):
    with pytest.raises(ValueError, match=rf"'{name}' is of numbers or of clusters.* f1_macro"):
        evaluate({"lr": LogisticRegression()}, X, THREE, metrics=[name])
    with pytest.raises(ValueError, match="There is no metric") as error:
        figures([0, 1], [0.1, 0.2], names=[f"{name}s"])
    assert f"'{name}'" not in str(error.value)  # nor advised


def test_names_of_this_package_come_first():
    label, probability = [0, 1, 1, 0], [0.2, 0.8, 0.4, 0.6]
    assert figures(label, probability, names=["precision"])["precision"] == 0.5
    nothing = figures(TWO, np.zeros(90), names=["precision", "precision_macro"])
    assert np.isnan(nothing["precision"])  # of which scikit-learn makes 0
    assert nothing["precision_macro"] == (TWO == 0).mean() / 2
