from __future__ import annotations

import json
import zipfile

import skedema
from skedema.persistence._file import load_with, save_with

from .._autoencoders import make
from ._models import classifier, make_table, tokens

X, y = make_table()


def manifest(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("manifest.json"))


def test_a_file_tells_what_it_was_trained_on_and_what_it_takes(tmp_path):
    clf = classifier(encoder=tokens()).fit(X, y)
    skedema.save(clf, tmp_path / "model.skedema")
    told = manifest(tmp_path / "model.skedema")
    assert told["format"] == 1
    assert told["estimator"] == "AttentionMixerClassifier"
    assert told["skedema"] == skedema.__version__
    assert set(told["packages"]) >= {"numpy", "scikit-learn", "torch"}
    trained = told["trained"]
    assert trained["classes"] == ["edema", "none"]
    assert (trained["n_patients"], trained["epochs"]) == (40, 1)
    assert trained["encoder"] == "MirroredTokens"
    reader = clf.volume_.get_params()
    assert trained["preprocessing"].items() <= json.loads(json.dumps(reader)).items()
    assert trained["preprocessing"]["shape"] == clf.volume_.shape
    scan, age, sex = trained["columns"]
    assert scan == {"name": "scan", "kind": "scan"}
    assert age == {"name": "age", "kind": "numeric", "low": X.age.min(), "high": X.age.max()}
    assert sex == {"name": "sex", "kind": "categorical", "categories": ["f", "m"]}


def test_an_autoencoder_tells_how_many_scans_it_saw(tmp_path):
    scans = X["scan"].dropna().head(5)
    skedema.save(make(max_epochs=0, memory=str(tmp_path / "m")).fit(scans), tmp_path / "a.skedema")
    told = manifest(tmp_path / "a.skedema")
    assert told["trained"]["n_scans"] == 5
    assert str(tmp_path) not in json.dumps(told)


def test_plain_values_may_be_kept_beside_a_model(tmp_path):
    save_with(skedema.VolumeReader(), tmp_path / "reader.skedema", target="edema", ids=["patient"])
    _, told = load_with(tmp_path / "reader.skedema")
    assert told["about"] == {"target": "edema", "ids": ["patient"]}
