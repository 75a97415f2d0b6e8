from __future__ import annotations

import multiprocessing
from threading import Event

import pytest
from joblib import parallel_config

from skedema._each import each


@pytest.mark.parametrize("in_waves", [False, True])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_results_come_in_order(n_jobs, in_waves):
    tasks = [(k, 3) for k in range(7)]
    assert list(each(divmod, tasks, n_jobs, in_waves=in_waves)) == [divmod(*t) for t in tasks]
    assert list(each(divmod, [], n_jobs, in_waves=in_waves)) == []


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_ends_all(n_jobs):
    with pytest.raises(ZeroDivisionError):
        list(each(divmod, [(4, 3), (1, 0), (5, 3)], n_jobs))


def test_threads_give_each_result_as_soon_as_it_is_there():
    asked_for = Event()
    tasks = [(lambda: 0,), (lambda: asked_for.wait(10),)]
    with parallel_config(backend="threading"):
        results = each(lambda function: function(), tasks, 2)
        assert next(results) == 0
        asked_for.set()
        assert list(results) == [True]


def works():
    list(each(divmod, [(4, 3), (5, 3)], 2))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
def test_a_process_that_had_workers_ends():
    works()
    process = multiprocessing.get_context("fork").Process(target=works)
    process.start()
    process.join(60)
    try:
        assert process.exitcode == 0  # None: it waits for its workers
    finally:
        process.kill()
