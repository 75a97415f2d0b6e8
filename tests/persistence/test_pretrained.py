from __future__ import annotations

import hashlib
import json
import shutil
import socket
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file

import skedema
from skedema import AttentionMixerClassifier, ViTAutoencoder
from skedema.persistence import ModelFileError, _pretrained, _strict_json

from .._autoencoders import make, make_cohort

rng = np.random.default_rng(0)
X = pd.DataFrame({"sodium": rng.normal(138, 5, 60), "sex": rng.choice(["f", "m"], 60)})
X.loc[3, "sodium"] = None
y = rng.permutation(["no", "yes"] * 30)


@pytest.fixture(scope="module")
def clf() -> AttentionMixerClassifier:
    return AttentionMixerClassifier(max_epochs=1, n_members=2, random_state=0).fit(X, y)


@pytest.fixture(scope="module")
def saved(clf, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "edema"
    clf.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "edema"))


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_a_classifier_comes_back_to_the_bit(clf, saved, no_network):
    again = AttentionMixerClassifier.from_pretrained(saved)
    assert np.array_equal(again.predict_proba(X), clf.predict_proba(X))
    assert sorted(p.name for p in saved.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["AttentionMixerClassifier"]
    n_weights = sum(each.numel() for each in load_file(saved / "model.safetensors").values())
    assert config["n_weights"] == n_weights


def test_an_autoencoder_comes_back_to_the_bit(tmp_path):
    scans, _ = make_cohort(6)
    autoencoder = make(max_epochs=1).fit(scans)
    autoencoder.save_pretrained(tmp_path / "encoder")
    again = ViTAutoencoder.from_pretrained(tmp_path / "encoder")
    assert np.array_equal(again.transform(scans), autoencoder.transform(scans))
    card = (tmp_path / "encoder" / "README.md").read_text(encoding="utf-8")
    assert "pipeline_tag: feature-extraction" in card
    assert "windows" in card
    with pytest.raises(ModelFileError, match=r"a ViTAutoencoder, and not .* by ViTAutoencoder\."):
        AttentionMixerClassifier.from_pretrained(tmp_path / "encoder")


def test_any_change_is_noticed(folder):
    draw = np.random.default_rng(0)
    for name in ("config.json", "model.safetensors"):
        content = (folder / name).read_bytes()
        for at in draw.integers(0, len(content), 15).tolist():
            changed = bytearray(content)
            changed[at] ^= 1 << int(draw.integers(8))
            for damaged in (bytes(changed), content[:at]):
                (folder / name).write_bytes(damaged)
                with pytest.raises(ModelFileError, match="edema: "):
                    AttentionMixerClassifier.from_pretrained(folder)
        (folder / name).write_bytes(content)
    AttentionMixerClassifier.from_pretrained(folder)


@pytest.mark.parametrize("n_written", [0, 1, 2])
def test_a_folder_that_is_half_written_is_no_model_and_can_be_written_again(
    clf, tmp_path, monkeypatch, n_written
):
    write, names = _pretrained.write_whole, []

    def stop_short(path: Path, *how: object) -> None:
        names.append(path.name)
        if len(names) > n_written:
            raise OSError("no space left")
        write(path, *how)

    monkeypatch.setattr(_pretrained, "write_whole", stop_short)
    with pytest.raises(OSError, match="no space"):
        clf.save_pretrained(tmp_path / "edema")
    if (tmp_path / "edema").exists():
        with pytest.raises(ModelFileError, match=r"it has no config\.json"):
            AttentionMixerClassifier.from_pretrained(tmp_path / "edema")
    monkeypatch.undo()
    clf.save_pretrained(tmp_path / "edema")
    AttentionMixerClassifier.from_pretrained(tmp_path / "edema")


def test_a_model_is_not_written_over_another(clf, folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ModelFileError, match="holds a model already"):
        clf.save_pretrained(folder)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_what_is_too_large_to_be_read_is_not_written(clf, tmp_path, monkeypatch, name):
    monkeypatch.setitem(_pretrained._MOST, name, 1000)
    with pytest.raises(ModelFileError, match=rf"{name} would have \d+ bytes, more than"):
        clf.save_pretrained(tmp_path / "edema")
    assert not list(tmp_path.iterdir())


def test_the_page_of_a_project_is_not_written_over(clf, tmp_path):
    page = tmp_path / "README.md"
    page.write_text("# Edema after stroke")
    with pytest.raises(ModelFileError, match=r"holds a README\.md already"):
        clf.save_pretrained(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["README.md"]
    page.rename(tmp_path / "project.md")  # the remedy
    clf.save_pretrained(tmp_path)
    AttentionMixerClassifier.from_pretrained(tmp_path)


def rewritten(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8")) | changes
    del config["sha256"]
    config["sha256"] = hashlib.sha256(_strict_json.dump(config)).hexdigest()
    (folder / "config.json").write_bytes(_strict_json.dump(config))


def test_what_a_later_version_wrote_is_told_by_its_format(folder):
    rewritten(folder, format=99, skedema="9.1")
    with pytest.raises(ModelFileError, match=r"format 99, of skedema 9\.1"):
        AttentionMixerClassifier.from_pretrained(folder)


def test_a_config_leads_to_no_code(folder):
    class_name = ["os.system", {"command": "touch ran"}]
    rewritten(folder, params={"estimator": {"object": 0}, "objects": [class_name]})
    with pytest.raises(ModelFileError):
        AttentionMixerClassifier.from_pretrained(folder)
    rewritten(folder, model_type="bert")
    with pytest.raises(ModelFileError, match="not that of a model of skedema"):
        AttentionMixerClassifier.from_pretrained(folder)


@pytest.fixture
def hub(monkeypatch, saved):
    """Stand in for the library of the hub; its cache has one model."""
    asked = []

    def snapshot_download(name: str, **how: object) -> str:
        asked.append((name, how))
        if name != "hospital/edema":
            raise FileNotFoundError("not in the cache")
        return str(saved)

    module = ModuleType("huggingface_hub")
    module.snapshot_download = snapshot_download
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return SimpleNamespace(asked=asked)


def test_the_hub_is_asked_over_the_network_only_if_told_to(hub, clf, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    again = AttentionMixerClassifier.from_pretrained("hospital/edema", revision="v2")
    assert np.array_equal(again.predict_proba(X), clf.predict_proba(X))
    AttentionMixerClassifier.from_pretrained("hospital/edema", local_files_only=False)
    files = {"allow_patterns": ["config.json", "model.safetensors", "README.md"]}
    assert hub.asked == [
        ("hospital/edema", {"revision": "v2", "local_files_only": True, **files}),
        ("hospital/edema", {"revision": None, "local_files_only": False, **files}),
    ]
    with pytest.raises(FileNotFoundError, match="lacks a model of that name"):
        AttentionMixerClassifier.from_pretrained("hospital/stroke")


def test_a_folder_needs_no_hub(hub, saved, tmp_path):
    AttentionMixerClassifier.from_pretrained(saved)
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        AttentionMixerClassifier.from_pretrained(tmp_path / "edema")
    skedema.save(skedema.VolumeReader(shape=8), tmp_path / "reader.skedema")
    with pytest.raises(ModelFileError, match=r"is a file.*skedema.load reads"):
        AttentionMixerClassifier.from_pretrained(tmp_path / "reader.skedema")
    with pytest.raises(ModelFileError, match=r"AttentionMixerClassifier\.from_pretrained\("):
        skedema.load(saved)
    with pytest.raises(ValueError, match="is a folder"):
        AttentionMixerClassifier.from_pretrained(saved, revision="main")
    assert hub.asked == []


def test_without_the_library_of_the_hub_an_id_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match="pip install huggingface_hub"):
        AttentionMixerClassifier.from_pretrained("hospital/edema")


def test_the_cache_of_the_hub_is_read_without_network(
    saved, clf, tmp_path, monkeypatch, no_network
):
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "models--hospital--edema"
    shutil.copytree(saved, place / "snapshots" / ("0" * 40))
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("0" * 40)
    again = AttentionMixerClassifier.from_pretrained("hospital/edema")
    assert np.array_equal(again.predict_proba(X), clf.predict_proba(X))
    with pytest.raises(FileNotFoundError, match="local_files_only=False fetches it"):
        AttentionMixerClassifier.from_pretrained("hospital/stroke")
