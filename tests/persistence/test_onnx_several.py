"""Graphs of several labels, and of several scans a patient."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from skedema import (
    AttentionMixerClassifier,
    AttentionMixerRegressor,
    VolumeReader,
    export_onnx,
)

from ._onnx import about, inputs, run

N = 16
PAIR = ["baseline", "followup"]


def test_several_labels_are_named_and_each_has_its_probability(tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(N, 2)), columns=["age", "sodium"])
    y = pd.DataFrame(rng.integers(0, 2, (N, 3)), columns=["edema", "bleeding", "shift"])
    clf = AttentionMixerClassifier(dim=8, max_epochs=1, random_state=0).fit(X, y)
    path = tmp_path / "model.onnx"
    export_onnx(clf, path)
    told = about(path)
    assert told["labels"] == ["edema", "bleeding", "shift"]
    assert "classes" not in told
    assert_allclose(run(path, **inputs(path, clf, X)), clf.predict_proba(X), atol=1e-5)


@pytest.fixture(scope="module")
def pairs() -> pd.DataFrame:
    """Patients of whom some lack either scan, and one both."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"age": rng.normal(60, 9, N)})
    for column, every in zip(PAIR, (5, 7), strict=True):
        scans = [rng.normal(40, 9, (8, 8, 8)).astype("f4") for _ in range(N)]
        X[column] = pd.Series(scans, dtype=object).where(X.index % every != 1, None)
    return X


def test_an_encoder_and_a_head_of_several_scans_are_the_model(pairs, tmp_path):
    reader = VolumeReader(shape=8)
    reg = AttentionMixerRegressor(
        image=PAIR,
        encoder="cnn",
        volume=reader,
        loss="quantile",
        dim=8,
        max_epochs=1,
        random_state=0,
    ).fit(pairs, pairs["age"] / 10)
    expected = reg.predict_quantiles(pairs)
    given = {"volume": np.full((N, 2, reader.n_channels, 8, 8, 8), 7, dtype=np.float32)}
    there = pairs[PAIR].notna().to_numpy()
    given["volume"][there] = reader.transform(pairs[PAIR].to_numpy()[there])
    rest = {"scan_missing": ~there, "clinical": pairs[["age"]].to_numpy()}
    rest["clinical_missing"] = np.zeros((N, 1), dtype=bool)
    encoder, head = (tmp_path / f"{name}.onnx" for name in ("encoder", "head"))
    export_onnx(reg, encoder, part="encoder")
    export_onnx(reg, head, part="head")
    features = run(encoder, volume=given["volume"].reshape(-1, *given["volume"].shape[2:]))
    features = features.reshape(N, -1, features.shape[-1])
    assert about(head)["scan_column"] == PAIR
    assert_allclose(run(head, features=features, **rest), expected, atol=1e-5)


def test_a_list_of_one_scan_is_as_its_name(pairs, tmp_path):
    clf = AttentionMixerClassifier(
        image=["baseline"],
        encoder="cnn",
        fine_tune=False,
        volume=VolumeReader(shape=8),
        dim=8,
        max_epochs=1,
        random_state=0,
    ).fit(pairs[["age", "baseline"]], pairs.index % 2)
    export_onnx(clf, tmp_path / "model.onnx", part="head")
    assert about(tmp_path / "model.onnx")["scan_column"] == "baseline"
