"""A full disk, damage and other people's files cost a warning, never a training."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import warnings

import numpy as np
import pytest
import torch

from skedema._checkpoints import Checkpoints

from .conftest import same_weights

NEWEST = "vit_autoencoder.ckpt"


@pytest.fixture(params=["memory", "checkpoint_dir"])
def kept(request, tmp_path):
    """Where checkpoints are kept, as a parameter of the autoencoder."""
    return {request.param: tmp_path / "kept", "checkpoint_minutes": 0}


def checkpoint_in(kept):
    [path] = kept.get("memory", kept.get("checkpoint_dir")).rglob(NEWEST)
    return path


SITES = ["builtins.open", "os.fsync", "os.replace", "torch.save"]


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("call", [1, 2, 5])
def test_a_disk_that_is_full_at_any_moment_costs_no_training(
    autoencoder, scans, kept, monkeypatch, site, call
):
    expected = autoencoder().fit(scans)
    calls, original = [], {"builtins.open": open, "torch.save": torch.save}
    original = original.get(site) or getattr(os, site.removeprefix("os."))

    def full(*args, **kwargs):
        if site != "builtins.open" or ".vit_autoencoder-" in str(args[0]):
            calls.append(None)
            if len(calls) >= call:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(site, full)
        with pytest.warns(UserWarning, match=r"No space left") as caught:
            fitted = autoencoder(**kept).fit(scans)
    assert len({str(each.message) for each in caught if "checkpoint" in str(each.message)}) <= 1
    assert same_weights(fitted, expected)
    assert same_weights(autoencoder(**kept).fit(scans), expected)  # space was freed
    names = [p.name for p in (kept.get("memory") or kept["checkpoint_dir"]).rglob("*")]
    assert not [name for name in names if name.startswith(".")]


def test_a_folder_that_is_removed_again_and_again_costs_no_training(autoencoder, scans, kept):
    expected = autoencoder().fit(scans)
    folder = kept.get("memory") or kept["checkpoint_dir"]
    over = threading.Event()

    def remove():
        while not over.is_set():
            shutil.rmtree(folder, ignore_errors=True)

    thread = threading.Thread(target=remove)
    thread.start()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*(written|read) there")
            fitted = [autoencoder(**kept).fit(scans) for _ in range(5)]
    finally:
        over.set()
        thread.join()
    assert all(same_weights(each, expected) for each in fitted)


def test_a_checkpoint_dir_that_cannot_be_made_is_told_before_training(autoencoder, scans, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"checkpoint_dir: .*cannot be made.*Give a folder"):
        autoencoder(checkpoint_dir=tmp_path / "file" / "beneath").fit(scans)


def flipped(content, rng):
    at = int(rng.integers(len(content)))
    return content[:at] + bytes([content[at] ^ (1 << int(rng.integers(8)))]) + content[at + 1 :]


def cut(content, rng):
    return content[: int(rng.integers(len(content)))]


@pytest.mark.slow
@pytest.mark.parametrize("damage", [flipped, cut])
def test_no_damage_to_a_cache_fails_or_changes_a_fit(autoencoder, scans, tmp_path, damage):
    settings = {"memory": tmp_path, "max_epochs": 1}
    expected = autoencoder(**settings).fit(scans)
    rng = np.random.default_rng(0)
    [path] = tmp_path.rglob(NEWEST)
    whole = path.read_bytes()
    for _ in range(100):
        path.write_bytes(damage(whole, rng))
        with pytest.warns(UserWarning, match=rf"{NEWEST} is damaged .*training begins anew"):
            assert same_weights(autoencoder(**settings).fit(scans), expected)
        assert same_weights(autoencoder(**settings).fit(scans), expected)  # it was mended


class _Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def crafted(path, tmp_path, kind):
    """Give a checkpoint whose digest is right and whose content is not."""
    checkpoints = Checkpoints(path.parent, "vit_autoencoder", {}, 0)
    state = torch.load(path, weights_only=True)
    checkpoints.fingerprint = state["fingerprint"]
    state = state["state"]
    if kind == "code":
        state = {"weights": _Touch(tmp_path / "made")}
    elif kind == "NaN":
        next(iter(state["weights"].values())).fill_(float("nan"))
    elif kind == "list":
        state = [1]
    elif kind == "less":
        state.pop("weights")
    for _ in range(2):
        checkpoints.save(state)


@pytest.mark.parametrize("kind", ["code", "NaN", "list", "less"])
def test_a_crafted_checkpoint_runs_no_code_and_is_not_gone_on_from(
    autoencoder, scans, kept, tmp_path, kind
):
    expected = autoencoder(**kept).fit(scans)
    crafted(checkpoint_in(kept), tmp_path, kind)
    if "memory" in kept:
        with pytest.warns(UserWarning, match=rf"{NEWEST} is damaged \(.*training begins anew"):
            fitted = autoencoder(**kept).fit(scans)
    else:
        with pytest.raises(ValueError, match=rf"{NEWEST} is damaged \(.*Remove what is"):
            autoencoder(**kept).fit(scans)
        shutil.rmtree(checkpoint_in(kept).parent)  # what the message says
        fitted = autoencoder(**kept).fit(scans)
    assert same_weights(fitted, expected)
    assert not (tmp_path / "made").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("kind", ["pipe", "folder", "loop"])
def test_something_else_in_place_of_a_checkpoint_is_told(autoencoder, scans, tmp_path, kind):
    settings = {"memory": tmp_path}
    expected = autoencoder(**settings).fit(scans)
    path = checkpoint_in(settings)
    path.unlink()
    {"pipe": os.mkfifo, "folder": os.mkdir, "loop": lambda p: os.symlink(p, p)}[kind](path)
    with pytest.warns(UserWarning, match=rf"{NEWEST} is damaged|no checkpoint can be written"):
        assert same_weights(autoencoder(**settings).fit(scans), expected)
