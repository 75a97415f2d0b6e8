"""Files of models, from a GPU and to a GPU; graphs of models that were fitted there."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.frozen import FrozenEstimator

import skedema
from skedema import AttentionMixerClassifier, ViTAutoencoder, export_onnx
from skedema._features import features
from skedema.baselines import ScanFeatures
from skedema.encoders import CNN, MirroredTokens, ViT

pytestmark = pytest.mark.cuda

NEAR = {"rtol": 1e-4, "atol": 1e-5}


def said(model, X, scans):
    if isinstance(model, ViTAutoencoder):
        return model.transform(scans)
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.transform(X)


def test_saved_models_go_from_a_gpu_to_a_machine_without_one_and_back(
    classifier, autoencoder, gpu, patients, scans, tmp_path
):
    X, y = patients
    encoder = autoencoder(device=gpu).fit(scans)
    reader, frozen = encoder.volume_, FrozenEstimator(encoder)
    tokens = MirroredTokens(ViT(dim=12, depth=1, n_heads=2, patch=4), n_components=2, volume=reader)
    there = {
        "trained": classifier(device=gpu, fine_tune=True).fit(X, y),
        "fixed": classifier(device="auto", fine_tune=False).fit(X, y),
        "frozen": classifier(device=gpu, encoder=frozen, fine_tune=True).fit(X, y),
        "tokens": classifier(device=gpu, encoder=tokens, n_members=2, max_epochs=1).fit(X, y),
        "table": classifier(image=None, device=gpu).fit(X.drop(columns="scan"), y),
        "autoencoder": encoder,
        "features": ScanFeatures(
            image="scan", encoder="cnn", volume=reader, device=gpu, random_state=0
        ).fit(X),
    }
    expected = {}
    for name, model in there.items():
        table = X.drop(columns="scan") if name == "table" else X
        given = said(model, table, scans)
        path = tmp_path / f"there-{name}.skedema"
        skedema.save(model, path)
        features.clear()
        again = skedema.load(path)
        np.testing.assert_array_equal(said(again, table, scans), given)
        if name == "table":  # the other machine gives a whole one
            path.unlink()
            continue
        expected[path.name] = given
        if hasattr(model, "save_pretrained") and name in ("trained", "autoencoder"):
            folder = tmp_path / f"there-{name}"
            model.save_pretrained(folder)
            expected[folder.name] = given
    own = [
        classifier(device="auto", fine_tune=True, max_epochs=1),
        classifier(device="cpu", fine_tune=False, max_epochs=1),
        autoencoder(device="auto", max_epochs=1),
    ]
    (tmp_path / "own.pickle").write_bytes(pickle.dumps((own, X, y, scans)))
    subprocess.run(
        [sys.executable, "-W", "error::UserWarning", Path(__file__).parent / "_elsewhere.py", "."],
        cwd=tmp_path,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
    found = dict(np.load(tmp_path / "found.npz"))
    for name, given in expected.items():
        np.testing.assert_allclose(found[name], given, **NEAR, err_msg=name)
    for number, device in enumerate(("auto", "cpu", "auto")):
        path = tmp_path / f"here-{number}.skedema"
        model = skedema.load(path)
        np.testing.assert_allclose(said(model, X, scans), found[path.name], **NEAR)
        if hasattr(model, "net_"):
            kind = torch.device(gpu if device == "auto" else "cpu").type
            assert torch.device(model.net_.device).type == kind
    other = AttentionMixerClassifier.from_pretrained(tmp_path / "there-trained")
    np.testing.assert_array_equal(said(other, X, scans), expected["there-trained"])


def test_a_loaded_model_is_trained_further_there(classifier, gpu, patients, tmp_path):
    X, y = patients
    for device in (gpu, "cpu"):
        model = classifier(device=device, fine_tune=True, warm_start=True, max_epochs=1).fit(X, y)
        skedema.save(model, tmp_path / "model.skedema")
        again = skedema.load(tmp_path / "model.skedema").set_params(device=gpu)
        assert again.fit(X, y).partial_fit(X, y).n_iter_ == 3
        assert np.isfinite(again.predict_proba(X)).all()


@pytest.mark.skipif(
    not all(map(find_spec, ("onnx", "onnxruntime", "onnxscript"))), reason="exporting needs these"
)
@pytest.mark.parametrize("parameters", [{"fine_tune": True}, {"fine_tune": False, "n_members": 2}])
def test_graphs_of_classifiers_that_were_fitted_there(
    classifier, gpu, patients, tmp_path, parameters
):
    from ..persistence._onnx import inputs, run

    X, y = patients
    model = classifier(device=gpu, encoder=CNN(width=2, depth=2), **parameters).fit(X, y)
    export_onnx(model, tmp_path / "model.onnx")
    found = run(tmp_path / "model.onnx", **inputs(tmp_path / "model.onnx", model, X))
    np.testing.assert_allclose(found, model.predict_proba(X), rtol=0, atol=1e-4)
    assert torch.device(model.net_.device).type == torch.device(gpu).type


@pytest.mark.skipif(
    not all(map(find_spec, ("onnx", "onnxruntime", "onnxscript"))), reason="exporting needs these"
)
def test_the_graph_of_an_autoencoder_that_was_fitted_there(autoencoder, gpu, scans, tmp_path):
    from ..persistence._onnx import run

    model = autoencoder(device=gpu, dtype="bfloat16", max_epochs=1).fit(scans)
    export_onnx(model, tmp_path / "model.onnx")
    found = run(tmp_path / "model.onnx", volume=model.volume_.transform(scans))
    expected = model.set_params(dtype="float32").transform(scans)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
