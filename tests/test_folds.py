from __future__ import annotations

import os
import time
import warnings

import pytest
from joblib import Parallel, delayed, parallel_config

from skedema._folds import each_fold, told_of_test, told_together
from skedema._told import is_table_told, tell
from skedema.scans._remarks import Remark, Told
from skedema.scans._remarks import tell as tell_of_scans

WAYS = [(1, False), (1, True), (2, False), (2, True)]


def leave(folder, name, seconds=0.0):
    """Leave a file behind, so that other processes can tell."""
    time.sleep(seconds)
    (folder / name).touch()
    return name


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def threads():
    return os.environ.get("OMP_NUM_THREADS")


@pytest.mark.parametrize(("n_jobs", "in_waves"), WAYS)
def test_results_come_in_the_order_of_the_folds(n_jobs, in_waves):
    folds = [(k, 3) for k in range(7)]
    found = each_fold(divmod, folds, n_jobs, in_waves=in_waves)
    assert list(found) == [divmod(*fold) for fold in folds]
    assert list(each_fold(divmod, [], n_jobs, in_waves=in_waves)) == []


@pytest.mark.parametrize(("n_jobs", "in_waves"), WAYS)
def test_what_is_fitted_on_a_fold_does_not_look_for_leaks(n_jobs, in_waves):
    assert list(each_fold(is_table_told, [()] * 3, n_jobs, in_waves=in_waves)) == [True] * 3
    assert not is_table_told()


@pytest.mark.parametrize(("n_jobs", "in_waves"), WAYS)
def test_an_error_is_raised_where_its_fold_comes(n_jobs, in_waves):
    found = each_fold(divmod, [(1, 1), (1, 0), (1, 1)], n_jobs, in_waves=in_waves)
    if n_jobs == 1:
        assert next(found) == (1, 0)
    with pytest.raises(ZeroDivisionError):
        list(found)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_who_stops_early_begins_no_further_wave_and_waits_for_this_one(tmp_path, n_jobs):
    folds = [(tmp_path, "a"), (tmp_path, "b", 0.3), (tmp_path, "c"), (tmp_path, "d")]
    found = each_fold(leave, folds, n_jobs, in_waves=True)
    assert next(found) == "a"
    found.close()
    assert left(tmp_path) == ["a", "b"][:n_jobs]


def test_in_one_process_nothing_is_begun_before_it_is_asked_for(tmp_path):
    found = each_fold(leave, [(tmp_path, "a"), (tmp_path, "b")], None)
    assert left(tmp_path) == []
    next(found)
    assert left(tmp_path) == ["a"]


@pytest.mark.parametrize(("in_waves", "said"), [(False, "16"), (True, None)])
def test_processes_share_the_cores_whatever_number_of_threads_is_set(monkeypatch, in_waves, said):
    monkeypatch.setattr("skedema._each._cores.cpu_count", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS")
    if said is not None:  # as on a cluster, where it is the number of all cores
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert set(each_fold(threads, [()] * 3, 2, in_waves=in_waves)) == {"2"}


def test_waves_run_where_joblib_is_configured_to():
    with parallel_config(backend="threading", n_jobs=2):
        found = set(each_fold(os.getpid, [()] * 3, None, in_waves=True))
    assert found == {os.getpid()}


def test_a_worker_of_joblib_does_its_folds_by_itself():
    def pids(in_waves):
        return {os.getpid(), *each_fold(os.getpid, [()] * 3, 2, in_waves=in_waves)}

    found = Parallel(n_jobs=2)(delayed(pids)(in_waves) for in_waves in (False, True))
    assert [len(each) for each in found] == [1, 1]


def tell_and_give(k):
    """Tell what all folds do, and what two of them do of rows of their own."""
    tell("All folds say so.")
    tell(f"{1 + k % 2} of {5 + k} rows are odd, in row{'s 3, 7' if k % 2 else ' 3'}.")
    if k == 2:
        tell("1 of 9 rows are odd, in row 8.")
    tell_of_scans([Told(f"row {k % 3}", f"'{k % 3}.nii'", Remark("pose", "it is so"))], 4)
    return k


def raised(function):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
    return [str(each.message) for each in caught]


@pytest.mark.parametrize(("n_jobs", "in_waves"), WAYS)
def test_what_folds_tell_is_told_once_and_nothing_is_lost(n_jobs, in_waves):
    folds = [(k,) for k in range(4)]
    scans, *texts = raised(lambda: list(each_fold(tell_and_give, folds, n_jobs, in_waves=in_waves)))
    assert scans.startswith(
        "3 scans are left as scanned, for no pose of the head is found that can be trusted "
        "(row 0 '0.nii', row 1 '1.nii', row 2 '2.nii'). It is so."
    )
    assert texts == [
        "All folds say so.",
        "2 of 6 rows are odd, in rows 3, 7.",
        "1 of 9 rows are odd, in row 8.",
    ]


def tell_and_fail(k):
    tell(f"This is {'abc'[k]}.")
    return 1 / (1 - k)


def test_what_was_told_before_an_error_is_told():
    def run():
        with pytest.raises(ZeroDivisionError):
            list(each_fold(tell_and_fail, [(0,), (1,)], 1))

    assert sorted(raised(run)) == ["This is a.", "This is b."]


def test_who_waits_for_several_rounds_of_folds_tells_once():
    def run():
        with told_together():
            for _ in range(2):
                list(each_fold(tell_and_give, [(0,)], 1))
            with told_of_test():
                tell("All folds say so.")

    scans, *texts = raised(run)
    assert scans.startswith("1 scan is left as scanned")
    assert texts == [
        "All folds say so.",
        "1 of 5 rows are odd, in row 3.",
        "Of test: All folds say so.",
    ]
