"""The classifier on a GPU, beside the CPU."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_val_predict

from skedema._features import features
from skedema.baselines import ScanFeatures
from skedema.encoders import list_encoders
from skedema.fusion import CrossAttention, Perceiver, SelfAttention, list_fusions
from skedema.refiners import list_refiners

pytestmark = pytest.mark.cuda

# How much further from a float64 fit than the CPU's float32 fit the GPU's may be. Sums go in
# another order; Adam makes something of the sign of a gradient that is nothing but rounding.
FURTHER = 50


def compare_fits(make, gpu, patients, **parameters):
    """Fit in float64 and float32 on the CPU and in float32 on the GPU, and compare."""
    X, y = patients
    exact = make(device="cpu", dtype="float64", **parameters).fit(X, y).predict_proba(X)
    cpu = make(device="cpu", dtype="float32", **parameters).fit(X, y)
    there = make(device=gpu, dtype="float32", **parameters).fit(X, y)
    rounding = np.abs(cpu.predict_proba(X) - exact).max()
    found = there.predict_proba(X)
    off = np.abs(found - exact).max()
    print(f"off by {off:.1e}, the CPU by {rounding:.1e}")  # pytest -rP shows it
    assert off <= FURTHER * rounding + 1e-4
    # The very same weights, elsewhere.
    there.set_params(device="cpu")
    np.testing.assert_allclose(there.predict_proba(X), found, atol=1e-5)
    return cpu, there


def own_encoders():
    others = ("density", "mirrored_tokens", "vit_ae")
    names = [name for name in list_encoders() if name not in others]
    if find_spec("monai"):
        names.append("monai:resnet10")
    return names


@pytest.mark.parametrize("parameters", [{"fine_tune": True}, {"fine_tune": False, "mirror": True}])
@pytest.mark.parametrize("encoder", own_encoders())
def test_every_encoder(classifier, gpu, patients, encoder, parameters):
    compare_fits(classifier, gpu, patients, encoder=encoder, lr=1e-4, **parameters)


@pytest.mark.parametrize("parameters", [{"fine_tune": True}, {"fine_tune": False, "mirror": True}])
@pytest.mark.parametrize("pool", ["mean", "cls", "patches"])
def test_a_pretrained_autoencoder(classifier, autoencoder, gpu, patients, scans, pool, parameters):
    fitted = {
        device: autoencoder(device="cpu", pool=pool).fit(scans).set_params(device=device)
        for device in ("cpu", gpu)
    }

    def make(device, **given):
        return classifier(device=device, encoder=FrozenEstimator(fitted[device]), **given)

    compare_fits(make, gpu, patients, lr=1e-4, **parameters)


@pytest.mark.parametrize("fine_tune", ["auto", False])
def test_an_autoencoder_that_is_pretrained_there(classifier, autoencoder, gpu, patients, fine_tune):
    X, y = patients
    encoder = autoencoder(device=gpu)
    model = classifier(device=gpu, encoder=encoder, fine_tune=fine_tune).fit(X, y)
    found = model.predict_proba(X)
    assert found.sum(axis=1) == pytest.approx(1)
    model.set_params(device="cpu")
    if fine_tune is False:
        model.encoder_.set_params(device="cpu")
    np.testing.assert_allclose(model.predict_proba(X), found, atol=1e-5)


@pytest.mark.parametrize("name", ["mirrored_tokens", "vit_ae"])
def test_transformers_by_name(classifier, gpu, patients, name):
    X, y = patients[0][:4], patients[1][:4]
    model = classifier(encoder=name, max_epochs=1, device="auto").fit(X, y)
    assert len(model.predict(X)) == 4
    assert torch.device(model.net_.device).type == torch.device(gpu).type


FUSIONS = [
    *list_fusions(),
    CrossAttention(query="tokens", missing="mask"),
    CrossAttention(keys="table"),
    SelfAttention(missing="mask"),
    Perceiver(missing="mask"),
]


@pytest.mark.parametrize("fusion", FUSIONS, ids=str)
def test_every_fusion(classifier, gpu, patients, fusion):
    compare_fits(classifier, gpu, patients, fusion=fusion, fine_tune=False)


@pytest.mark.parametrize("refiner", [*list_refiners(), None])
def test_every_refiner(classifier, gpu, patients, refiner):
    cpu, there = compare_fits(classifier, gpu, patients, refiner=refiner, fine_tune=False)
    X, _ = patients
    there.set_params(device=gpu)
    assert there.attention(X).attrs == cpu.attention(X).attrs
    np.testing.assert_allclose(there.attention(X), cpu.attention(X), atol=1e-3)
    np.testing.assert_allclose(there.image_features(X), cpu.image_features(X), atol=1e-3)


def test_a_table_alone_in_float64(classifier, gpu, patients):
    X, y = patients
    X = X.drop(columns="scan")
    made = [classifier(image=None, device=d).fit(X, y).predict_proba(X) for d in ("cpu", gpu)]
    np.testing.assert_allclose(made[1], made[0], atol=1e-9)


def test_early_stopping_weights_and_classes(classifier, gpu, patients):
    X, y = patients
    y = np.array(["none", "mild", "severe"])[(np.arange(len(y)) + y) % 3]
    weight = np.linspace(0, 2, len(y))
    models = [
        classifier(
            device=device,
            dtype="float64",
            fine_tune=True,
            early_stopping=True,
            validation_fraction=0.25,
            n_iter_no_change=2,
            max_epochs=12,
            lr=0.01,
            class_weight="balanced",
        ).fit(X, y, sample_weight=weight)
        for device in ("cpu", gpu)
    ]
    assert models[0].n_iter_ == models[1].n_iter_
    np.testing.assert_allclose(models[1].predict_proba(X), models[0].predict_proba(X), atol=1e-5)
    np.testing.assert_allclose(
        models[1].history_["valid_loss"], models[0].history_["valid_loss"], atol=1e-5
    )


@pytest.mark.parametrize("fine_tune", [True, False])
def test_going_on_is_as_on_the_cpu(classifier, gpu, patients, fine_tune):
    X, y = patients
    made = []
    for device in ("cpu", gpu):
        model = classifier(device=device, dtype="float64", fine_tune=fine_tune, warm_start=True)
        for _ in range(2):
            model.partial_fit(X, y, classes=[0, 1])
        made.append(model.fit(X, y).predict_proba(X))
    np.testing.assert_allclose(made[1], made[0], atol=1e-6)


def test_training_moves_with_its_moments(classifier, gpu, patients):
    X, y = patients
    stays = classifier(device="cpu", dtype="float64", fine_tune=True, warm_start=True)
    moves = classifier(device="cpu", dtype="float64", fine_tune=True, warm_start=True)
    for device in ("cpu", gpu, "cpu"):
        expected = stays.fit(X, y).predict_proba(X)
        found = moves.set_params(device=device).fit(X, y).predict_proba(X)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        moves = pickle.loads(pickle.dumps(moves))


LOAD = """
import pickle, sys
import numpy as np, torch
assert not torch.cuda.is_available()
with open(sys.argv[1], "rb") as file:
    models, X = pickle.load(file)
