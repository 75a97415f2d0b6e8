from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from skorch.callbacks import Callback

import skedema._checkpoints
from skedema._checkpoints import Checkpoints

from ._fits import KINDS, fit, learned, same

NAME = "classifier.ckpt"


class Killed(BaseException):
    """As nothing else would be caught."""


@pytest.fixture(autouse=True)
def at_every_step(monkeypatch):
    monkeypatch.setattr(skedema._checkpoints, "_FIRST", 0.0)
    monkeypatch.setattr(skedema._checkpoints, "_SHARE", float("inf"))


def count_saves(monkeypatch, then: Callable[[int], None] = lambda number: None) -> list[Any]:
    """Count the checkpoints of the classifier, and do something after each."""
    save, saved = Checkpoints.save, []

    def counting(self: Checkpoints, state: dict[str, Any]) -> None:
        save(self, state)
        if self.name == "classifier":
            saved.append(state)
            then(len(saved))

    monkeypatch.setattr(Checkpoints, "save", counting)
    return saved


def kill_after(monkeypatch, n_saves: int) -> None:
    def kill(number: int) -> None:
        if number == n_saves:
            raise Killed

    count_saves(monkeypatch, kill)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_that_is_stopped_at_any_point_ends_as_if_it_never_was(kind, tmp_path, monkeypatch):
    scans = "image" in KINDS[kind]()
    whole = learned(fit(kind), scans=scans)
    with monkeypatch.context() as patch:
        saved = count_saves(patch)
        kept = fit(kind, checkpoint_dir=tmp_path / "whole")
    n_places = len(saved)
    assert same(learned(kept, scans=scans), whole), "checkpoints alone changed the result"
    assert n_places >= 2
    for number in (n_places // 2, n_places):
        folder = tmp_path / str(number)
        with monkeypatch.context() as patch:
            kill_after(patch, number)
            with pytest.raises(Killed):
                fit(kind, checkpoint_dir=folder)
        with monkeypatch.context() as patch:
            again = count_saves(patch)
            found = fit(kind, checkpoint_dir=folder)
        assert same(learned(found, scans=scans), whole), f"after {number} of {n_places}"
        assert len(again) == n_places - number, "what was done is done again"
        assert [path.name for path in folder.rglob("classifier*")] == [NAME]


def test_a_kill_in_the_midst_of_writing_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    whole = learned(fit("committee"), scans=False)
    fsync, calls = os.fsync, []

    def dies(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 7:
            raise Killed
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr("skedema._caching.whole_files.os.fsync", dies)
        with pytest.raises(Killed):
            fit("committee", checkpoint_dir=tmp_path)
    stray = next(tmp_path.rglob(NAME)).parent / f".classifier-{0:032}.partial"
    stray.write_bytes(b"half")  # a kill -9 leaves it
    assert same(learned(fit("committee", checkpoint_dir=tmp_path), scans=False), whole)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [NAME]


def test_a_full_disk_is_told_once_and_the_training_goes_on(tmp_path, monkeypatch):
    whole = learned(fit("committee"), scans=False)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("skedema._caching.whole_files.os.fsync", full)
        with pytest.warns(UserWarning, match=r"No space left.*checkpoint_dir=") as told:
            clf = fit("committee", checkpoint_dir=tmp_path)
    assert len(told) == 1
    assert same(learned(clf, scans=False), whole)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _with(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """Write a checkpoint anew, with a digest that is right, holding what no training leaves."""

    def damage(path: Path) -> None:
        content = skedema._checkpoints._read(path)
        change(content["state"])
        path.unlink()
        fingerprint = content["fingerprint"]
        Checkpoints(path.parent, "classifier", fingerprint, 0).save(content["state"])

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        _cut,
        _flip,
        lambda path: path.write_bytes(b""),
        _with(lambda state: next(iter(state["weights"].values())).fill_(torch.nan)),
        _with(lambda state: state["weights"].popitem()),
        _with(lambda state: state.pop("generators")),
        _with(lambda state: state["history"].clear()),
        _with(lambda state: state["callbacks"].pop()),
        _with(lambda state: state["optimizer"]["param_groups"].clear()),
        _with(lambda state: state.update(weights=3)),
        _with(lambda state: state.update(history=3)),
    ],
)
def test_a_damaged_checkpoint_is_told_and_passed_over(damage, tmp_path):
    whole = learned(fit("committee", checkpoint_dir=tmp_path), scans=False)
    (path,) = tmp_path.rglob(NAME)
    damage(path)
    with pytest.warns(UserWarning, match=r"classifier\.ckpt is damaged.*begins anew") as told:
        clf = fit("committee", checkpoint_dir=tmp_path)
    assert len(told) == 1
    assert same(learned(clf, scans=False), whole)
    assert same(learned(fit("committee", checkpoint_dir=tmp_path), scans=False), whole), "mended"


class Gathers(Callback):
    """Holds what cannot be kept without running code when it is loaded."""

    def on_train_begin(self, net, **kwargs):
        self.seen_ = Path("a")

    def on_epoch_end(self, net, **kwargs):
        self.n_epochs_ = getattr(self, "n_epochs_", 0) + 1


def test_a_callback_that_cannot_be_kept_is_told_once(tmp_path):
    with pytest.warns(UserWarning, match="seen_ of the callback Gathers cannot be kept") as told:
        clf = fit("committee", callbacks=[Gathers()], checkpoint_dir=tmp_path)
    assert len(told) == 1
    assert clf.n_iter_ == 3
    assert not list(tmp_path.rglob(NAME))


def test_within_an_epoch_nothing_is_kept_that_callbacks_of_others_gather(tmp_path, monkeypatch):
    saved = count_saves(monkeypatch)
    fit("callbacks", checkpoint_dir=tmp_path)
    *epochs, end = saved
    assert [len(place["history"][-1]["batches"]) for place in epochs] == [0, 0, 0]
    assert end["over"]
    scoring = next(state for state in end["callbacks"] if "y_preds_" in state)
    assert scoring["y_preds_"] == scoring["y_trues_"] == []
