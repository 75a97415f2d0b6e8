from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from skorch.callbacks import Callback

import skedema._checkpoints
from skedema import AttentionMixerClassifier
from skedema._checkpoints import Checkpoints

from ._fits import N, autoencoder, cohort, fit, learned, make, same

NAME = "classifier.ckpt"


def folders(folder: Path) -> set[str]:
    return {path.parent.name for path in folder.rglob(NAME)}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes that it forks")
def test_kills_at_random_moments_change_nothing(tmp_path):
    script = Path(__file__).parent / "_killed_fits.py"
    one_thread = {f"{pool}_NUM_THREADS": "1" for pool in ("OMP", "MKL", "OPENBLAS")}
    other = {"CUDA_VISIBLE_DEVICES": "", "PYTHONHASHSEED": "3"}
    fit("committee", checkpoint_dir=tmp_path / "before")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), str(tmp_path)],
        env={**os.environ, **one_thread, **other},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    log = json.loads(done.stdout.splitlines()[-1])
    print(log)
    assert log["found"], "another process looks in another place"
    assert log["folds"]
    assert log["n_folds"] == 2, "folds in several processes have one place each"
    assert log["equal"] == [True] * 7
    assert any(log["places"])
    kept = {NAME, "vit_autoencoder.ckpt", "vit_autoencoder.previous.ckpt"}
    assert set(log["left"]) <= kept


def test_each_fit_has_a_place_of_its_own(tmp_path):
    X, y = cohort()
    params = {"n_members": 1, "early_stopping": True, "validation_fraction": 0.3}
    base = make("committee", max_epochs=1, checkpoint_dir=tmp_path, **params)
    other_table = X.assign(age=X["age"] + (np.arange(N) == 7))
    other_labels = np.where(np.arange(N) == 7, 1 - y, y)
    fits = [
        lambda: base.fit(X, y),
        *(
            lambda changed=changed: clone(base).set_params(**changed).fit(X, y)
            for changed in (
                {"lr": 0.002},
                {"max_epochs": 2},
                {"batch_size": 19},
                {"dropout": 0.1},
                {"weight_decay": 0.2},
                {"n_iter_no_change": 2},
                {"fusion": "concat"},
                {"random_state": 1},
                {"class_weight": {0: 1, 1: 2}},
                {"early_stopping": False},
            )
        ),
        lambda: clone(base).fit(other_table, y),
        lambda: clone(base).fit(X, other_labels),
        lambda: clone(base).fit(X, y, np.where(np.arange(N) == 7, 2.0, 1.0)),
    ]
    for number, another in enumerate(fits, start=1):
        another()
        assert len(folders(tmp_path)) == number
    fits[0]()
    assert len(folders(tmp_path)) == len(fits), "it finds its own again"


def test_where_and_how_a_fit_is_computed_and_shown_tells_nothing_apart(tmp_path, capsys):
    X, y = cohort()
    fit("committee", checkpoint_dir=tmp_path)
    for changed in ({"verbose": 1}, {"memory": tmp_path / "memory"}, {"warn_unusual": False}):
        clf = make("committee", checkpoint_dir=str(tmp_path), **changed).fit(X, y)
        assert clf.n_iter_ == 3
    assert len(folders(tmp_path)) == 1


def test_an_end_that_was_reached_is_taken_as_it_is(tmp_path, monkeypatch):
    first = fit("fine-tuned", checkpoint_dir=tmp_path)
    monkeypatch.setattr(Checkpoints, "save", lambda *_: pytest.fail("trained again"))
    again = fit("fine-tuned", checkpoint_dir=tmp_path)
    assert same(learned(again, scans=True), learned(first, scans=True))
    assert len(pickle.dumps(again)) == pytest.approx(len(pickle.dumps(first)), rel=0.01)


def test_without_a_seed_there_is_no_fit_to_go_on_with(tmp_path):
    X, y = cohort()
    clf = AttentionMixerClassifier(max_epochs=1, n_members=1, checkpoint_dir=tmp_path / "a")
    with pytest.raises(ValueError, match="random_state=0"):
        clf.fit(X, y)
    assert not (tmp_path / "a").exists()
    assert folders(clf.set_params(random_state=0).fit(X, y).checkpoint_dir)
    seeded = np.random.RandomState(0)
    for _ in range(2):
        clf.set_params(random_state=seeded, checkpoint_dir=tmp_path / "b")
        clone(clf).fit(X, y)  # which copies the generator
    assert len(folders(tmp_path / "b")) == 1