np.savez(sys.argv[2], *[
    model.predict_proba(X) if hasattr(model, "predict_proba") else model.transform(X)
    for model in models
])
"""


def test_models_are_of_use_without_a_gpu(classifier, autoencoder, gpu, patients, scans, tmp_path):
    X, y = patients
    encoder = FrozenEstimator(autoencoder(device=gpu).fit(scans))
    models = [
        classifier(device=gpu, fine_tune=True, warm_start=True).fit(X, y),
        classifier(device=gpu, fine_tune=False).fit(X, y),
        classifier(device=gpu, encoder=encoder, fine_tune=False).fit(X, y),
        classifier(device=gpu, encoder=encoder, fine_tune=True).fit(X, y),
        classifier(device="auto").fit(X, y),
        ScanFeatures(
            image="scan", encoder="cnn", volume=models_reader(encoder), device=gpu, random_state=0
        ).fit(X),
    ]
    expected = [
        model.predict_proba(X) if hasattr(model, "predict_proba") else model.transform(X)
        for model in models
    ]
    (tmp_path / "models.pickle").write_bytes(pickle.dumps((models, X)))
    subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", LOAD, "models.pickle", "found.npz"],
        cwd=tmp_path,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
    for found, given in zip(np.load(tmp_path / "found.npz").values(), expected, strict=True):
        np.testing.assert_allclose(found, given, rtol=1e-4, atol=1e-5)


def models_reader(encoder):
    return encoder.estimator.volume_


def test_pickled_and_back_it_is_the_same(classifier, gpu, patients):
    X, y = patients
    model = classifier(device=gpu, fine_tune=True).fit(X, y)
    found = pickle.loads(pickle.dumps(model))
    assert torch.device(found.net_.device).type == torch.device(gpu).type
    np.testing.assert_array_equal(found.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("parameters", [{"dropout": 0.2, "modality_dropout": 0.2}, {}])
def test_two_fits_on_ready_features_are_equal(classifier, gpu, patients, parameters):
    X, y = patients
    model = classifier(device=gpu, fine_tune=False, **parameters)
    first = model.fit(X, y).predict_proba(X)
    torch.manual_seed(7)
    np.testing.assert_array_equal(model.fit(X, y).predict_proba(X), first)


@pytest.mark.parametrize("encoder", ["cnn", "vit"])
def test_two_fits_are_equal_with_deterministic_operations(
    classifier, gpu, patients, encoder, deterministic
):
    X, y = patients
    model = classifier(device=gpu, encoder=encoder, fine_tune=True)
    first = model.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(model.fit(X, y).predict_proba(X), first)


def test_the_generators_of_the_gpu_go_on_as_if_nothing_had_been(classifier, real_gpu, patients):
    X, y = patients
    torch.manual_seed(3)
    expected = torch.rand(3, device=real_gpu), torch.rand(3)
    torch.manual_seed(3)
    classifier(device=real_gpu, dropout=0.2).fit(X, y).predict_proba(X)
    assert torch.equal(torch.rand(3, device=real_gpu), expected[0])
    assert torch.equal(torch.rand(3), expected[1])


def test_features_of_kinds_of_device_are_kept_apart(
    classifier, real_gpu, patients, autoencoder, scans, tmp_path
):
    X, y = patients
    n_scans = X["scan"].notna().sum()
    for number, encoder in enumerate(["cnn", FrozenEstimator(autoencoder().fit(scans))]):
        model = classifier(encoder=encoder, fine_tune=False, memory=str(tmp_path / str(number)))
        counts = []
        for device in ("cpu", real_gpu, "cpu", "cuda:0"):
            before = features.n_encoded
            if number:
                encoder.estimator.set_params(device=device)
            model.set_params(device=device).fit(X, y)
            counts.append(features.n_encoded - before)
        assert counts == [n_scans, n_scans, 0, 0]


def test_a_device_by_number_and_one_that_is_missing(classifier, real_gpu, patients):
    X, y = patients
    n_devices = torch.cuda.device_count()
    expected = classifier(device=real_gpu, fine_tune=False).fit(X, y).predict_proba(X)
    found = classifier(device="cuda:0", fine_tune=False).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(found, expected)
    model = classifier(device=f"cuda:{n_devices}")
    with pytest.raises(ValueError, match=f"'cuda:{n_devices}' is not on this machine"):
        model.fit(X, y)
    assert model.set_params(device="auto").fit(X, y).net_.device.type == "cuda"


def test_folds_in_worker_processes(classifier, gpu, patients):
    X, y = patients
    model = classifier(device=gpu, fine_tune=False, max_epochs=2)
    found = [cross_val_predict(model, X, y, cv=2, method="predict_proba", n_jobs=n) for n in (1, 2)]
    np.testing.assert_allclose(found[1], found[0], atol=1e-6)
