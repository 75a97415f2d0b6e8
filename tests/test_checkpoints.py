from __future__ import annotations

import os
import time

import pytest
import torch

from skedema._checkpoints import Checkpoints

MINE = {"lr": "0.1", "scans": "3"}
NAME = "run"
NEWEST, PREVIOUS = "run.ckpt", "run.previous.ckpt"


def state(number: int) -> dict:
    return {"number": number, "weights": torch.arange(500.0) + number, "best": None}


@pytest.fixture
def saved_twice(tmp_path):
    checkpoints = Checkpoints(tmp_path, NAME, MINE, minutes=0)
    checkpoints.save(state(1))
    checkpoints.save(state(2))
    return checkpoints


def test_what_was_saved_last_is_loaded(saved_twice, tmp_path):
    found = Checkpoints(tmp_path, NAME, MINE, minutes=0).load()
    assert found["number"] == 2
    assert torch.equal(found["weights"], state(2)["weights"])
    assert sorted(os.listdir(tmp_path)) == [NEWEST, PREVIOUS]


def test_an_empty_folder_is_made_and_holds_nothing(tmp_path):
    folder = tmp_path / "a" / "b"
    assert Checkpoints(folder, NAME, MINE, minutes=0).load() is None
    assert folder.is_dir()


# Each kind of damage that a disk or an impatient user can do.
def flip_a_bit(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGES = {
    "flipped": flip_a_bit,
    "cut": lambda content: content[:-100],
    "empty": lambda content: b"",
    "other": lambda content: b"not a checkpoint",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_newest_gives_way_to_the_previous_with_a_warning(saved_twice, tmp_path, damage):
    path = tmp_path / NEWEST
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(UserWarning, match=f"{NEWEST} is damaged"):
        assert saved_twice.load()["number"] == 1


def test_killed_between_two_renames_leaves_the_previous(saved_twice, tmp_path):
    (tmp_path / NEWEST).unlink()
    assert saved_twice.load()["number"] == 1


def test_two_damaged_checkpoints_are_an_error_that_says_what_to_do(saved_twice, tmp_path):
    for name in (NEWEST, PREVIOUS):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match=r"damaged.*Remove"):
        saved_twice.load()


def test_another_run_is_refused_and_told_apart(saved_twice, tmp_path):
    other = Checkpoints(tmp_path, NAME, {"lr": "0.2", "scans": "3"}, minutes=0)
    with pytest.raises(ValueError, match=r"another run: lr=0\.1 there, 0\.2 here"):
        other.load()
    assert saved_twice.load()["number"] == 2


def test_stray_temporary_files_are_swept_and_others_left(saved_twice, tmp_path):
    (tmp_path / f".run-{'0' * 32}.partial").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine")
    Checkpoints(tmp_path, NAME, MINE, minutes=0)
    assert sorted(os.listdir(tmp_path)) == ["notes.txt", NEWEST, PREVIOUS]


def test_a_failed_save_leaves_no_trace(saved_twice, tmp_path, monkeypatch):
    def full(*_):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr("skedema._checkpoints.os.fsync", full)
        with pytest.raises(OSError, match="no space"):
            saved_twice.save(state(3))
    assert sorted(os.listdir(tmp_path)) == [NEWEST, PREVIOUS]
    assert saved_twice.load()["number"] == 2


def test_saves_are_as_far_apart_as_asked(tmp_path, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    checkpoints = Checkpoints(tmp_path, NAME, MINE, minutes=2)
    asked = []

    def due(number: int, **last: bool) -> None:
        checkpoints.save_if_due(lambda: asked.append(number) or state(number), **last)

    due(1)
    now += 119
    due(2)
    now += 2
    due(3)
    due(4)
    due(5, last=True)
    assert asked == [3, 5]
    assert checkpoints.load()["number"] == 5


def test_where_nobody_says_how_often_a_fiftieth_of_the_time_goes_into_saves(tmp_path, monkeypatch):
    now, saved = 1000.0, []
    monkeypatch.setattr(time, "monotonic", lambda: now)
    checkpoints = Checkpoints(tmp_path, NAME, MINE, minutes=None)

    def save(content: dict) -> None:
        nonlocal now
        now += 0.1
        saved.append(content["number"])

    monkeypatch.setattr(checkpoints, "save", save)
    for number in range(10_000):
        now += 0.01
        checkpoints.save_if_due(lambda number=number: state(number))
    assert 99 <= saved[0] <= 101, "the first is a second after the beginning"
    assert len(saved) == pytest.approx(100 / 5, abs=1), "a tenth of a second each, every five"


def test_damage_is_told_and_passed_over_where_that_is_asked_for(tmp_path):
    Checkpoints(tmp_path, NAME, MINE, minutes=0).save(state(1))
    (tmp_path / NEWEST).write_bytes(b"half")
    with pytest.warns(UserWarning, match=r"run\.ckpt is damaged.*training begins anew") as told:
        assert Checkpoints(tmp_path, NAME, MINE, minutes=0, lenient=True).load() is None
    assert len(told) == 1


def test_loading_runs_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    checkpoints = Checkpoints(tmp_path, NAME, MINE, minutes=0)
    checkpoints.save({"weights": Evil()})
    with pytest.raises(Exception, match="Weights only load failed"):
        checkpoints.load()
    assert not (tmp_path / "made").exists()


def test_an_interrupt_while_a_checkpoint_is_written_is_no_failed_write(tmp_path, monkeypatch):
    from skedema import _checkpoints as module

    class Interrupted(module.DigestedWriter):
        def write(self, content):
            if len(content) > 500:  # in the midst of the weights
                raise KeyboardInterrupt
            return super().write(content)

    checkpoints = Checkpoints(tmp_path, NAME, MINE, minutes=0)
    checkpoints.save(state(1))
    monkeypatch.setattr(module, "DigestedWriter", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save_if_due(lambda: state(2))
    assert checkpoints.load()["number"] == 1
