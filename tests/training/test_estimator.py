"""What a fit does once, and what a prediction leaves alone."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.frozen import FrozenEstimator
from skorch.callbacks import Callback

import skedema
import skedema._scan_column as scan_column
import skedema.scans.cache as scans_cache
from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema.encoders import CNN
from skedema.scans.files import scan_key

N, READER = 12, VolumeReader(spacing=None, shape=8)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("scans"), np.random.default_rng(0)
    paths = [str(folder / f"{k}.npy") for k in range(N)]
    for path in paths:
        np.save(path, rng.normal(40, 8, (8, 8, 8)).astype(np.float32))
    return pd.DataFrame({"scan": paths, "age": rng.normal(60, 9, N)}), np.arange(N) % 2


def classifier(**parameters):
    defaults = {"encoder": CNN(width=4, depth=2), "volume": READER, "max_epochs": 1}
    return AttentionMixerClassifier(image="scan", random_state=0, **(defaults | parameters))


def frozen(X):
    encoder = ViTAutoencoder(size="tiny", volume=READER, max_epochs=1, random_state=0)
    return FrozenEstimator(encoder.fit(list(X["scan"])))


@pytest.mark.parametrize("fine_tune", [True, False])
def test_files_are_looked_for_once_a_fit_and_once_a_prediction(cohort, monkeypatch, fine_tune):
    X, y = cohort
    looked, check = [], scan_column._checked_cells
    monkeypatch.setattr(
        scan_column, "_checked_cells", lambda *given: looked.append(1) or check(*given)
    )
    stopping = {"early_stopping": True, "validation_fraction": 0.5, "warm_start": True}
    clf = classifier(fine_tune=fine_tune, **stopping).fit(X, y)
    assert len(looked) == 1
    clf.fit(X, y)
    assert len(looked) == 2
    clf.predict(X)
    assert len(looked) == 3


@pytest.mark.parametrize("encoder", ["cnn", "frozen"])
@pytest.mark.parametrize("fine_tune", [True, False])
def test_a_prediction_changes_nothing_of_the_model(cohort, encoder, fine_tune):
    X, y = cohort
    given = {} if encoder == "cnn" else {"encoder": frozen(X)}
    clf = classifier(fine_tune=fine_tune, **given).fit(X, y)
    before = pickle.dumps(clf)
    clf.predict_proba(X), clf.predict(X.assign(scan=None)), clf.attention(X), clf.image_features(X)
    assert pickle.dumps(clf) == before


@pytest.mark.parametrize("fine_tune", [True, False])
def test_a_prediction_leaves_the_mode_and_a_callback_may_predict(cohort, fine_tune):
    X, y = cohort

    class Looks(Callback):
        def on_epoch_end(self, net, **kwargs):
            self.seen = clf.predict_proba(X)

    looks = Looks()
    clf = classifier(fine_tune=fine_tune, dropout=0.5, callbacks=[looks])
    clf.fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), looks.seen)
    again = pickle.loads(pickle.dumps(classifier(fine_tune=fine_tune, dropout=0.5).fit(X, y)))
    np.testing.assert_array_equal(again.predict_proba(X), looks.seen)
    again.net_.module_.train()  # as while it is trained further
    again.predict_proba(X)
    assert all(part.training for part in again.net_.module_.modules())


@pytest.mark.parametrize("fine_tune", [True, False])
def test_nobody_with_a_scan_can_be_predicted(cohort, fine_tune):
    X, y = cohort
    clf = classifier(fine_tune=fine_tune).fit(X, y)
    alone = clf.predict_proba(X.assign(scan=None))
    some = X.astype({"scan": object})
    some.loc[1:, "scan"] = None
    np.testing.assert_array_equal(clf.predict_proba(some)[1:], alone[1:])


def test_a_prediction_asks_once_what_each_scan_is(cohort, monkeypatch):
    X, y = cohort
    clf = classifier(fine_tune=False).fit(X, y)
    asked = []
    for module in (scan_column, scans_cache):
        monkeypatch.setattr(module, "scan_key", lambda cell: asked.append(cell) or scan_key(cell))
    clf.predict(X)
    assert asked == list(X["scan"])


@pytest.mark.parametrize(
    ("parameter", "name", "inner", "expected"),
    [
        ("encoder", "mirrored_tokens", "n_components", "skedema.encoders.MirroredTokens()"),
        ("encoder", "vit_ae", "patch", "skedema.ViTAutoencoder()"),
        ("encoder", "density", "rim", "skedema.encoders.Density()"),
        (
            "encoder",
            "monai:DenseNet121",
            "dim",
            "skedema.encoders.MonaiEncoder(name='DenseNet121')",
        ),
        ("fusion", "film", None, "skedema.fusion.FiLM()"),
        ("fusion", "perceiver", "n_latents", "skedema.fusion.Perceiver()"),
        ("refiner", "mixer", "expansion", "skedema.refiners.Mixer()"),
    ],
)
def test_in_place_of_a_name_its_own_object_is_named(parameter, name, inner, expected):
    clf = AttentionMixerClassifier(image="scan", **{parameter: name})
    nested = {f"{parameter}__{inner or 'any'}": 4}
    with pytest.raises(ValueError, match=re.escape(f"such as {parameter}={expected}.")) as told:
        clf.set_params(**nested)
    remedy = str(told.value).rpartition(f"such as {parameter}=")[2].removesuffix(".")
    clf.set_params(**{parameter: eval(remedy, {"skedema": skedema})})
    if inner is not None:
        assert clf.set_params(**nested).get_params()[f"{parameter}__{inner}"] == 4
