from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import cross_validate

from skedema import AttentionMixerClassifier, VolumeReader
from skedema._pretraining.loop import Training
from skedema._pretraining.views import ViewAugmentation

from .conftest import make_scan, same_weights

LOSSES = ["total", "reconstruction", "edge", "contrast", "lr"]


class _Stopped(Exception):
    pass


def stop_at_step(monkeypatch, number: int, stop: object) -> None:
    """Stop in the middle of a step: views are there, losses are not."""
    pair, calls = ViewAugmentation.pair, []

    def stopping(*args: object, **part: object) -> object:
        calls.append(None)
        if len(calls) == number:
            stop()
        return pair(*args, **part)

    monkeypatch.setattr(ViewAugmentation, "pair", stopping)


def fail() -> None:
    raise _Stopped


@pytest.fixture
def interrupt():
    """Press Ctrl-C, also where the tests run in a background that ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes that it forks")
def test_thirty_kills_at_random_moments_change_nothing(tmp_path):
    script = Path(__file__).parent / "_killed_runs.py"
    one_thread = {f"{pool}_NUM_THREADS": "1" for pool in ("OMP", "MKL", "OPENBLAS")}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), str(tmp_path), "0"],
        env={**os.environ, **one_thread, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    log = json.loads(done.stdout.splitlines()[-1])
    print(log)
    assert log["whole"], "checkpoints alone changed the result"
    assert log["equal"] == [True] * 30
    assert sum(place is not None and place[1] > 0 for place in log["places"]) >= 5  # mid-epoch


@pytest.mark.parametrize("step", [1, 2, 5])
def test_a_stopped_fit_goes_on_to_what_it_would_have_been(
    autoencoder, scans, tmp_path, monkeypatch, step
):
    whole = autoencoder().fit(scans)
    with monkeypatch.context() as patch:
        stop_at_step(patch, step, fail)
        with pytest.raises(_Stopped):
            autoencoder(checkpoint_dir=tmp_path, checkpoint_minutes=0).fit(scans)
    resumed = autoencoder(checkpoint_dir=tmp_path, checkpoint_minutes=10).fit(scans)
    assert same_weights(resumed, whole)
    assert resumed.history_[LOSSES].equals(whole.history_[LOSSES])


def test_a_finished_fit_is_taken_as_it_is(autoencoder, scans, tmp_path, monkeypatch):
    first = autoencoder(checkpoint_dir=tmp_path).fit(scans)
    monkeypatch.setattr(Training, "step", lambda *_: fail())
    again = autoencoder(checkpoint_dir=tmp_path).fit(scans)
    assert same_weights(first, again)
    assert again.history_.equals(first.history_)


def test_without_a_seed_a_run_keeps_the_one_it_began_with(
    autoencoder, scans, tmp_path, monkeypatch
):
    settings = {"random_state": None, "checkpoint_dir": tmp_path, "checkpoint_minutes": 0}
    with monkeypatch.context() as patch:
        stop_at_step(patch, 5, fail)
        with pytest.raises(_Stopped):
            autoencoder(**settings).fit(scans)
    resumed = autoencoder(**settings).fit(scans)

    class SameSeed(np.random.RandomState):
        def randint(self, *_: object) -> int:
            return resumed._seed

    assert same_weights(resumed, autoencoder(random_state=SameSeed()).fit(scans))


CHANGES = {
    "lr": ({"lr": 1e-4}, r"lr=0\.001 there, 0\.0001 here"),
    "max_epochs": ({"max_epochs": 4}, "max_epochs=3 there, 4 here"),
    "random_state": ({"random_state": 1}, "random_state=0 there, 1 here"),
    "augment": ({"augment": False}, "augment=.*there, None here"),
    "scans": ({}, "another run: scans=10 with digest"),
}


@pytest.mark.parametrize("changed", CHANGES)
def test_another_run_has_a_folder_of_its_own(autoencoder, scans, tmp_path, changed):
    change, _ = CHANGES[changed]
    others = [*scans[:-1], make_scan(99)] if changed == "scans" else scans
    first = autoencoder(checkpoint_dir=tmp_path).fit(scans)
    second = autoencoder(checkpoint_dir=tmp_path, **change).fit(others)
    assert same_weights(second, autoencoder(**change).fit(others))
    assert same_weights(first, autoencoder(checkpoint_dir=tmp_path).fit(scans))
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("changed", CHANGES)
def test_a_checkpoint_moved_into_the_folder_of_another_run_is_refused(
    autoencoder, scans, tmp_path, changed
):
    change, message = CHANGES[changed]
    others = [*scans[:-1], make_scan(99)] if changed == "scans" else scans
    autoencoder(checkpoint_dir=tmp_path / "one").fit(scans)
    autoencoder(checkpoint_dir=tmp_path / "two", **change).fit(others)
    [one], [two] = (list((tmp_path / name).iterdir()) for name in ("one", "two"))
    shutil.rmtree(two)
    one.rename(two)
    with pytest.raises(ValueError, match=message):
        autoencoder(checkpoint_dir=tmp_path / "two", **change).fit(others)


def test_a_run_goes_on_in_a_folder_that_holds_its_checkpoints_directly(
    autoencoder, scans, tmp_path, monkeypatch
):
    first = autoencoder(checkpoint_dir=tmp_path / "new").fit(scans)
    [folder] = (tmp_path / "new").iterdir()
    folder.rename(tmp_path / "old")
    monkeypatch.setattr(Training, "step", lambda *_: fail())
    assert same_weights(first, autoencoder(checkpoint_dir=tmp_path / "old").fit(scans))


def test_another_class_of_reader_is_another_run(autoencoder, scans, tmp_path):
    class Halved(VolumeReader):
        def read(self, scan):
            return super().read(scan) / 2

    halved = Halved(shape=16)
    autoencoder(checkpoint_dir=tmp_path, volume=VolumeReader(shape=16)).fit(scans)
    second = autoencoder(checkpoint_dir=tmp_path, volume=halved).fit(scans)
    assert same_weights(second, autoencoder(volume=halved).fit(scans))
    assert len(list(tmp_path.iterdir())) == 2


def test_folds_may_share_a_folder(autoencoder, scans, tmp_path):
    encoder = autoencoder(checkpoint_dir=tmp_path, random_state=None)
    model = AttentionMixerClassifier(image=0, encoder=encoder, max_epochs=1, random_state=0)
    X, y = np.empty((len(scans), 1), dtype=object), np.arange(len(scans)) % 2
    X[:, 0] = scans
    found = cross_validate(model, X, y, cv=2, error_score="raise")
    assert np.isfinite(found["test_score"]).all()
    assert len(list(tmp_path.iterdir())) == 2


def test_settings_that_change_no_number_may_change(autoencoder, scans, tmp_path):
    first = autoencoder(checkpoint_dir=tmp_path).fit(scans)
    again = autoencoder(
        checkpoint_dir=tmp_path, checkpoint_minutes=3, memory=str(tmp_path), pool="cls", verbose=0
    )
    assert same_weights(first, again.fit(scans))


def test_interrupt_keeps_the_best_finished_epoch(autoencoder, scans, monkeypatch, interrupt):
    def going_wrong(step: int, *_: object) -> float:
        return 1e-3 if step < 3 * 4 else 1.0  # three batches an epoch: the fifth ruins it

    monkeypatch.setattr("skedema._pretraining.loop.learning_rate", going_wrong)
    reference = autoencoder(max_epochs=9)
    snapshots = []
    with monkeypatch.context() as patch:
        finish = Training._finish_epoch

        def noting(training: Training) -> None:
            finish(training)
            snapshots.append({k: v.clone() for k, v in training.module.state_dict().items()})

        patch.setattr(Training, "_finish_epoch", noting)
        reference.fit(scans)
    interrupted = autoencoder(max_epochs=9)
    stop_at_step(monkeypatch, 3 * 6 + 2, interrupt)
    with pytest.raises(KeyboardInterrupt):
        interrupted.fit(scans)
    losses = reference.history_["reconstruction"][:6]
    assert interrupted.n_iter_ == 6
    assert interrupted.history_["reconstruction"].equals(losses)
    best = int(losses.idxmin())
    assert best < 4
    kept = interrupted.module_.state_dict()
    assert all((kept[name] == value).all() for name, value in snapshots[best].items())
    assert interrupted.transform(scans).shape == (10, 16)


def test_interrupt_before_an_epoch_is_finished_leaves_things_as_they_were(
    autoencoder, scans, monkeypatch, interrupt
):
    fresh, fitted = autoencoder(), autoencoder().fit(scans)
    before = fitted.transform(scans)
    for estimator in (fresh, fitted):
        with monkeypatch.context() as patch:
            stop_at_step(patch, 2, interrupt)
            with pytest.raises(KeyboardInterrupt):
                estimator.fit(scans)
    assert not hasattr(fresh, "module_")
    assert (fitted.transform(scans) == before).all()


def test_after_an_interrupt_the_checkpoint_still_leads_to_the_end(
    autoencoder, scans, tmp_path, monkeypatch, interrupt
):
    whole = autoencoder().fit(scans)
    settings = {"checkpoint_dir": tmp_path, "checkpoint_minutes": 0}
    with monkeypatch.context() as patch:
        stop_at_step(patch, 5, interrupt)
        with pytest.raises(KeyboardInterrupt):
            autoencoder(**settings).fit(scans)
    assert same_weights(autoencoder(**settings).fit(scans), whole)
