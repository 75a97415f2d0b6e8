from __future__ import annotations

import copy
import inspect
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

from skedema import (
    AttentionMixerClassifier,
    AttentionMixerRegressor,
    VolumeReader,
    export_onnx,
)
from skedema.encoders import CNN, Density, MirroredTokens, ViT
from skedema.fusion import CrossAttention, Perceiver
from skedema.persistence._onnx import _plan
from skedema.persistence._onnx_program import compare, make_graph

from .._autoencoders import make, make_cohort
from ._onnx import about, inputs, run

N = 14
READER = VolumeReader(shape=12)


class PlainMeans(TransformerMixin, BaseEstimator):
    def fit(self, X: object, y: object = None) -> PlainMeans:
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        return np.array([[scan.mean(), scan.std()] for scan in np.ravel(X)])

    def __sklearn_is_fitted__(self) -> bool:
        return True


@pytest.fixture(scope="module")
def cohort() -> tuple[pd.DataFrame, np.ndarray]:
    """Patients of whom some lack a scan, a number, a category or all of these."""
    scans, y = make_cohort(N)
    rng = np.random.default_rng(3)
    X = pd.DataFrame(
        {
            "sodium": rng.normal(138, 5, N),
            "scan": scans.to_numpy(),
            "site": rng.choice(["north", "east", "south"], N),
        }
    )
    X.loc[[1, 4], "sodium"] = None
    X.loc[[2, 4], "site"] = None
    X.loc[[3, 4], "scan"] = None
    return X, np.where(y, "edema", "none")


def classifier(**parameters: object) -> AttentionMixerClassifier:
    defaults = {"image": "scan", "volume": READER, "dim": 8, "n_heads": 2, "max_epochs": 1}
    return AttentionMixerClassifier(**(defaults | {"random_state": 0} | parameters))


def agrees(path: Path, clf: AttentionMixerClassifier, X: pd.DataFrame) -> None:
    for rows in (X, X[:1], X[4:5]):
        found = run(path, **inputs(path, clf, rows))
        np.testing.assert_allclose(found, clf.predict_proba(rows), rtol=0, atol=1e-4)


def test_an_encoder_that_is_trained_stands_in_the_graph(cohort, tmp_path):
    X, y = cohort
    fusion = Perceiver(missing="mask")
    clf = classifier(encoder=CNN(width=2, depth=2), fusion=fusion, refiner=None).fit(X, y)
    export_onnx(clf, tmp_path / "model.onnx")
    agrees(tmp_path / "model.onnx", clf, X)
    told = about(tmp_path / "model.onnx")
    assert told["classes"] == ["edema", "none"]
    assert told["reader"]["shape"] == [12, 12, 12]
    assert told["reader"]["ranges"] == [[0.0, 80.0]]
    assert [each["name"] for each in told["columns"]] == ["sodium", "site"]
    assert told["columns"][1]["categories"] == ["east", "north", "south"]


def test_names_that_no_utf_8_has_stand_in_the_description(tmp_path):
    X = pd.DataFrame({"natrium\udce4": [128.0, 140.0] * 10, "größe": [1.6, 1.7] * 10})
    clf = AttentionMixerClassifier(dim=4, n_heads=1, max_epochs=1, n_members=1, random_state=0)
    clf.set_params(warn_unusual=False, trusted_columns=list(X)).fit(X, [0, 1] * 10)
    export_onnx(clf, tmp_path / "model.onnx")
    told = about(tmp_path / "model.onnx")
    assert [each["name"] for each in told["columns"]] == list(X)


@pytest.mark.slow
def test_the_default_encoder_and_several_members_stand_in_the_graph(cohort, tmp_path):
    X, y = cohort
    encoder = MirroredTokens(ViT(dim=12, depth=1, n_heads=2, patch=6), regions=(1, 2, 1))
    fusion = CrossAttention(query="tokens")
    clf = classifier(encoder=encoder, fusion=fusion, n_members=2).fit(X, y)
    export_onnx(clf, tmp_path / "model.onnx")
    agrees(tmp_path / "model.onnx", clf, X)


