"""Several scans a patient: one encoder, and any of the scans missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import BaggingClassifier
from sklearn.inspection import permutation_importance
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import skedema
from skedema import AttentionMixerClassifier, ScanError, VolumeReader
from skedema._features import features
from skedema.baselines import ScanFeatures, WithoutScan, baselines
from skedema.fusion import CrossAttention, list_fusions
from skedema.inspection import explain, explain_scan

N = 24
PAIR = ["baseline", "followup"]


def volume(value: float, rng: np.random.Generator) -> np.ndarray:
    return (40 + 10 * value + rng.normal(0, 2, (8, 8, 8))).astype("f4")


@pytest.fixture(scope="module")
def cohort() -> tuple[pd.DataFrame, np.ndarray]:
    """Give patients of whom some lack either scan, and one both."""
    rng = np.random.default_rng(0)
    y = np.arange(N) % 2
    first, second = ([volume(v, rng) for v in rng.normal(size=N)] for _ in PAIR)
    X = pd.DataFrame({"age": rng.normal(60, 9, N), "hours": rng.normal(24, 3, N)})
    X["baseline"] = pd.Series(first, dtype=object).where(X.index % 5 != 1, None)
    X.insert(0, "followup", pd.Series(second, dtype=object).where(X.index % 7 != 1, None))
    return X, y


def classifier(image=PAIR, **params) -> AttentionMixerClassifier:
    given = {"encoder": "cnn", "fine_tune": False, "max_epochs": 2, "random_state": 0} | params
    return AttentionMixerClassifier(image=image, volume=VolumeReader(shape=8), **given)


@pytest.fixture(scope="module")
def fitted(cohort) -> AttentionMixerClassifier:
    return classifier(fusion=CrossAttention(query="tokens"), n_members=2).fit(*cohort)


def level(cells) -> np.ndarray:
    """Describe scans by their mean, and by numbers that say nothing."""
    return np.array([[c.mean(), *c[0, 0, :3]] for c in cells], dtype=float)


LEVEL = FunctionTransformer(level)


@pytest.mark.parametrize("fine_tune", [True, False])
def test_any_subset_will_do_in_fit_and_predict(cohort, fine_tune):
    X, y = cohort
    clf = classifier(fine_tune=fine_tune, modality_dropout=0.3, mirror=True).fit(X, y)
    seen = [clf.predict_proba(X)]
    for gone in (PAIR[:1], PAIR[1:], PAIR):
        seen.append(clf.predict_proba(X.assign(**dict.fromkeys(gone))))
        assert np.isfinite(seen[-1]).all()
    has = X[PAIR].notna().to_numpy()
    for k, column in enumerate(PAIR):  # a scan counts where it is there, and nowhere else
        assert ((seen[0] != seen[k + 1]).any(axis=1) == has[:, k]).all(), column
    both = clf.predict_proba(X.assign(baseline=X["followup"], followup=X["baseline"]))
    assert (both != seen[0]).any(axis=1)[has.any(axis=1)].all()  # which is which counts
    np.testing.assert_array_equal(clf.predict_proba(X[[*PAIR, "hours", "age"]]), seen[0])
    np.testing.assert_allclose(clf.predict_proba(X.iloc[3]), seen[0][3:4], rtol=1e-5)
    patient = X.iloc[3].drop("baseline").to_dict()
    np.testing.assert_allclose(clf.predict_proba(patient), seen[1][3:4], rtol=1e-5)


@pytest.mark.parametrize("fusion", list_fusions())
def test_every_fusion_takes_several_scans(cohort, fusion):
    X, y = cohort
    clf = classifier(encoder=LEVEL, fusion=fusion, max_epochs=1, n_members=1).fit(X, y)
    whole, less = clf.predict_proba(X), clf.predict_proba(X.assign(followup=None))
    assert np.isfinite(whole).all()
    assert ((whole != less).any(axis=1) == X["followup"].notna()).all()


def test_nothing_stands_for_a_missing_scan_where_it_is_masked(cohort):
    X, y = cohort
    for fusion in (CrossAttention(query="tokens", missing="mask"), "product_of_experts"):
        clf = classifier(encoder=LEVEL, fusion=fusion, max_epochs=1, n_members=1).fit(X, y)
        series = clf.net_.module_.scan_tokens
        before = clf.predict_proba(X)
        for tokens in series.sets:
            tokens.missing.data.mul_(-50.0)
        np.testing.assert_allclose(clf.predict_proba(X), before, rtol=1e-5)


def test_a_list_of_one_is_the_one_in_it(cohort):
    X, y = cohort
    X = X.drop(columns="followup")
    one, listed = (classifier(image).fit(X, y) for image in ("baseline", ["baseline"]))
    np.testing.assert_array_equal(one.predict_proba(X), listed.predict_proba(X))
    assert list(one.net_.module_.state_dict()) == list(listed.net_.module_.state_dict())


def test_positions_arrays_and_meta_estimators(cohort):
    X, y = cohort
    named = classifier(encoder=LEVEL).fit(X, y)
    positions = classifier([3, 0], encoder=LEVEL)
    array = X.to_numpy(dtype=object)
    expected = named.predict_proba(X)
    np.testing.assert_array_equal(positions.fit(array, y).predict_proba(array), expected)
    bagged = BaggingClassifier(positions, n_estimators=1, random_state=0).fit(X, y)
    assert bagged.predict_proba(X).shape == (N, 2)
    assert clone(named).image == PAIR
    assert named.set_params(image=PAIR[::-1]).image == PAIR[::-1]


def test_a_scan_in_both_columns_is_encoded_once(cohort):
    X, y = cohort
    X = X[X["baseline"].notna()].assign(followup=lambda X: X["baseline"])
    before = features.n_encoded
    clf = classifier().fit(X, y[X.index])
    clf.predict_proba(X)
    assert features.n_encoded - before == len(X)


def test_a_search_takes_one_scan_or_both(cohort):
    X, y = cohort
    alone = make_pipeline(WithoutScan(image="baseline"), classifier("followup", encoder=LEVEL))
    assert alone.fit(X, y).predict_proba(X).shape == (N, 2)
    search = GridSearchCV(classifier(encoder=LEVEL, max_epochs=1), {"image": [PAIR, PAIR[::-1]]})
    assert search.set_params(cv=2).fit(X, y).best_params_["image"] in (PAIR, PAIR[::-1])


@pytest.mark.parametrize(
    ("image", "kind", "match"),
    [
        (["baseline", "baseline"], ValueError, r"names column 'baseline' twice"),
        (["baseline", -1], ValueError, r"names column 'baseline' twice"),
        ([], ValueError, r"image=\[\] names no column: give None"),
        (["baseline", "followap"], ValueError, r"image='followap'.*Did you mean 'followup'"),
        ({"baseline", "followup"}, TypeError, "the order of the scans counts"),
        ("baseline", ValueError, r"'followup' looks like scans.*image=\[\.\.\., 'followup'\]"),
        (["baseline", "followup", "age"], ValueError, "Column 'age' holds numbers, not scans"),
    ],
)
def test_columns_that_cannot_be_meant(cohort, image, kind, match):
    with pytest.raises(kind, match=match):
        classifier(image).fit(*cohort)


def test_an_error_of_a_scan_names_row_and_column(cohort, tmp_path):
    X, y = cohort
    (tmp_path / "broken.nii").write_bytes(b"x" * 400)
    for path, match in (
        ("broken.nii", r"^row 12, column 'followup': .*broken\.nii"),
        ("gone.nii", r"1 of \d+ scans in column 'followup' is not there, in row 12"),
    ):
        wrong = X.copy()
        wrong.at[12, "followup"] = str(tmp_path / path)
        with pytest.raises(ScanError, match=match):
            classifier().fit(wrong, y)
    with pytest.raises(ValueError, match=r"not finite for row 12, column 'followup': 'ndarray'"):
        classifier(encoder=FunctionTransformer(of_large)).fit(large(X), y)


def of_large(cells) -> np.ndarray:
    return np.array([[np.inf if c.max() > 1e4 else c.mean()] for c in cells])


def large(X: pd.DataFrame) -> pd.DataFrame:
    X = X.copy()
    X.at[12, "followup"] = X.at[12, "followup"] * 1e4
    return X


def test_a_fit_without_any_scan_in_one_column_learns_from_the_other(cohort):
    X, y = cohort
    clf = classifier(encoder=LEVEL).fit(X.assign(followup=None), y)
    assert np.isfinite(clf.predict_proba(X)).all()
    with pytest.raises(ValueError, match=r"Columns 'baseline' and 'followup' hold no scan at all"):
        classifier().fit(X.assign(**dict.fromkeys(PAIR)), y)


def test_what_changed_is_learned_from_both_scans():
    rng = np.random.default_rng(0)
    n, n_train = 260, 120
    start = rng.normal(size=n)
    growth = 0.5 * rng.normal(size=n)
    y = (4 * growth + rng.logistic(size=n) > 0).astype(int)
    X = pd.DataFrame({"age": rng.normal(60, 9, n)})
    for name, values in zip(PAIR, (start, start + growth), strict=True):
        X[name] = pd.Series([volume(v, rng) for v in values], dtype=object)
    train, test = np.arange(n_train), np.arange(n_train, n)

    def auc(image: list[str]) -> float:
        table = X[["age", *image]]
        clf = classifier(image, encoder=LEVEL, max_epochs="auto", n_members=1)
        clf.fit(table.iloc[train], y[train])
        return float(roc_auc_score(y[test], clf.predict_proba(table.iloc[test])[:, 1]))

    either = max(auc(["baseline"]), auc(["followup"]))
    assert auc(PAIR) > either + 0.1


def test_what_is_said_of_each_scan(cohort, fitted):
    X, y = cohort
    of_scans = fitted.scan_importance(X, y, n_repeats=2, random_state=0)
    assert of_scans.index.tolist() == [("baseline", "scan"), ("followup", "scan")]
    by_column = permutation_importance(fitted, X, y, n_repeats=1, scoring="neg_log_loss")
    named = pd.Series(by_column.importances_mean, index=X.columns)
    assert (named[PAIR] != 0).all()
    attended = fitted.attention(X.head(2), per_token=True)
    assert attended.index.names == [None, "scan", "token"]
    names = ["baseline", "followup", "followup - baseline"]
    assert attended.index.get_level_values("scan").unique().tolist() == names
    assert fitted.attention(X.head(2)).shape == (2, 2)
    parts = fitted.image_features(X).reshape(N, 3, -1)
    missing = [np.unique(parts[X[name].isna(), k], axis=0) for k, name in enumerate(PAIR)]
    assert [len(each) for each in missing] == [1, 1]
    assert len(np.unique(parts[X[PAIR].isna().any(axis=1), 2], axis=0)) == 1
    alone = X.assign(followup=None).iloc[:4]
    with pytest.raises(ValueError, match=r"0 of 4 patients in X have one in column 'followup'"):
        fitted.scan_importance(alone, y[:4])


def test_one_patient_is_explained_scan_by_scan(cohort, fitted):
    X, y = cohort
    row = X.iloc[3]
    found = explain_scan(fitted, row, image="followup", size=6)
    assert found.column == "followup"
    assert "of 'followup' for 1" in found.description
    np.testing.assert_array_equal(found.hu, row["followup"])
    whole = explain_scan(fitted, row, image="followup", size=8).relevance
    hidden = X.iloc[[3]].assign(followup=[np.full((8, 8, 8), np.median(row["followup"]), "f4")])
    with pytest.warns(UserWarning, match=r"unlike all.*row 0, column 'followup': 'ndarray'"):
        less = fitted.predict_proba(hidden)[0, 1]
    drop = fitted.predict_proba(X.iloc[[3]])[0, 1] - less
    np.testing.assert_allclose(whole, drop, rtol=1e-3, atol=1e-6)
    with pytest.raises(ValueError, match=r"image=None: say which.*'baseline' or 'followup'"):
        explain_scan(fitted, row)
    with pytest.raises(ValueError, match="column 'baseline' is empty"):
        explain_scan(fitted, row.drop("baseline"), image="baseline")
    told = explain(fitted, row.drop("baseline"), reference=(X, y), scan="followup")
    assert told.scan.column == "followup"
    assert told.missing.loc["baseline", "n_values"] == X["baseline"].notna().sum()
    assert "followup" in told.contributions.index
    with pytest.raises(ValueError, match=r"scan=True: say which.*scan='baseline' or 'followup'"):
        explain(fitted, row, scan=True)


def test_a_file_holds_them(cohort, fitted, tmp_path):
    X, _ = cohort
    skedema.save(fitted, tmp_path / "model.skedema")
    again = skedema.load(tmp_path / "model.skedema")
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
    assert again.attention(X, per_token=True).equals(fitted.attention(X, per_token=True))


def test_further_fits_and_estimates_go_on(cohort):
    X, y = cohort
    clf = classifier(fine_tune=True, max_epochs=1)
    for _ in range(2):
        clf.partial_fit(X, y, classes=[0, 1])
    assert len(clf.history_) == 2
    told = clf.estimate(X, y, cv=2)
    _, test = next(StratifiedKFold(2).split(X, y))
    n_scans = X.iloc[test][PAIR].notna().to_numpy().sum()
    assert told.table().set_index("step")["times"]["predicting a scan"] == 2 * n_scans
    heavy = classifier(encoder=LEVEL, max_epochs=1, dtype="float64", n_members=1)
    weight = np.arange(N) % 3.0
    rows = np.repeat(np.arange(N), weight.astype(int))
    twice = clone(heavy).fit(X.iloc[rows], y[rows])
    np.testing.assert_allclose(
        heavy.fit(X, y, sample_weight=weight).predict_proba(X), twice.predict_proba(X), rtol=1e-6
    )


def test_features_of_each_scan_stand_side_by_side(cohort):
    X, y = cohort
    both = ScanFeatures(image=PAIR, encoder=LEVEL).fit_transform(X, y)
    expected = np.full((N, 8), np.nan)
    for k, name in enumerate(PAIR):
        has = X[name].notna().to_numpy()
        expected[has, 4 * k : 4 * k + 4] = level(X.loc[has, name])
    np.testing.assert_allclose(both, expected, rtol=1e-6)


def test_baselines_leave_out_each_scan(cohort):
    X, y = cohort
    clf = classifier(encoder=LEVEL, max_epochs=1, n_members=1, trusted_columns=["age"])
    made = baselines(clf, X)
    assert {"without scan baseline", "without scan followup", "scan alone"} <= set(made)
    for name in ("without scan baseline", "scan alone", "frozen features, gradient boosting"):
        assert made[name].fit(X, y).predict_proba(X).shape == (N, 2)
    assert made["without scan baseline"][-1].image == ["followup"]
    unnamed = clf.set_params(image=[3, 0], trusted_columns=[1])
    less = baselines(unnamed, X.to_numpy(dtype=object))["without scan 0"]
    assert (less[-1].image, less[-1].trusted_columns) == ([2], [0])
