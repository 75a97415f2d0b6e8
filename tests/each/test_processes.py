from __future__ import annotations

import errno
import os
import signal
import time
import warnings
from pickle import PicklingError
from threading import Lock, Timer

import numpy as np
import pytest

from skedema._each import beginning_with, each, named
from skedema._each._shipped import shipped


def kill_myself():
    os.kill(os.getpid(), signal.SIGKILL)


def dies_first(folder, k):
    """Leave a mark of each time that it is begun; one task kills its process the first time."""
    mark = folder / f"{k}"
    with mark.open("a") as file:
        file.write("x")
    if k == 1 and mark.read_text() == "x":
        time.sleep(0.3)  # so that the other process is in the middle of its task
        kill_myself()
    time.sleep(0.6)
    return k


def begun(folder):
    return {int(mark.name): len(mark.read_text()) for mark in folder.iterdir()}


@pytest.mark.parametrize("in_waves", [False, True])
def test_a_killed_worker_costs_its_task_and_no_other(tmp_path, in_waves):
    tasks = [(tmp_path, k) for k in range(4)]
    with pytest.warns(UserWarning, match="process was killed while it did task 2 of 4") as told:
        assert list(each(dies_first, tasks, 2, in_waves=in_waves)) == [0, 1, 2, 3]
    assert len(told) == 1
    assert "give fewer n_jobs" in str(told[0].message)
    assert begun(tmp_path) == {0: 1, 1: 2, 2: 1, 3: 1}


@named(lambda folder, k: f"file {k}.nii")
def one_always_dies(folder, k):
    with (folder / f"{k}").open("a") as file:
        file.write("x")
    if k == 0:
        kill_myself()
    return k


def test_a_task_that_always_kills_its_worker_is_named_when_all_others_are_finished(tmp_path):
    tasks = [(tmp_path, k) for k in range(4)]
    wanted = r"did task 1 of 4 \(file 0.nii\) was killed, 3 times; all other tasks were finished"
    with pytest.raises(RuntimeError, match=wanted):
        list(each(one_always_dies, tasks, 2))
    assert begun(tmp_path) == {0: 3, 1: 1, 2: 1, 3: 1}


def pid(_):
    return os.getpid()


def test_processes_are_kept_for_later_and_one_killed_meanwhile_is_replaced_unnoticed():
    first = set(each(pid, [(k,) for k in range(6)], 2))
    assert set(each(pid, [(k,) for k in range(6)], 2)) <= first
    for each_one in first:
        os.kill(each_one, signal.SIGKILL)
    time.sleep(0.3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not set(each(pid, [(k,) for k in range(6)], 2)) & first


def sleep_or_fail(k):
    if k == 0:
        raise ZeroDivisionError(f"in {os.getpid()}")
    time.sleep(60)


def test_an_error_does_not_wait_for_what_is_under_way():
    started = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        list(each(sleep_or_fail, [(k,) for k in range(6)], 2))
    assert time.monotonic() - started < 30


def told_where(array, k):
    base = array
    while base.base is not None and not isinstance(base.base, memoryview):
        base = base.base
    return k, float(array.sum()), array.flags.writeable, os.getpid()


def test_a_large_array_goes_to_all_processes_once(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    array = np.arange(2**18, dtype=float)
    results = each(told_where, [(array, k) for k in range(4)], 2)
    first = next(results)
    (file,) = tmp_path.iterdir()
    assert array.nbytes <= file.stat().st_size < array.nbytes + 100
    found = [first, *results]
    assert [one[:3] for one in found] == [(k, array.sum(), False) for k in range(4)]
    deadline = time.monotonic() + 20
    while list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert list(tmp_path.iterdir()) == []


def leave_mark():
    os.environ["SKEDEMA_TEST_MARK"] = "left"


def mark(_):
    return os.environ.get("SKEDEMA_TEST_MARK")


def test_what_is_to_be_called_first_is_called_in_each():
    with beginning_with(leave_mark):
        assert set(each(mark, [(k,) for k in range(3)], 2)) == {"left"}


def test_what_cannot_be_pickled_is_an_error_and_the_next_call_goes_on():
    with pytest.raises(PicklingError, match="pickle"):
        list(each(pid, [(Lock(),), (2,)], 2))
    assert len(list(each(pid, [(1,), (2,)], 2))) == 2


def leaves(k):
    if k == 0:
        os._exit(0)


def test_a_process_that_leaves_by_itself_is_one_that_was_killed():
    with pytest.raises(RuntimeError, match="did task 1 of 2 was killed, 3 times"):
        list(each(leaves, [(0,), (1,)], 2))


def test_no_room_for_arrays_is_given_back_at_once(tmp_path, monkeypatch):
    def full(file, part):
        file.write(part)
        file.flush()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("skedema._each._shipped._written", full)
    with shipped(np.ones(2**18)) as ready:
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 0
        assert ready.open().sum() == 2**18


def interrupted_between_tasks(number: int) -> int:
    Timer(0.2, signal.raise_signal, [signal.SIGINT]).start()
    return number


@pytest.mark.skipif(os.name == "nt", reason="Windows interrupts in another way")
def test_an_interrupt_between_tasks_is_for_the_parent_to_bear(capfd):
    assert list(each(interrupted_between_tasks, [(0,), (1,)], n_jobs=2)) == [0, 1]
    time.sleep(0.6)
    assert list(each(abs, [(-1,), (-2,)], n_jobs=2)) == [1, 2]
    assert "Traceback" not in capfd.readouterr().err


def watched_closely(k):
    from joblib.externals.loky import process_executor

    # As if the least that a worker grows were a leak.
    process_executor._MAX_MEMORY_LEAK_SIZE = process_executor._MEMORY_LEAK_CHECK_DELAY = 0
    return os.getpid(), [0.0] * (k * 10_000)


def test_a_worker_that_keeps_more_than_at_first_is_not_ended():
    pytest.importorskip("psutil")
    found = list(each(watched_closely, [(k,) for k in range(8)], 2))
    assert len({pid for pid, _ in found}) <= 2
