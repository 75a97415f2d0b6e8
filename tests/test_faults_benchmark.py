"""The benchmark of faults, with a few of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = [
    pytest.mark.skipif(
        not (ROOT / "benchmarks" / "faults").is_dir(), reason="an sdist holds no benchmarks"
    ),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes that it forks"),
]

_KILLS = """
import json
import sys
import warnings
from dataclasses import asdict
from functools import partial
from pathlib import Path

from benchmarks.faults import evaluation, search
from benchmarks.faults._kills import Log, Work, kill_at_random

warnings.simplefilter("ignore")
folder, found = Path(sys.argv[1]), {}
evaluation.of_skedema(folder / "warm")
for name, call in {"skedema": evaluation.of_skedema, "peer": evaluation.of_scikit_learn}.items():
    found[name] = asdict(kill_at_random(Work(call, Log.count), 4, folder / name))
for name, call in {"search": search.of_skedema, "Optuna": search.of_optuna}.items():
    call = partial(call, storage="journal", sampler="TPE")
    left = partial(search.running, storage="journal")
    found[name] = asdict(kill_at_random(Work(call, Log.count, left=left), 3, folder / name))
print(json.dumps(found))
"""


def run(*arguments):
    one_thread = {f"{pool}_NUM_THREADS": "1" for pool in ("OMP", "MKL", "OPENBLAS")}
    path = os.pathsep.join([str(ROOT), *sys.path])
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **one_thread, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_finished_folds_and_trials_are_kept_and_the_end_is_that_of_the_undisturbed_run(tmp_path):
    found = json.loads(run("-c", _KILLS, str(tmp_path)).splitlines()[-1])
    kept, peer, search, optuna = found.values()
    assert kept["equal"] == peer["equal"] == [True] * 4
    assert max(kept["lost"]) <= 1  # a fit that was not written yet
    assert peer["lost"] == peer["done"]
    assert kept["files"] == [0] * 4
    assert search["equal"] == [True] * 3
    assert max(search["lost"]) <= 3  # the trial that was killed, of three folds
    assert search["files"] == search["others"] == [0] * 3
    assert sum(optuna["others"]) > 0  # what is left to count is counted


def test_rows_are_a_table():
    from benchmarks.faults._rows import HEAD_LINES, Row, line

    assert [*HEAD_LINES, line(Row("kill -9", "pickle", 3, 2, "1 of 4"))] == [
        "| fault | of | injections | survived | work lost | left behind |",
        "| --- | --- | --- | --- | --- | --- |",
        "| kill -9 | pickle | 3 | 2 | 1 of 4 |  |",
    ]