@pytest.mark.parametrize(("given", "message"), [("a file", "cannot be made"), (3, "path of a")])
def test_a_folder_that_cannot_be_is_refused_before_a_scan_is_read(given, message, tmp_path):
    (tmp_path / "a file").touch()
    folder = tmp_path / "a file" / "b" if isinstance(given, str) else given
    X, y = cohort()
    X["scan"] = "nowhere.nii.gz"
    with pytest.raises(ValueError, match=message):
        make("fine-tuned", checkpoint_dir=folder).fit(X, y)


class Holds(Callback):
    def __init__(self, lock):
        self.lock = lock


def test_callbacks_that_cannot_be_told_apart_are_refused(tmp_path):
    with pytest.raises(ValueError, match="callbacks that can be pickled"):
        fit("committee", callbacks=[Holds(threading.Lock())], checkpoint_dir=tmp_path)


def test_a_fit_that_goes_on_from_the_last_survives_as_well(tmp_path, monkeypatch):
    X, y = cohort()

    def twice(folder: Path | None) -> AttentionMixerClassifier:
        return make("committee", warm_start=True, checkpoint_dir=folder).fit(X, y).fit(X, y)

    whole = learned(twice(None), scans=False)
    make("committee", checkpoint_dir=tmp_path / "a").fit(X, y)  # whose end has no moments
    assert same(learned(twice(tmp_path / "a"), scans=False), whole)
    monkeypatch.setattr(skedema._checkpoints, "_FIRST", 0.0)
    monkeypatch.setattr(skedema._checkpoints, "_SHARE", float("inf"))
    save, saved = Checkpoints.save, []

    def stops(self: Checkpoints, state: dict) -> None:
        save(self, state)
        saved.append(state)
        if len(saved) == 13:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", stops)
        with pytest.raises(KeyboardInterrupt):
            twice(tmp_path / "b")
    assert len(saved[-1]["history"]) > 3, "in the second fit"
    assert same(learned(twice(tmp_path / "b"), scans=False), whole)


def test_partial_fit_and_estimate_write_nothing(tmp_path):
    X, y = cohort()
    clf = make("committee", checkpoint_dir=tmp_path, early_stopping=False)
    clf.estimate(X, y)
    clf.partial_fit(X, y, classes=[0, 1])
    assert not list(tmp_path.iterdir())


def test_a_memory_keeps_the_pre_training_where_there_is_one(tmp_path):
    X, y = cohort(scans=True)
    for memory, kept in ((None, True), (tmp_path / "memory", False)):
        folder = tmp_path / f"checkpoints of {kept}"
        params = {"encoder": autoencoder(), "memory": memory, "checkpoint_dir": folder}
        make("fine-tuned", **params).fit(X, y)
        assert bool(list(folder.rglob("vit_autoencoder.ckpt"))) is kept
        assert folders(folder)


def test_checkpoints_hold_nothing_about_patients(tmp_path, monkeypatch):
    monkeypatch.setattr(skedema._checkpoints, "_FIRST", 0.0)
    monkeypatch.setattr(skedema._checkpoints, "_SHARE", float("inf"))
    kept: list[bytes] = []
    save = Checkpoints.save

    def looking(self: Checkpoints, state: dict) -> None:
        save(self, state)
        kept.append(self._newest.read_bytes())

    monkeypatch.setattr(Checkpoints, "save", looking)
    rng = np.random.default_rng(0)
    values = 1234.5 + rng.random(N)
    scans = tmp_path / "MRN-4711"
    scans.mkdir()
    volumes = [rng.normal(40, 12, (12, 12, 12)).astype("f4") for _ in range(N)]
    paths = [scans / f"erika-mustermann-{k}.npy" for k in range(N)]
    for path, volume in zip(paths, volumes, strict=True):
        np.save(path, volume)
    X = pd.DataFrame({"creatinine": values, "ward": "Hospitalus", "scan": map(str, paths)})
    X.index = [f"patient-{k}" for k in range(N)]
    y = np.where(np.arange(N) % 2, "deceased", "alive")
    clf = make("fine-tuned", checkpoint_dir=tmp_path / "kept", warn_unusual=False)
    clf.fit(X, y)
    assert len(kept) > 5
    words = ["mustermann", "MRN-4711", "Hospitalus", "creatinine", "ward", "patient-", "deceased"]
    planted = [word.encode() for word in words] + [word.encode("utf-16-le") for word in words]
    for k in range(N):
        planted += [values[k].tobytes(), np.float32(values[k]).tobytes()]
        planted += [repr(float(values[k])).encode(), volumes[k][5, 5].tobytes()]
    for content in kept:
        assert not [each for each in planted if each in content]
