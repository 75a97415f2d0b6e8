from __future__ import annotations

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

import skedema
from skedema import AttentionMixerClassifier
from skedema._caching.whole_files import _digits, _machine
from skedema.persistence import ModelFileError, _frame

from .._autoencoders import make, make_cohort
from ._models import make_table
from ._write_fixture import DATA

rng = np.random.default_rng(0)
X = pd.DataFrame(
    {
        "sodium": rng.normal(138, 5, 60),
        "gcs": rng.integers(3, 16, 60),
        "sex": rng.choice(["f", "m"], 60),
    }
)
X.loc[3, "sodium"] = None
y = np.where(rng.random(60) < 0.5, "no", "yes")


def fitted(**parameters):
    return AttentionMixerClassifier(**{"max_epochs": 2, "random_state": 0, **parameters}).fit(X, y)


def test_a_new_process_predicts_the_same_to_the_bit(tmp_path):
    clf = fitted()
    skedema.save(clf, tmp_path / "model.skedema")
    X.to_pickle(tmp_path / "X.pickle")
    code = (
        "import sys, numpy as np, pandas as pd, skedema, torch\n"
        "torch.set_num_threads(1)\n"
        "clf = skedema.load(sys.argv[1] + '/model.skedema')\n"
        "X = pd.read_pickle(sys.argv[1] + '/X.pickle')\n"
        "np.save(sys.argv[1] + '/proba.npy', clf.predict_proba(X))\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code, tmp_path], check=True)
    assert np.array_equal(np.load(tmp_path / "proba.npy"), clf.predict_proba(X))


@pytest.mark.numerical
@pytest.mark.parametrize("path", sorted(DATA.glob("*.skedema")), ids=lambda path: path.stem)
def test_files_of_every_format_are_read(path):
    table, _ = make_table()
    found = skedema.load(path).predict_proba(table.head(8))
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    # Thousands of roundings of 6e-8 in a row.
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_file_written_over_another_leaves_nothing_else(tmp_path):
    path = tmp_path / "model.skedema"
    begins = f".{_digits('model.skedema', 16)}-"
    left = tmp_path / f"{begins}{'0' * 32}-{_machine()}.partial"
    left.write_bytes(b"of a writer that was killed")
    skedema.save(skedema.VolumeReader(shape=8), path)
    skedema.save(skedema.VolumeReader(shape=9), path)
    assert skedema.load(path).shape == 9
    assert [each.name for each in tmp_path.iterdir()] == ["model.skedema"]
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_full_disk_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.skedema"
    skedema.save(skedema.VolumeReader(shape=8), path)

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        skedema.save(skedema.VolumeReader(shape=9), path)
    assert skedema.load(path).shape == 8
    assert [each.name for each in tmp_path.iterdir()] == ["model.skedema"]


def test_places_that_are_no_files_are_told(tmp_path):
    with pytest.raises(FileNotFoundError):
        skedema.load(tmp_path / "model.skedema")
    with pytest.raises(ModelFileError, match=r"is a folder.*is read by from_pretrained"):
        skedema.load(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelFileError, match="pipe: is no file"):
        skedema.load(tmp_path / "pipe")


def test_a_link_leads_to_the_file_that_is_replaced(tmp_path):
    (tmp_path / "latest").symlink_to("model-2.skedema")
    skedema.save(skedema.VolumeReader(shape=8), tmp_path / "latest")
    assert (tmp_path / "latest").is_symlink()
    assert skedema.load(tmp_path / "model-2.skedema").shape == 8
    with pytest.raises(OSError, match="a device, a pipe or the like"):
        skedema.save(skedema.VolumeReader(shape=8), os.devnull)
    with pytest.raises(IsADirectoryError, match="name a file in it"):
        skedema.save(skedema.VolumeReader(shape=8), tmp_path)


def test_the_same_model_gives_the_same_file(tmp_path):
    clf = fitted()
    for name in ("one", "other"):
        skedema.save(clf, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_the_random_state_of_others_is_left_alone(tmp_path):
    clf = fitted()
    before = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    skedema.save(clf, tmp_path / "model.skedema")
    skedema.load(tmp_path / "model.skedema")
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_an_autoencoder_comes_back(tmp_path):
    scans, _ = make_cohort(6)
    autoencoder = make(max_epochs=1).fit(scans)
    skedema.save(autoencoder, tmp_path / "encoder.skedema")
    again = skedema.load(tmp_path / "encoder.skedema")
    assert np.array_equal(again.transform(scans), autoencoder.transform(scans))
    assert np.array_equal(again.reconstruct(scans), autoencoder.reconstruct(scans))
    pd.testing.assert_frame_equal(again.history_, autoencoder.history_)
    assert repr(clone(again)) == repr(clone(autoencoder))


def test_what_cannot_be_held_is_named_before_anything_is_written(tmp_path):
    clf = fitted().set_params(callbacks=[print])
    with pytest.raises(ModelFileError, match=r"callbacks.*set_params\(callbacks=None\)"):
        skedema.save(clf, tmp_path / "model.skedema")
    assert list(tmp_path.iterdir()) == []
    skedema.save(clf.set_params(callbacks=None), tmp_path / "model.skedema")


@pytest.mark.parametrize("name", ["manifest.json", "params.json", "weights.safetensors"])
def test_what_is_too_large_to_be_read_is_not_written(tmp_path, monkeypatch, name):
    monkeypatch.setitem(_frame.MEMBERS, name, 8)
    with pytest.raises(ModelFileError, match=rf"{name} would have \d+ bytes, more than"):
        skedema.save(skedema.VolumeReader(), tmp_path / "model.skedema")
    assert not list(tmp_path.iterdir())
