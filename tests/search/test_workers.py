"""Searches that are killed and go on, and several that share a storage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

from skedema.search import _workers

SCRIPT = Path(__file__).parent / "_searches.py"
forked = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")


def started(function, **task):
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), function, json.dumps(task)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process):
    out, err = process.communicate()
    assert process.returncode == 0, err
    return json.loads(out)


@forked
@pytest.mark.parametrize(
    ("storage", "sampler", "n_trials", "points"),
    [
        ("journal", "default", 14, 3),
        *(
            pytest.param(storage, sampler, n_trials, points, marks=pytest.mark.slow)
            for storage, sampler, n_trials, points in (
                *(("journal", sampler, 14, 20) for sampler in ("default", "random", "tpe")),
                ("sqlite", "default", 14, 20),  # its first 10 trials are random
                # As many kills a trial: SQLite takes six times as long, more so with each trial.
                *(("sqlite", sampler, 7, 10) for sampler in ("random", "tpe")),
            )
        ),
    ],
)
def test_a_search_that_is_killed_anywhere_and_goes_on_is_the_same(
    tmp_path, storage, sampler, n_trials, points
):
    task = {"folder": str(tmp_path), "storage": storage, "sampler": sampler, "points": points}
    finished(started("killed", n_trials=n_trials, **task))


def study_in(storage):
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage)


@forked
@pytest.mark.slow
@pytest.mark.parametrize("storage", ["journal", "sqlite"])
@pytest.mark.parametrize("sampler", ["default", "random"])
def test_workers_with_one_seed_draw_apart_and_end_each_others_search(tmp_path, storage, sampler):
    url = str(tmp_path / "a.journal")
    url = f"sqlite:///{tmp_path / 'a.db'}" if storage == "sqlite" else url
    task = {"storage": url, "sampler": sampler, "n_trials": 16, "seconds": 0.05}
    found = finished(started("together", folder=str(tmp_path), n_workers=3, **task))
    drawn = [json.dumps(each[0]) for each in found[0]["drawn"]]
    for each in found:  # who is ready first waits for the others
        assert each["drawn"] == found[0]["drawn"]
    assert len(set(drawn)) == len(drawn) == 16
    whole = finished(started("search", **(task | {"storage": None})))
    if sampler == "random":  # which looks at no trial: the places are those of one worker
        assert sorted(drawn) == sorted(json.dumps(each[0]) for each in whole["drawn"])


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced_by_one_that_lives(tmp_path):
    url = f"sqlite:///{tmp_path / 'a.db'}"
    task = {"storage": url, "sampler": "random", "seconds": 0.2}
    whole = finished(started("search", **(task | {"storage": None, "n_trials": 8, "seconds": 0})))
    doomed = started("search", n_trials=100, **task)
    for _ in range(600):
        try:
            trials = study_in(url).get_trials(deepcopy=False)
        except Exception:  # no tables yet
            trials = []
        if len(trials) >= 3:
            break
        time.sleep(0.1)
    lives = started("search", n_trials=8, **task)
    doomed.send_signal(signal.SIGKILL)
    doomed.communicate()
    found = finished(lives)
    assert "RUNNING" not in found["states"]
    drawn = [json.dumps(each[0]) for each in found["drawn"]]
    assert sorted(drawn) == sorted(json.dumps(each[0]) for each in whole["drawn"])


@pytest.mark.skipif("boot" not in _workers._machine(), reason="needs what Linux tells of a start")
def test_machines_of_one_name_are_told_apart():
    here = _workers._this_process()
    assert _workers._is_alive(here, stopped=True)
    before = here | {"boot": "an earlier one"}
    assert not _workers._is_alive(before, stopped=False)
    alike = before | {"hardware": "another"}
    assert _workers._is_alive(alike, stopped=False)
    assert not _workers._is_alive(alike, stopped=True)
