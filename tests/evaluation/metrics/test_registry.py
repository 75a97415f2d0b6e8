"""A metric from outside the package, in this one file."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import matthews_corrcoef

from skedema.evaluation import Metric, evaluate, register_metric
from skedema.evaluation.metrics import METRICS, figures

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 2))
Y = (X[:, 0] + RNG.normal(size=90) > 0).astype(int)


def mcc(label, probability, predicted, weight):
    return matthews_corrcoef(label, predicted, sample_weight=weight)


def any_predicted(label, probability, predicted, weight):
    return (weight * predicted).sum() > 0


register_metric(Metric("mcc", mcc, any_predicted))


def test_metric_from_outside_is_one_like_any_other():
    models = {
        "lr": LogisticRegression(),
        "guess": DummyClassifier(strategy="stratified", random_state=0),
    }
    result = evaluate(models, X, Y, random_state=0, metrics=["mcc", "recall"])
    table = result.predictions[result.predictions["estimator"] == "lr"]
    wanted = matthews_corrcoef(table["label"], table["predicted"])
    row = result.summary(n_resamples=200).iloc[0]
    assert row["metric"] == "mcc"
    assert row["pooled"] == wanted
    assert row["low"] < wanted < row["high"]
    assert {"mcc", "recall"} == set(result.per_fold.columns[7:])
    compared = result.compare("guess", "mcc", n_resamples=50)
    assert compared["fold_p"].notna().all()
    assert result.subgroups(np.zeros(90), metrics=["mcc"], n_resamples=5)["pooled"][0] == wanted
    assert "mcc" not in METRICS


def test_interval_is_that_of_drawing_rows():
    result = evaluate({"lr": LogisticRegression()}, X, Y, random_state=0, metrics=["mcc"])
    table = result.predictions
    rng = np.random.default_rng(4)
    draws = []
    for _ in range(800):
        rows = table.iloc[rng.integers(90, size=90)]
        draws.append(matthews_corrcoef(rows["label"], rows["predicted"]))
    found = result.summary(n_resamples=800).iloc[0][["low", "high"]].astype(float)
    np.testing.assert_allclose(found, np.quantile(draws, [0.025, 0.975]), atol=0.04)


def test_it_is_not_computed_where_it_is_not_defined():
    assert np.isnan(figures([0, 1], [0.1, 0.2], names=["mcc"])["mcc"])
    assert figures([0, 1], [0.1, 0.8], names=["mcc"])["mcc"] == 1


def test_of_several_classes_it_is_the_mean_of_each_against_the_rest():
    y = np.repeat([0, 1, 2], 30)
    result = evaluate({"lr": LogisticRegression()}, X, y, random_state=0, metrics=["mcc"])
    table = result.predictions
    each = [matthews_corrcoef(table["label"] == k, table["predicted"] == k) for k in range(3)]
    assert result.summary(n_resamples=5)["pooled"][0] == pytest.approx(np.mean(each))
    np.testing.assert_allclose(result.per_class(n_resamples=5)["pooled"], each)


def test_a_name_is_that_of_one_metric():
    def mcc(label, probability, predicted, weight):
        return 0.0

    with pytest.raises(ValueError, match="'mcc' exists already"):
        register_metric(Metric("mcc", mcc))
    register_metric(Metric("mcc", globals()["mcc"], any_predicted))  # the same again
    with pytest.raises(ValueError, match="'recall' is skedema's own"):
        register_metric(Metric("recall", mcc))
    with pytest.raises(TypeError, match="takes a Metric, got function"):
        register_metric(mcc)


def beyond(label, probability, predicted, weight, limit):
    return weight @ (probability > limit) / weight.sum()


def closure(limit):
    def compute(label, probability, predicted, weight):
        return beyond(label, probability, predicted, weight, limit)

    return compute


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("by_partial", lambda limit: partial(beyond, limit=limit)),
        ("by_lambda", lambda limit: lambda *arrays: beyond(*arrays, limit)),
        ("by_closure", closure),
    ],
)
def test_functions_that_look_alike_are_not_taken_for_the_same(name, make):
    first = Metric(name, make(0.3))
    register_metric(first)
    register_metric(first)
    with pytest.raises(ValueError, match=f"'{name}' exists already"):
        register_metric(Metric(name, make(0.7)))
    assert figures([0, 1], [0.5, 0.6], names=[name])[name] == 1


def test_a_function_that_is_defined_anew_takes_the_place_of_the_old():
    for found in (1.0, 2.0):
        cell = {"__name__": "notebook"}
        exec(f"def anew(label, probability, predicted, weight):\n    return {found}", cell)
        register_metric(Metric("anew", cell["anew"]))
        assert figures([0, 1], [0.1, 0.2], names=["anew"])["anew"] == found


def test_a_name_of_scikit_learn_is_not_taken():
    with pytest.raises(ValueError, match="'f1_macro' is a scorer of scikit-learn"):
        register_metric(Metric("f1_macro", mcc))


def test_unknown_names_are_told_before_anything_is_fitted():
    with pytest.raises(ValueError, match="Did you mean 'roc_auc'"):
        evaluate({"lr": LogisticRegression()}, X, Y, metrics=["rocauc"])
    with pytest.raises(ValueError, match=r"Known: 'accuracy', .*'jaccard'.*register_metric"):
        evaluate({"lr": LogisticRegression()}, X, Y, metrics=["jacard"])


def test_what_fails_is_told_before_anything_is_fitted():
    def broken(label, probability, predicted, weight):
        raise ZeroDivisionError("by zero")

    class NeverFitted(LogisticRegression):
        def fit(self, X, y):
            raise AssertionError

    def of_one(label, probability, predicted, weight):
        return (weight * (label == predicted)).sum() / weight.sum()

    register_metric(Metric("broken", broken))
    register_metric(Metric("of_one", of_one, batched=True))
    register_metric(Metric("one_number", lambda *arrays: float(arrays[3].sum()), batched=True))
    for name in ("of_one", "one_number"):
        with pytest.raises(ValueError, match=rf"'{name}' .* batched=True, .*\(2, 8\) must give"):
            evaluate({"lr": NeverFitted()}, X, Y, metrics=[name])
    with pytest.raises(ValueError, match="'broken' cannot be computed of 2 classes: by zero"):
        evaluate({"lr": NeverFitted()}, X, Y, metrics=["broken"])
    with pytest.raises(ValueError, match="'jaccard' cannot be computed of 3 classes"):
        evaluate({"lr": NeverFitted()}, X, np.arange(90) % 3, metrics=["jaccard"])
