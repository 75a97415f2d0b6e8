"""The scripts for Slurm, run as a task of an array is, with stand-ins for its commands."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from skedema.datasets import make_head_ct_cohort

SCRIPTS = Path(__file__).resolve().parents[1] / "examples" / "slurm"
COMMANDS = {
    "srun": 'shift; exec "$@"\n',  # its one option goes
    "scontrol": 'echo "$@" >> "$OUT/scontrol.log"\n',
    "skedema": f'exec "{sys.executable}" -m skedema "$@"\n',
}
SMALL = ["--set", "max_epochs=1", "--set", "n_members=1", "--cv", "2", "-q"]


@pytest.fixture
def cluster(tmp_path):
    """Give what runs a script as Slurm would."""
    for name, text in COMMANDS.items():
        command = tmp_path / "bin" / name
        command.parent.mkdir(exist_ok=True)
        command.write_text(f"#!/bin/bash\n{text}")
        command.chmod(0o755)

    started = []

    def start(script, *arguments, task="0"):
        slurm = {"SLURM_JOB_ID": "81", "SLURM_ARRAY_JOB_ID": "77", "SLURM_ARRAY_TASK_ID": task}
        environment = dict(os.environ, OUT=str(tmp_path / "out"), SLURM_CPUS_PER_TASK="1", **slurm)
        environment["PATH"] = f"{tmp_path / 'bin'}{os.pathsep}{environment['PATH']}"
        process = subprocess.Popen(
            ["bash", str(SCRIPTS / script), *map(str, arguments)],
            env=environment, cwd=tmp_path, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:  # only where a test failed
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    frame = pd.DataFrame({"age": rng.normal(60 + 5 * y, 9), "gcs": rng.integers(3, 16, 40), "y": y})
    frame.to_csv(tmp_path / "cohort.csv", index=False)
    return tmp_path / "cohort.csv"


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*.sbatch")))
def test_a_script_is_sound_and_asks_to_be_queued_again(script):
    subprocess.run(["bash", "-n", str(SCRIPTS / script)], check=True)
    text = (SCRIPTS / script).read_text()
    assert "#SBATCH --requeue" in text
    assert "#SBATCH --signal=B:TERM@" in text
    if shutil.which("shellcheck"):
        done = subprocess.run(["shellcheck", str(SCRIPTS / script)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def trials(folder):
    if not (folder / "study.journal").exists():
        return []
    storage = JournalStorage(JournalFileBackend(str(folder / "study.journal")))
    return [
        trial
        for study in storage.get_all_studies()
        for trial in storage.get_all_trials(study._study_id)
    ]


@pytest.mark.slow
def test_workers_share_a_search_and_one_that_is_told_to_end_goes_on(cluster, table, tmp_path):
    how = [table, "--target", "y", *SMALL]
    first = cluster("tune.sbatch", *how, "--trials", "1000")
    while not any(trial.state.is_finished() for trial in trials(tmp_path / "out")):
        assert first.poll() is None, first.stdout.read()
        time.sleep(0.2)
    first.send_signal(signal.SIGTERM)
    said, _ = first.communicate()
    assert first.returncode == 0, said
    assert "worker 77_0 was told to end: queued again" in said
    assert (tmp_path / "out" / "scontrol.log").read_text() == "requeue 77_0\n"
    finished = sum(trial.state.is_finished() for trial in trials(tmp_path / "out"))
    n = finished + 2
    for task in "01":
        worker = cluster("tune.sbatch", *how, "--trials", n, task=task)
        said, _ = worker.communicate()
        assert worker.returncode == 0, said
        assert (tmp_path / "out" / f"worker-{task}" / "best.toml").exists()
    states = [trial.state.name for trial in trials(tmp_path / "out")]
    assert sum(state in ("COMPLETE", "PRUNED") for state in states) == n
    assert "RUNNING" not in states


@pytest.mark.slow
def test_a_pre_training_ends_with_an_encoder(cluster, tmp_path):
    made = make_head_ct_cohort(8, tmp_path / "scans", shape=[16] * 3, random_state=0)
    made.frame[["scan"]].to_csv(tmp_path / "scans.csv", index=False)
    small = ["size=tiny", "patch=4", "volume__shape=8", "volume__spacing=None", "max_epochs=3"]
    how = [tmp_path / "scans.csv", "--image", "scan", "-q"]
    for value in small:
        how += ["--set", value]
    done = cluster("pretrain.sbatch", *how)
    said, _ = done.communicate()
    assert done.returncode == 0, said
    assert (tmp_path / "out" / "encoder.skedema").exists()
    assert list((tmp_path / "out" / "checkpoints").rglob("*.ckpt"))
