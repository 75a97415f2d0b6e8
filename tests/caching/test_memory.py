from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from joblib import Memory
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema._caching.memory import memory_folder, memory_for_others
from skedema._features import features as known_features
from skedema.baselines import ScanFeatures

READER = VolumeReader(shape=8, spacing=None)


def test_all_ways_to_name_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    expected = tmp_path / "cache"
    ways = ["cache", Path("cache"), str(expected), expected, "~/cache"]
    assert {memory_folder(way) for way in ways} == {expected}
    assert not expected.exists()
    assert memory_folder(Memory("cache", verbose=0)) == expected
    assert memory_folder(None) is memory_folder(Memory(None)) is None


@pytest.mark.parametrize("memory", [3, True, object(), ["cache"]])
def test_what_names_no_folder_is_refused(memory):
    with pytest.raises(ValueError, match=r"memory=.* Give the path of one"):
        memory_folder(memory)


@pytest.fixture
def cohort(tmp_path):
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.npy" for number in range(12)]
    for number, path in enumerate(paths):
        np.save(path, rng.normal(20 + 3 * (number % 2), 5, (8, 8, 8)).astype(np.float32))
    X = pd.DataFrame({"scan": [str(path) for path in paths], "age": rng.normal(60, 9, 12)})
    return X, np.arange(12) % 2


def classifier(**parameters):
    settings = {"image": "scan", "encoder": "cnn", "volume": READER, "fine_tune": False}
    settings |= {"max_epochs": 2, "random_state": 0}
    return AttentionMixerClassifier(**(settings | parameters))


def test_a_path_serves_wherever_a_text_does(cohort, tmp_path):
    X, y = cohort
    expected = classifier().fit(X, y).predict_proba(X)
    known_features.clear()
    model = classifier(memory=tmp_path / "cache").fit(X, y)
    assert (model.predict_proba(X) == expected).all()
    assert len(list((tmp_path / "cache" / "skedema" / "features").iterdir())) == 12
    features = ScanFeatures(image="scan", encoder="cnn", volume=READER, memory=tmp_path / "cache")
    assert len(features.fit_transform(X, y)) == 12
    tiny = {"size": "tiny", "patch": 4, "volume": READER, "max_epochs": 1, "random_state": 0}
    autoencoder = ViTAutoencoder(**tiny, memory=tmp_path / "cache").fit(list(X["scan"]))
    assert len(list((tmp_path / "cache" / "skedema" / "pretraining").iterdir())) == 1
    assert np.isfinite(autoencoder.transform(list(X["scan"]))).all()


# A folder beneath a file can be made by nobody, not even by root.
@pytest.mark.filterwarnings("ignore:.*nothing can be (read|written) there")
@pytest.mark.filterwarnings("ignore:.*no checkpoint can be written there")
@pytest.mark.parametrize("kind", ["cnn", "vit_ae", "pipeline"])
def test_a_folder_that_cannot_be_made_costs_no_fit(cohort, tmp_path, kind):
    X, y = cohort
    encoders = {
        "cnn": "cnn",
        "vit_ae": ViTAutoencoder(size="tiny", patch=4, max_epochs=1, random_state=0),
        "pipeline": make_pipeline(READER, FunctionTransformer(_flat), PCA(2, random_state=0)),
    }
    expected = classifier(encoder=encoders[kind]).fit(X, y).predict_proba(X)
    (tmp_path / "file").touch()
    for memory in (tmp_path / "file", str(tmp_path / "file" / "beneath")):
        model = classifier(encoder=encoders[kind], memory=memory).fit(X, y)
        assert (model.predict_proba(X) == expected).all()
    assert (tmp_path / "file").read_bytes() == b""


def _flat(volumes):
    return volumes.reshape(len(volumes), -1)


def test_others_get_a_folder_that_they_can_use(tmp_path):
    (tmp_path / "file").touch()
    assert memory_for_others(None) is memory_for_others(tmp_path / "file" / "beneath") is None
    assert memory_for_others(tmp_path / "new") == str(tmp_path / "new")
