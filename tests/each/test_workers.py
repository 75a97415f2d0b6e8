from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context

import pytest
from joblib import Parallel, cpu_count, delayed, parallel_config

from skedema._each import n_processes


def ask(n_jobs, n_tasks=10, thread=False):
    if thread:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(n_processes, n_jobs, n_tasks).result()
    return n_processes(n_jobs, n_tasks)


def in_workers(backend, n_workers, **kwargs):
    parallel = Parallel(n_jobs=n_workers, backend=backend)
    return parallel(delayed(ask)(2, **kwargs) for _ in range(3))


def test_there_are_as_many_as_asked_for_and_no_more_than_tasks():
    assert [n_processes(n_jobs, 10) for n_jobs in (None, 1, 3, 20)] == [1, 1, 3, 10]
    assert n_processes(-1, 10**6) == cpu_count()
    assert n_processes(4, 0) == n_processes(4, 1) == 1
    assert ask(3, thread=True) == 3
    with pytest.raises(ValueError, match="n_jobs == 0"):
        n_processes(0, 10)


def test_the_setting_of_joblib_holds_where_nothing_is_said():
    with parallel_config(backend="threading", n_jobs=3):
        assert [n_processes(n_jobs, 10) for n_jobs in (None, 2)] == [3, 2]


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_a_worker_of_joblib_starts_none(backend):
    assert in_workers(backend, 2) == [1] * 3
    assert in_workers(backend, 1) == [2] * 3  # no worker: this thread


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_a_thread_in_a_process_of_joblib_starts_none(backend):
    assert in_workers(backend, 2, thread=True) == [1] * 3


@pytest.mark.parametrize("outer", ["loky", "threading"])
def test_workers_of_workers_start_none(outer):
    nested = Parallel(n_jobs=2, backend=outer)(
        delayed(in_workers)("threading", 2) for _ in range(2)
    )
    assert nested == [[1] * 3] * 2


def test_a_process_that_somebody_started_themselves_may_start_others():
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=partial(send, sender))
    process.start()
    assert receiver.recv() == 2
    process.join()


def send(sender):
    sender.send(n_processes(2, 10))
