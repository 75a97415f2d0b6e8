"""What the classifier makes of what is missing, and of each way to handle it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from skedema import AttentionMixerClassifier
from skedema.fusion import CrossAttention, Perceiver, SelfAttention

SEEDS = range(3)


def draw(n: int, seed: int, missing: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw patients with five variables; osmolality goes missing, by chance or for a reason."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    X = pd.DataFrame(rng.normal(size=(n, 5)), columns=["age", "gcs", "sodium", "ph", "osmolality"])
    X["gcs"] -= 0.8 * y
    X["osmolality"] += 1.2 * y
    rate = {"by chance": 0.3, "when healthy": np.where(y == 1, 0.1, 0.6)}[missing]
    X.loc[rng.random(n) < rate, "osmolality"] = np.nan
    return X, y


def compare(missing: str) -> tuple[np.ndarray, np.ndarray]:
    """Train on 300 patients and test on 3,000; AUC of either way, a seed each."""
    learned, imputed = [], []
    for seed in SEEDS:
        X, y = draw(300, seed, missing)
        X_test, y_test = draw(3000, 100 + seed, missing)
        model = AttentionMixerClassifier(random_state=seed)
        pipeline = make_pipeline(SimpleImputer(strategy="mean"), model)
        for scores, estimator in ((learned, model), (imputed, pipeline)):
            proba = estimator.fit(X, y).predict_proba(X_test)[:, 1]
            scores.append(roc_auc_score(y_test, proba))
    print(
        f"\nosmolality missing {missing}: AUC {np.mean(learned):.3f} +- "
        f"{np.std(learned, ddof=1):.3f} with the learnable embedding, {np.mean(imputed):.3f} +- "
        f"{np.std(imputed, ddof=1):.3f} with mean imputation"
    )
    return np.array(learned), np.array(imputed)


@pytest.mark.slow
def test_embedding_uses_what_absence_tells(capsys):
    with capsys.disabled():
        learned, imputed = compare("when healthy")
    assert (learned > imputed + 0.02).all()


@pytest.mark.slow
def test_embedding_costs_little_where_values_are_missing_by_chance(capsys):
    with capsys.disabled():
        learned, imputed = compare("by chance")
    assert learned.mean() > imputed.mean() - 0.01


# The ways of docs/missing.md

MASKED = [
    CrossAttention(missing="mask"),
    CrossAttention(query="tokens", missing="mask"),
    CrossAttention(keys="table", missing="mask"),
    SelfAttention(missing="mask"),
    Perceiver(missing="mask"),
    "product_of_experts",
]


def flattened(scans):
    return np.stack([np.ravel(scan) for scan in scans])


def patients(n: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw patients whose scan and whose table both tell the class; nothing is missing."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    voxels = rng.normal(size=(n, 4))
    voxels[:, 0] += 1.5 * y
    X = pd.DataFrame({"sodium": rng.normal(size=n) + 1.5 * y, "age": rng.normal(size=n)})
    X["sex"] = rng.choice(["f", "m"], n)
    X["scan"] = [row.reshape(2, 2, 1) for row in voxels]
    return X, y


def with_gaps(X: pd.DataFrame) -> pd.DataFrame:
    X = X.copy()
    X.loc[::3, "sodium"] = None
    X.loc[::4, "sex"] = None
    X.loc[::5, "scan"] = None
    X.loc[0] = None
    return X


def fit(X, y, **parameters) -> AttentionMixerClassifier:
    image = "scan" if "scan" in X else None
    defaults = {"encoder": FunctionTransformer(flattened), "random_state": 0, "dtype": "float64"}
    return AttentionMixerClassifier(image=image, **(defaults | parameters)).fit(X, y)


@pytest.mark.numerical
@pytest.mark.parametrize("fusion", [*MASKED, "cross_attention"], ids=str)
def test_learnable_vectors_have_no_influence_where_what_is_missing_is_left_out(fusion):
    X, y = patients(30)
    X = with_gaps(X)
    clf = fit(X, y, fusion=fusion, max_epochs=3)
    network, before = clf.net_.module_, clf.predict_proba(X)
    with torch.no_grad():
        network.scan_tokens.missing.mul_(-50.0)
        network.clinical_tokens.missing.mul_(-50.0)
    same = (clf.predict_proba(X) == before).all(axis=1)
    complete = X.notna().all(axis=1)
    assert same[complete].all()
    assert same[~complete].any() == same.all() == (fusion != "cross_attention")


@pytest.mark.numerical
def test_masked_attention_is_on_what_there_is():
    X, y = patients(30)
    X = with_gaps(X)
    attention = fit(X, y, fusion=CrossAttention(missing="mask"), max_epochs=3).attention(X)
    present = X[["sodium", "age", "sex"]].notna()
    assert ((attention > 0) == present).all(axis=None)
    assert_allclose(attention.sum(axis=1), present.any(axis=1))
    assert (attention.loc[0] == 0).all()
    assert attention.attrs["missing"] == {name: (~present[name]).tolist() for name in present}


def test_one_key_for_the_table_has_no_attention_to_report():
    X, y = patients(20)
    clf = fit(X, y, fusion=CrossAttention(keys="table"), max_epochs=1)
    with pytest.raises(ValueError, match=r"CrossAttention has no attention .* to report"):
        clf.attention(X)


def test_modality_dropout_prepares_for_patients_who_lack_what_nobody_lacked_in_training():
    X, y = patients(300)
    X_test, y_test = patients(1000, seed=1)
    no_scan, no_table = X_test.copy(), X_test.copy()
    no_scan["scan"] = None
    no_table[["sodium", "age", "sex"]] = None
    one = {"n_members": 1, "input_dropout": 0.0}  # several do without something better already
    plain, dropped = (fit(X, y, **one, modality_dropout=rate) for rate in (0.0, 0.3))
    for table in (no_scan, no_table):
        losses = [log_loss(y_test, clf.predict_proba(table)) for clf in (plain, dropped)]
        assert losses[1] < losses[0] - 0.02
    assert roc_auc_score(y_test, dropped.predict_proba(X_test)[:, 1]) > 0.88


@pytest.mark.parametrize("left_out", [["scan"], ["sodium", "age", "sex"], None])
def test_modality_dropout_needs_both_modalities(left_out):
    X, y = patients(30)
    X = X if left_out is None else X.drop(columns=left_out)
    state = torch.get_rng_state()
    plain, dropped, again = (
        fit(X, y, modality_dropout=rate, max_epochs=3) for rate in (0.0, 0.5, 0.5)
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(dropped.predict_proba(X), again.predict_proba(X))
    equal = np.array_equal(plain.predict_proba(X), dropped.predict_proba(X))
    assert equal == (left_out is not None)


@pytest.mark.parametrize("rate", [-0.1, 1.0, "0.5"])
def test_modality_dropout_is_a_probability_below_one(rate):
    X, y = patients(10)
    with pytest.raises(ValueError, match=r"'modality_dropout' parameter .* must be a float"):
        fit(X, y, modality_dropout=rate)


def test_input_dropout_prepares_for_a_value_that_nobody_lacked_in_training():
    X, y = patients(300)
    X_test, y_test = patients(1000, seed=1)
    lacking = X_test.assign(sodium=None)
    one = {"n_members": 1}  # several do without something better already
    plain, hidden = (fit(X, y, **one, input_dropout=rate) for rate in (0.0, 0.3))
    for table, gain in ((X_test, 0.0), (lacking, 0.03)):
        losses = [log_loss(y_test, clf.predict_proba(table)) for clf in (plain, hidden)]
        assert losses[1] < losses[0] - gain
    areas = [roc_auc_score(y_test, c.predict_proba(lacking)[:, 1]) for c in (plain, hidden)]
    assert areas[1] > areas[0]


@pytest.mark.parametrize(("n", "rate"), [(39, 0.0), (40, 0.3)])
def test_input_dropout_is_off_by_default_for_few_patients(n, rate):
    X, y = patients(n)
    state = torch.get_rng_state()
    clf, given, other = (
        fit(X, y, max_epochs=2, input_dropout=value) for value in ("auto", rate, 0.3 - rate)
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(clf.predict_proba(X), given.predict_proba(X))
    assert not np.array_equal(clf.predict_proba(X), other.predict_proba(X))


@pytest.mark.parametrize("rate", [-0.1, 1.0, "often", None])
def test_input_dropout_is_a_probability_below_one(rate):
    X, y = patients(10)
    with pytest.raises(ValueError, match=r"'input_dropout' parameter .* must be a"):
        fit(X, y, input_dropout=rate)


@pytest.mark.numerical
def test_mean_plus_indicator_comes_from_scikit_learn():
    X, y = patients(40)
    X = with_gaps(X)
    numbers = make_pipeline(SimpleImputer(strategy="mean", add_indicator=True), StandardScaler())
    metadata = make_column_transformer(
        (numbers, ["sodium", "age"]),
        (OneHotEncoder(handle_unknown="ignore"), ["sex"]),
        verbose_feature_names_out=False,
    )
    clf = fit(X, y, metadata=metadata, max_epochs=3)
    names = list(clf.attention(X))
    assert names[:4] == ["sodium", "age", "missingindicator_sodium", "missingindicator_age"]
    assert names[4:6] == ["sex_f", "sex_m"]
    assert len(names) == 7  # a missing sex is a category of its own
    sodium, indicator = clf.metadata_.transform(X.drop(columns="scan"))[:, [0, 2]].T
    assert_allclose(sodium[X["sodium"].isna()], 0.0, atol=1e-12)  # the mean, standardised
    assert (indicator[X["sodium"].isna()] > 0).all()
    assert (indicator[X["sodium"].notna()] < 0).all()
    X_test, _ = patients(4, seed=1)
    X_test.loc[1, ["sodium", "age"]] = None
    X_test.loc[2, "sex"] = None
    X_test.loc[3] = None
    together = clf.predict_proba(X_test)
    assert np.isfinite(together).all()
    assert_allclose(clf.predict_proba(X_test[:2]), together[:2])
    for row in range(4):  # alone, a missing text is a column without any value
        assert_allclose(clf.predict_proba(X_test[row : row + 1]), together[row : row + 1])
    assert not any(map(any, clf.attention(X_test).attrs["missing"].values()))


PAGE = (Path(__file__).parents[1] / "docs" / "missing.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_examples_of_the_page_run_one_after_the_other(capsys):
    examples = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    names = {"__name__": "missing_page"}
    for number, example in enumerate(examples):
        exec(compile(example, f"docs/missing.md, example {number + 1}", "exec"), names)
    variables, *scores = capsys.readouterr().out.splitlines()
    assert variables == "['sodium', 'gcs', 'missingindicator_sodium', 'sex_f', 'sex_m']"
    assert len(examples) == 2
    assert [line.partition(":")[0] for line in scores] == list(names["ways"])
    rows = re.findall(r"^\| ([a-z ]+?)(?: \(the default\))? \|", PAGE, re.MULTILINE)
    assert set(rows) - {"way"} == set(names["ways"])
