from __future__ import annotations

import os
import signal
import time
import warnings
from threading import Barrier

import pytest
import torch
from joblib import parallel_config
from threadpoolctl import threadpool_info, threadpool_limits

from skedema import encoders
from skedema._each import _cores, each, n_processes, named
from skedema._folds import each_fold
from skedema._told import listening, recorded, tell

pytestmark = [
    pytest.mark.slow,
    # Ray has threads of its own, which still hold files of processes that ended.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def seen(table, k):
    import torch

    return k, os.getpid(), id(table), n_processes(2, 10), torch.get_num_threads()


MEETING = Barrier(2, timeout=60)


def warned_beside(k):
    """Be at work with another one in this process, each with warnings of its own."""
    import torch

    MEETING.wait()
    with recorded() as heard, listening() as told:
        MEETING.wait()
        warnings.warn(f"raised {k}", UserWarning, stacklevel=1)
        tell(f"told {k}")
        MEETING.wait()
    return os.getpid(), heard, told, torch.get_num_threads()


def test_threads_of_one_worker_of_dask_keep_what_is_their_own(dask_threads, monkeypatch):
    # What a machine of two cores would give each of two threads.
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(_cores, "cpu_count", lambda: 2)
    filters, shown = warnings.filters[:], warnings.showwarning
    before = torch.get_num_threads()
    with threadpool_limits(2), parallel_config(backend="dask"):
        torch.set_num_threads(2)
        try:
            blas = [each["num_threads"] for each in threadpool_info()]
            found = list(each(warned_beside, [(k,) for k in range(4)]))
            assert [each["num_threads"] for each in threadpool_info()] == blas
            assert torch.get_num_threads() == 2
        finally:
            torch.set_num_threads(before)
    assert found == [(os.getpid(), [f"raised {k}"], [f"told {k}"], 1) for k in range(4)]
    assert (warnings.filters, warnings.showwarning) == (filters, shown)


def divided(k):
    return 1 / k


def test_tasks_run_there_with_what_they_share_sent_once_and_a_share_of_the_cores(cluster):
    with parallel_config(backend=cluster):
        assert n_processes(None, 10) == 2
        table = ["a table"]
        for in_waves in (False, True):
            found = list(each(seen, [(table, k) for k in range(6)], in_waves=in_waves))
            assert [one[0] for one in found] == list(range(6))
            assert os.getpid() not in {one[1] for one in found}
            assert len({one[1:3] for one in found}) == len({one[1] for one in found})
            assert {one[3:] for one in found} == {(1, 1)}
        assert next(each(seen, [(table, 0)], 1))[1] == os.getpid()


def test_an_error_is_raised_here_with_where_it_was(cluster):
    with parallel_config(backend=cluster), pytest.raises(ZeroDivisionError) as caught:
        list(each_fold(divided, [(1,), (0,), (1,)], None))
    assert "return 1 / k" in str(caught.value.__cause__)


class Flat:
    """An encoder of a third party."""


def is_registered(_):
    return "flat" in encoders.list_encoders()


def test_plug_ins_are_registered_there(cluster):
    encoders.register_encoder("flat", Flat)
    with parallel_config(backend=cluster):
        assert list(each(is_registered, [(k,) for k in range(2)])) == [True, True]


@named(lambda folder, k, dies: f"file {k}.nii")
def marked(folder, k, dies):
    with (folder / f"{k}").open("a") as file:
        file.write("x")
    if k == 1 and (folder / "1").stat().st_size <= dies:
        while not (folder / "0").exists():
            time.sleep(0.05)
        time.sleep(0.5)  # until the result of the other is fetched
        os.kill(os.getpid(), signal.SIGKILL)
    return k


def test_a_killed_worker_costs_its_task_and_no_other(cluster, tmp_path):
    with parallel_config(backend=cluster):
        assert list(each(marked, [(tmp_path, k, 1) for k in range(4)])) == [0, 1, 2, 3]
    times = [(tmp_path / f"{k}").stat().st_size for k in range(4)]
    assert times == [1, 2, 1, 1]


def test_a_task_that_always_kills_its_worker_is_named_when_all_others_are_finished(
    cluster, tmp_path
):
    with (
        parallel_config(backend=cluster),
        pytest.raises(RuntimeError, match=r"did task 2 of 3 \(file 1.nii\) were lost"),
    ):
        list(each(marked, [(tmp_path, k, 99) for k in range(3)]))
    assert (tmp_path / "2").exists()