@pytest.mark.slow
def test_encoder_and_head_follow_one_another(cohort, tmp_path):
    X, y = cohort
    autoencoder = FrozenEstimator(make(max_epochs=1, dtype="bfloat16").fit(X["scan"].dropna()))
    tokens = MirroredTokens(ViT(dim=12, depth=1, n_heads=2, patch=6), volume=READER)
    clf = classifier(encoder=[autoencoder, tokens], fusion="self_attention", refiner=None).fit(X, y)
    export_onnx(clf, tmp_path / "encoder.onnx", part="encoder")
    export_onnx(clf, tmp_path / "head.onnx", part="head")
    given = inputs(tmp_path / "head.onnx", clf, X)
    has = ~given["scan_missing"]
    features = run(tmp_path / "encoder.onnx", volume=clf.volume_.transform(X["scan"][has]))
    assert features.shape == given["features"][has].shape
    np.testing.assert_allclose(features, given["features"][has], atol=2e-2)  # bfloat16 there
    agrees(tmp_path / "head.onnx", clf, X)


def test_several_scans_of_a_patient_go_in_side_by_side(cohort, tmp_path):
    X, y = cohort
    X = X.assign(later=X["scan"].iloc[::-1].to_numpy())
    clf = AttentionMixerClassifier(
        image=["later", "scan"],
        encoder=CNN(width=4),
        volume=READER,
        fusion=CrossAttention(query="tokens", missing="mask"),
        max_epochs=1,
        random_state=0,
    ).fit(X, y)
    export_onnx(clf, tmp_path / "model.onnx")
    given = inputs(tmp_path / "model.onnx", clf, X)
    assert given["volume"].shape == (N, 2, 1, 12, 12, 12)
    expected = clf.predict_proba(X)
    np.testing.assert_allclose(run(tmp_path / "model.onnx", **given), expected, atol=1e-4)


def test_an_autoencoder_gives_what_its_transform_gives(tmp_path):
    scans, _ = make_cohort(6)
    autoencoder = make(max_epochs=1, patch=5, pool="patches").fit(scans)
    export_onnx(autoencoder, tmp_path / "encoder.onnx")
    volumes = autoencoder.volume_.transform(scans)
    found = run(tmp_path / "encoder.onnx", volume=volumes)
    np.testing.assert_allclose(found, autoencoder.transform(scans), atol=1e-4)


@pytest.fixture(scope="module")
def table_model() -> tuple[AttentionMixerClassifier, pd.DataFrame]:
    rng = np.random.default_rng(1)
    X = pd.DataFrame(
        {
            "age": rng.lognormal(0, 3, 40),
            "sex": rng.choice(["f", "m"], 40),
            "empty": [None] * 40,
            "smokes": rng.choice([True, False], 40),
        }
    )
    X.loc[::5, "age"] = None
    X.loc[::7, "sex"] = None
    clf = AttentionMixerClassifier(dim=8, n_heads=2, max_epochs=1, n_members=2, random_state=0)
    with pytest.warns(UserWarning, match="empty"):
        clf.fit(X, rng.permutation(np.arange(40) % 2))
    return clf, X


