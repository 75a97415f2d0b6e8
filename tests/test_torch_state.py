from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal

from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema._features import features
from skedema._torch_state import own_torch_state
from skedema._training.fitted import fitted
from skedema.baselines import ScanFeatures
from skedema.encoders import CNN, list_encoders
from skedema.encoders.vit import ViT
from skedema.fusion import list_fusions

N = 8
_RNG = np.random.default_rng(0)
TABLE = pd.DataFrame({"sodium": _RNG.normal(138, 5, N), "sex": ["f", "m"] * (N // 2)})
TABLE.loc[2, "sodium"] = None
Y = np.array([0, 0, 1, 1] * (N // 4))
VOLUMES = [_RNG.normal(40, 10, (16, 16, 16)) for _ in range(N)]
SCANS = TABLE.assign(scan=pd.Series([*VOLUMES[:-1], None], dtype=object))
TINY = ViTAutoencoder(size="tiny", max_epochs=1, batch_size=4, random_state=0)


def sixteen() -> VolumeReader:
    return VolumeReader(shape=16)


@contextmanager
def set_to(setter: Callable, value: object, usual: object) -> Iterator[None]:
    setter(value)
    try:
        yield
    finally:
        setter(usual)


SETTINGS = {
    "float64": lambda: set_to(torch.set_default_dtype, torch.float64, torch.float32),
    "float16": lambda: set_to(torch.set_default_dtype, torch.float16, torch.float32),
    "meta": lambda: set_to(torch.set_default_device, "meta", None),
    "device that may be missing": lambda: set_to(torch.set_default_device, "cuda", None),
    "within a device": lambda: torch.device("meta"),
    "inference": torch.inference_mode,
    "no_grad": torch.no_grad,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "deterministic": lambda: set_to(torch.use_deterministic_algorithms, True, False),
    "anomaly": lambda: set_to(torch.autograd.set_detect_anomaly, True, False),
}
CHANGE_WHAT_IS_BUILT = ["float64", "meta"]


def classifier(**parameters: object) -> AttentionMixerClassifier:
    defaults = {"max_epochs": 2, "dim": 8, "n_heads": 2, "random_state": 0}
    return AttentionMixerClassifier(**(defaults | parameters))


def outputs_of_classifier(X: pd.DataFrame, **parameters: object) -> list[np.ndarray]:
    clf = classifier(**parameters).fit(X, Y)
    found = [clf.predict_proba(X), clf.history_["train_loss"].to_numpy()]
    if "scan" in X:
        found.append(clf.image_features(X))
    if "fusion" not in parameters:
        found.append(clf.attention(X).to_numpy())
    clf.partial_fit(X, Y)
    return [*found, clf.predict_proba(X)]


def outputs_of_autoencoder() -> list[np.ndarray]:
    autoencoder = ViTAutoencoder(
        size="tiny", volume=sixteen(), max_epochs=2, batch_size=N, random_state=0
    )
    found = [autoencoder.fit_transform(VOLUMES), autoencoder.transform_mirrored(VOLUMES)]
    found += [autoencoder.reconstruct(VOLUMES[:2]), autoencoder.history_["total"].to_numpy()]
    network = autoencoder.network()
    assert not any(p.is_inference() for p in network.parameters())
    state = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    return [*found, *state.values(), autoencoder.partial_fit(VOLUMES).transform(VOLUMES)]


def outputs_of_scan_features() -> list[np.ndarray]:
    found = ScanFeatures(image="scan", encoder=CNN(width=4), volume=sixteen(), random_state=0)
    return [found.fit_transform(SCANS)]


def scans(**parameters: object) -> list[np.ndarray]:
    return outputs_of_classifier(SCANS, image="scan", volume=sixteen(), **parameters)


MODELS = {
    "table": lambda: outputs_of_classifier(TABLE),
    "trained": lambda: scans(encoder=CNN(width=4)),
    "fixed": lambda: scans(encoder=CNN(width=4), fine_tune=False, mirror=True),
    "pre-trained": lambda: scans(encoder=TINY),
    "autoencoder": outputs_of_autoencoder,
    "features": outputs_of_scan_features,
}
NETWORKS = [name for name in list_encoders() if name not in ("density", "vit_ae")]
PARTS = {f"encoder {name}": {"encoder": name} for name in NETWORKS}
PARTS["encoder ViT"] = {"encoder": ViT(depth=1)}
PARTS |= {f"fusion {name}": {"encoder": CNN(width=4), "fusion": name} for name in list_fusions()}


def forget() -> None:
    for cache in (features, fitted):
        cache.clear()


@pytest.fixture(scope="module")
def plain() -> Callable:
    known = {}

    def get(name: str, make: Callable) -> list[np.ndarray]:
        if name not in known:
            forget()
            known[name] = make()
            forget()
        return known[name]

    return get


def state() -> list[object]:
    def device() -> str:
        try:
            return torch.empty(0).device.type
        except (AssertionError, RuntimeError) as error:
            return type(error).__name__

    return [
        torch.get_default_dtype(),
        device(),
        torch.is_inference_mode_enabled(),
        torch.is_grad_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.is_autocast_cache_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_anomaly_enabled(),
    ]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_of_others_change_no_bit_and_stay_as_they_are(setting, name, plain):
    expected = plain(name, MODELS[name])
    with SETTINGS[setting]():
        before = state()
        found = MODELS[name]()
        assert state() == before
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("setting", CHANGE_WHAT_IS_BUILT)
def test_every_encoder_and_fusion_is_built_as_it_is_stated(setting, part, plain):
    def make() -> list[np.ndarray]:
        return scans(**(PARTS[part] | {"max_epochs": 1}))

    expected = plain(part, make)
    with SETTINGS[setting]():
        found = make()
    for one, other in zip(found, expected, strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_was_fitted_without_a_setting_predicts_the_same_with_it(setting):
    clf = classifier(image="scan", encoder=CNN(width=4), volume=sixteen()).fit(SCANS, Y)
    expected = clf.predict_proba(SCANS)
    forget()
    with SETTINGS[setting]():
        assert_array_equal(clf.predict_proba(SCANS), expected)


def test_what_was_loaded_in_inference_mode_can_be_trained_further():
    first = classifier().fit(TABLE, Y)
    expected = pickle.loads(pickle.dumps(first)).partial_fit(TABLE, Y).predict_proba(TABLE)
    with torch.inference_mode():
        loaded = pickle.loads(pickle.dumps(first))
        assert_array_equal(loaded.predict_proba(TABLE), first.predict_proba(TABLE))
    assert_array_equal(loaded.partial_fit(TABLE, Y).predict_proba(TABLE), expected)


def test_costs_are_estimated_under_any_setting(capsys):
    with SETTINGS["float64"](), torch.inference_mode():
        cost = ViTAutoencoder(size="tiny", volume=sixteen(), max_epochs=1).estimate(VOLUMES[:2])
    assert cost.n_steps == 1
    assert "1 steps" in capsys.readouterr().out


def test_an_error_gives_the_settings_back():
    with SETTINGS["float64"](), torch.no_grad():
        before = state()
        with pytest.raises(ValueError, match="one class"):
            classifier().fit(TABLE, np.zeros(N))
        assert state() == before


def test_threads_that_overlap_give_back_what_the_first_found():
    together = Barrier(2)

    def enter(_: int) -> torch.dtype:
        with own_torch_state():
            together.wait()
            return torch.get_default_dtype()

    with SETTINGS["float64"]():
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(enter, range(2))) == [torch.float32] * 2
        assert torch.get_default_dtype() == torch.float64
