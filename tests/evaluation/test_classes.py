"""Several classes, and a positive class that is named, from end to end."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, f1_score, log_loss, recall_score, roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold, StratifiedKFold, cross_val_predict

from skedema import AttentionMixerClassifier
from skedema.evaluation import evaluate, missing_curve
from skedema.evaluation.metrics import METRICS

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(120, 3)), columns=["sodium", "glucose", "age"])
KINDS = np.array(["cytotoxic", "none", "vasogenic"])
Y = KINDS[np.digitize(X["sodium"] + RNG.normal(size=120), [-0.7, 0.7])]
TWO = np.where(Y == "none", "none", "edema")
MODELS = {"lr": LogisticRegression(), "prevalence": DummyClassifier()}
FOLDS = StratifiedKFold(4, shuffle=True, random_state=0)
REPEATED = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)


@pytest.fixture(scope="module")
def result():
    return evaluate(MODELS, X, Y, cv=REPEATED, random_state=0, subgroups=["age"])


def of(result, name, repeat=0):
    table = result.predictions
    table = table[(table["estimator"] == name) & (table["repeat"] == repeat)]
    return table.sort_values("row")


def test_predictions_have_a_column_a_class():
    result = evaluate(MODELS, X, Y, cv=FOLDS)
    table = of(result, "lr")
    wanted = cross_val_predict(LogisticRegression(), X, Y, cv=FOLDS, method="predict_proba")
    np.testing.assert_array_equal(table[[f"probability_{kind}" for kind in KINDS]], wanted)
    np.testing.assert_array_equal(
        table["predicted"], cross_val_predict(LogisticRegression(), X, Y, cv=FOLDS)
    )
    assert result.classes == tuple(KINDS)
    assert repr(result).endswith("1 x 4 folds, 3 classes>")


def test_figures_are_means_of_each_class_against_the_rest(result):
    table = result.summary(n_resamples=50).set_index(["estimator", "metric"])
    assert len(table) == 2 * len(METRICS)
    aucs, f1s, losses = [], [], []
    for repeat in range(2):
        part = of(result, "lr", repeat)
        probability = part.filter(like="probability_").to_numpy()
        aucs.append(roc_auc_score(part["label"], probability, multi_class="ovr"))
        f1s.append(f1_score(part["label"], part["predicted"], average="macro"))
        losses.append(log_loss(part["label"], probability))
    for name, wanted in (("roc_auc", aucs), ("f1", f1s), ("log_loss", losses)):
        row = table.loc[("lr", name)]
        assert row["pooled"] == pytest.approx(np.mean(wanted), rel=1e-12)
        assert row["low"] < row["pooled"] < row["high"]


def test_each_class_has_a_table_against_the_rest(result):
    table = result.per_class(["recall", "roc_auc", "brier"], n_resamples=50)
    assert table["class"].unique().tolist() == KINDS.tolist()
    table = table.set_index(["estimator", "class", "metric"])
    for kind in KINDS:
        assert table.loc[("lr", kind, "recall"), "n_rows"] == (Y == kind).sum()  # noqa: SIM300
        recalls, aucs = [], []
        for repeat in range(2):
            part = of(result, "lr", repeat)
            recalls.append((part["predicted"] == kind)[part["label"] == kind].mean())
            aucs.append(roc_auc_score(part["label"] == kind, part[f"probability_{kind}"]))
        assert table.loc[("lr", kind, "recall"), "pooled"] == pytest.approx(np.mean(recalls))
        assert table.loc[("lr", kind, "roc_auc"), "pooled"] == pytest.approx(np.mean(aucs))
    summary = result.summary(["recall"], n_resamples=5)
    means = table.xs("recall", level="metric").groupby("estimator")["pooled"].mean()
    assert summary.set_index("estimator")["pooled"]["lr"] == pytest.approx(means["lr"])


def test_confusion_matrix_is_the_mean_over_repeats(result):
    table = result.confusion_matrix()
    parts = [of(result, "lr", repeat) for repeat in range(2)]
    wanted = np.mean([confusion_matrix(p["label"], p["predicted"]) for p in parts], axis=0)
    np.testing.assert_array_equal(table.loc["lr"], wanted)
    assert table.loc["lr"].columns.tolist() == table.loc["lr"].index.tolist() == KINDS.tolist()
    assert (table.groupby("estimator").sum().sum(axis=1) == 120).all()


def test_differences_are_paired_and_have_no_delong(result):
    table = result.compare("prevalence", n_resamples=100).iloc[0]
    assert table["low"] > 0
    assert np.isnan(table["delong_p"])
    assert 0 < table["fold_p"] < 0.05
    back = result.compare("lr", n_resamples=100).iloc[0]
    assert back["difference"] == -table["difference"]
    assert result.compare("lr", "brier", n_resamples=10)["greater_is_better"].tolist() == [False]


def test_subgroups_without_a_class_say_so(result):
    by = np.where(Y == "none", "well", "ill")
    table = result.subgroups(by, metrics=["recall", "accuracy"], n_resamples=20)
    assert "n_positive" not in table
    ill, well = (table[table["subgroup"] == each] for each in ("ill", "well"))
    assert (ill["note"] == "without 1 class: some figures are not defined").all()
    assert (well["note"] == "one class only: some figures are not defined").all()
    assert ill["pooled"].isna().tolist() == [True, False, True, False]


def test_net_benefit_is_that_of_a_class_that_is_named(result):
    table = result.decision_curve([0.3], pos_label="vasogenic")
    share = (Y == "vasogenic").mean()
    assert table.loc[0.3, "treat all"] == pytest.approx(share - (1 - share) * 3 / 7)
    with pytest.raises(ValueError, match=r"one of \('cytotoxic', 'none', 'vasogenic'\), got None"):
        result.decision_curve([0.3])


def test_a_class_missing_in_a_training_part_is_refused_and_in_all_tests_warned_of():
    rare = np.flatnonzero(Y == "none")
    others = np.setdiff1d(np.arange(120), rare)
    with pytest.raises(ValueError, match="fold 0 of repeat 0 holds no row of class 'none'"):
        evaluate(MODELS, X, Y, cv=[(others[:60], rare)])
    test = others[:30]
    with pytest.warns(UserWarning, match=r"None of the 30 rows .* is of class 'none'"):
        result = evaluate(MODELS, X, Y, cv=[(np.setdiff1d(np.arange(120), test), test)])
    assert np.isnan(result.summary(["roc_auc"], n_resamples=5)["pooled"]).all()


def test_kept_folds_serve_for_every_class(tmp_path):
    arguments = {"cv": FOLDS, "storage": tmp_path}
    first = evaluate({"lr": MODELS["lr"]}, X, Y, **arguments)
    pd.testing.assert_frame_equal(
        first.predictions, evaluate({"lr": MODELS["lr"]}, X, Y, **arguments).predictions
    )
    evaluate({"lr": MODELS["lr"]}, X, TWO, **arguments)
    n_kept = len(list(tmp_path.glob("*.array")))
    named = evaluate({"lr": MODELS["lr"]}, X, TWO, pos_label="edema", **arguments)
    assert len(list(tmp_path.glob("*.array"))) == n_kept
    plain = evaluate({"lr": MODELS["lr"]}, X, TWO, cv=FOLDS, pos_label="edema")
    pd.testing.assert_frame_equal(named.predictions, plain.predictions)


def test_missing_curve_of_several_classes_begins_where_evaluate_is():
    models = {"boosting": HistGradientBoostingClassifier(max_iter=5, random_state=0)}
    table = missing_curve(models, X, Y, shares=[0, 0.5], cv=3, random_state=0)
    wanted = evaluate(models, X, Y, cv=3, random_state=0).per_fold
    whole = table[table["share"] == 0]
    for fold, row in wanted.set_index("fold").iterrows():
        mine = whole[whole["fold"] == fold]
        assert (mine["roc_auc"] == row["roc_auc"]).all()
        assert (mine["log_loss"] == row["log_loss"]).all()
    by_share = table.groupby("share")["roc_auc"].mean()
    assert by_share[0.5] < by_share[0]


def test_the_classifier_of_this_package_has_several_classes():
    mixer = AttentionMixerClassifier(max_epochs=2, random_state=0)
    result = evaluate({"mixer": mixer}, X, Y, cv=2, random_state=0)
    assert result.summary(["roc_auc"], n_resamples=10)["pooled"].between(0, 1).all()


def test_the_positive_class_is_the_one_that_is_named():
    plain = evaluate(MODELS, X, TWO, cv=FOLDS, random_state=0)
    named = evaluate(MODELS, X, TWO, cv=FOLDS, random_state=0, pos_label="edema")
    assert plain.classes == ("edema", "none")
    assert named.classes == ("none", "edema")
    for result in (plain, named):
        positive = result.classes[1]
        part = of(result, "lr")
        found = result.summary(n_resamples=50).set_index(["estimator", "metric"])["pooled"]["lr"]
        recall = recall_score(part["label"], part["predicted"], pos_label=positive)
        assert found["recall"] == recall
        assert found["roc_auc"] == roc_auc_score(part["label"] == positive, part["probability"])
    both = [each.summary(n_resamples=50).set_index("metric")["pooled"] for each in (plain, named)]
    np.testing.assert_array_equal(both[0]["recall"], both[1]["specificity"])
    np.testing.assert_allclose(both[0]["roc_auc"], both[1]["roc_auc"], rtol=1e-12)


@pytest.mark.parametrize(
    ("y", "pos_label", "positive"),
    [
        (TWO, None, "none"),
        (TWO, "edema", "edema"),
        (np.where(TWO == "edema", 1, -1), None, 1),
        (TWO == "edema", None, True),
        (TWO == "edema", 0, False),
    ],
)
def test_repr_and_every_table_say_the_positive_class(y, pos_label, positive):
    result = evaluate(MODELS, X, y, cv=2, pos_label=pos_label, random_state=0)
    said = f"positive class {positive!r}"
    assert repr(result).endswith(f"{said}>")
    few = {"n_resamples": 5}
    for table in (
        result.predictions,
        result.per_fold,
        result.summary(["recall"], **few),
        result.table(["recall"], **few),
        result.compare("lr", "recall", **few),
        result.subgroups(np.zeros(120), **few),
        result.confusion_matrix(),
        result.decision_curve([0.2]),
    ):
        assert table.columns.name == said
        assert said in str(table)


def test_a_positive_class_that_is_none_is_named():
    with pytest.raises(ValueError, match=r"'oedema' is none of the classes \['edema', 'none'\]"):
        evaluate(MODELS, X, TWO, pos_label="oedema")
    with pytest.raises(ValueError, match=r"of two, but y has 3.*per_class\(\).*y == the class"):
        evaluate(MODELS, X, Y, pos_label="none")
    assert evaluate(MODELS, X, Y == "none", cv=2).classes == (False, True)  # the remedy


def test_the_table_of_a_paper_is_the_summary_as_text(result):
    table = result.table(["roc_auc", "precision"], digits=2, n_resamples=50)
    summary = result.summary(["roc_auc", "precision"], n_resamples=50)
    first = summary.iloc[0]
    assert table.loc["lr", "roc_auc"] == (
        f"{first['pooled']:.2f} ({first['low']:.2f} to {first['high']:.2f})"
    )
    assert table.loc["prevalence", "precision"] == ""
    assert table.index.tolist() == list(MODELS)
    sure = evaluate({"always": DummyClassifier()}, X, Y == "none", cv=2)
    assert (
        sure.table(["specificity"], n_resamples=20)
        .loc["always", "specificity"]
        .startswith("1.000 (0.9")
    )