@pytest.fixture(scope="module")
def table_file(table_model, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export_onnx(table_model[0], path)
    return path


def test_raw_values_are_scaled_within_and_float64_is_computed_in_float32(table_model, table_file):
    clf, X = table_model
    assert next(clf.net_.module_.parameters()).dtype == torch.float64
    agrees(table_file, clf, X)
    far = X[:3].assign(age=[1e300, -1e300, 1e-300])
    found = run(table_file, **inputs(table_file, clf, far))
    np.testing.assert_allclose(
        found, clf.set_params(warn_unusual=False).predict_proba(far), atol=1e-4
    )


def test_codes_of_no_category_and_nan_are_missing(table_model, table_file):
    clf, X = table_model
    given = inputs(table_file, clf, X[1:5])
    sex = [each["name"] for each in about(table_file)["columns"]].index("sex")
    given["clinical"][:, sex] = [-1, 2, 0.5, np.nan]
    given["clinical_missing"][:, sex] = False
    found = run(table_file, **given)
    given["clinical_missing"][:, sex] = True
    np.testing.assert_array_equal(found, run(table_file, **given))


def test_a_file_tells_neither_where_it_was_made_nor_of_whom(table_model, table_file):
    X = table_model[1]
    content = table_file.read_bytes()
    for word in (str(Path(__file__).parents[2]), sys.prefix, 'File "', "skedema.modules"):
        assert word.encode() not in content
    told = about(table_file)
    known = {told["columns"][0][name] for name in ("median", "factor")}
    values = set(X["age"].dropna()) - known
    assert not any(repr(value).encode() in content for value in values)


def test_the_example_of_the_page_feeds_a_graph_by_what_its_file_tells(
    table_model, table_file, tmp_path, monkeypatch, capsys
):
    clf = table_model[0]
    shutil.copy(table_file, tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "onnx.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, "docs/onnx.md", "exec"), names)
    rows = pd.DataFrame(names["patients"]).assign(empty=None, smokes=None)
    expected = clf.predict_proba(rows)
    np.testing.assert_allclose(names["probabilities"], expected, rtol=0, atol=1e-4)
    assert capsys.readouterr().out.startswith("{0: ")


def test_a_transformer_that_reads_scans_is_named_and_its_features_can_be_given(cohort, tmp_path):
    X, y = cohort
    clf = classifier(encoder=PlainMeans(), fusion="concat", refiner=None).fit(X, y)
    with pytest.raises(ValueError, match=r"encoder PlainMeans .* part='head'"):
        export_onnx(clf, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
    export_onnx(clf, tmp_path / "model.onnx", part="head")
    agrees(tmp_path / "model.onnx", clf, X)
    assert "reader" not in about(tmp_path / "model.onnx")


def test_a_graph_that_scales_in_float32_is_refused():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"seconds": 1.7e9 + 33 + rng.normal(0, 5, 40)})  # its steps there are of 128
    clf = AttentionMixerClassifier(dim=8, n_heads=2, max_epochs=1, random_state=0)
    plan = _plan(clf.fit(X, X["seconds"] < 1.7e9 + 33), "all")
    other = copy.deepcopy(plan.module)
    other.scaling.center = other.scaling.center.float().double()
    content = make_graph(plan._replace(module=other))[0].SerializeToString()
    with pytest.raises(RuntimeError, match="probabilities of random inputs differ"):
        compare(content, plan)


def test_what_has_no_graph_is_refused(table_model, tmp_path):
    clf = table_model[0]
    path = tmp_path / "model.onnx"
    with pytest.raises(ValueError, match="without scans"):
        export_onnx(clf, path, part="encoder")
    with pytest.raises(ValueError, match="'all', 'encoder' or 'head'"):
        export_onnx(clf, path, part="tail")
    with pytest.raises(NotFittedError):
        export_onnx(AttentionMixerClassifier(), path)
    with pytest.raises(NotFittedError):
        export_onnx(make(), path)
    with pytest.raises(TypeError, match=r"CalibratedClassifierCV .* within it"):
        export_onnx(CalibratedClassifierCV(FrozenEstimator(clf)), path)
    with pytest.raises(TypeError, match="Density"):
        export_onnx(Density(), path)


def test_a_missing_package_is_told_with_the_way_to_it(table_model, tmp_path, monkeypatch):
    its_own = inspect.unwrap(export_onnx).__globals__
    monkeypatch.setitem(its_own, "find_spec", lambda name: None if name == "onnxscript" else name)
    with pytest.raises(ImportError, match="pip install onnx onnxruntime onnxscript"):
        export_onnx(table_model[0], tmp_path / "model.onnx")


def test_numbers_come_in_the_unit_of_the_target(cohort, tmp_path):
    X = cohort[0].drop(columns="scan")
    y = 500 + 3 * X["sodium"].fillna(138)
    sizes = {"dim": 8, "n_heads": 2, "max_epochs": 1, "n_members": 2, "random_state": 0}
    model = AttentionMixerRegressor(loss="quantile", **sizes).fit(X, y)
    path = tmp_path / "numbers.onnx"
    export_onnx(model, path)
    assert about(path)["quantiles"] == [0.05, 0.5, 0.95]
    found = run(path, **inputs(path, model, X))
    np.testing.assert_allclose(found, model.predict_quantiles(X), rtol=1e-5)
