"""The command line as a shell runs it: processes, signals, exit codes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

import skedema

from ._options import COLUMNS, SMALL

pytest.importorskip("typer")

ROOT = Path(skedema.__file__).parents[1]
FIT = ["--target", "edema", *COLUMNS, *SMALL]


def started(*arguments, **how):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **how
    )


def ended(*arguments, **how):
    process = started(*arguments, **how)
    out, err = process.communicate()
    return process.returncode, out, err


def test_help_imports_nothing_heavy():
    script = (
        "import sys\nfrom skedema.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'torch', 'pandas', 'sklearn', 'numpy', 'matplotlib', 'jinja2', 'optuna'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    for arguments in (["--help"], ["evaluate", "--help"], ["--version"]):
        code, out, err = ended("-c", script, *arguments)
        assert code == 0, err
        assert out


def test_the_shell_is_told_how_to_complete(monkeypatch):
    # What --show-completion prints, without finding out which shell has started it.
    monkeypatch.setenv("_SKEDEMA_COMPLETE", "source_bash")
    code, out, err = ended("-m", "skedema")
    assert code == 0, err
    assert "complete" in out
    assert "skedema" in out
    monkeypatch.setenv("_SKEDEMA_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "skedema ev")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert ended("-m", "skedema")[1].split() == ["evaluate"]


def test_without_typer_it_says_what_to_install():
    script = (
        "import sys\nsys.modules['typer'] = None\nfrom skedema.cli import main\nmain(['--help'])\n"
    )
    code, out, err = ended("-c", script)
    assert (code, out) == (3, "")
    assert err == "skedema: the command line needs typer: pip install typer jinja2 matplotlib\n"


def test_the_module_runs_as_the_command_does():
    code, out, err = ended("-m", "skedema", "--version")
    assert (code, out, err) == (0, f"skedema {skedema.__version__}\n", "")
    code, out, err = ended("-m", "skedema", "evalute")
    assert code == 2
    assert out == ""
    assert "evalute" in err


@pytest.mark.slow
def test_errors_come_without_traceback_and_with_it_on_request(cohort, tmp_path):
    (tmp_path / "bad.csv").write_text("scan,edema\nnowhere.nii,1\n")
    command = ["-m", "skedema", "fit", tmp_path / "bad.csv", "--image", "scan", "--target", "edema"]
    code, out, err = ended(*command)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "line 2: nowhere.nii" in err
    assert "Traceback" in ended(*command, "--debug")[2]


@pytest.mark.slow
def test_results_alone_go_to_standard_output(cohort, model, tmp_path):
    with open(tmp_path / "found.csv", "w") as file:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "skedema", "predict", str(model), str(cohort), "-o", "-"]
        subprocess.run(command, stdout=file, env=environment, check=True)
    assert len(pd.read_csv(tmp_path / "found.csv")) == 40
    command = f"{sys.executable} -m skedema predict {model} {cohort} -q | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")


def whole_outcomes(folder):
    """List the estimators of folds that are done: their numbers are written last."""
    return [p for p in folder.rglob("*.estimator") if p.with_suffix(".array").exists()]


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups of this kind")
def test_an_interrupted_evaluation_goes_on(cohort, tmp_path, jobs):
    out = tmp_path / "out"
    slow = ["--set", "max_epochs=40", "--set", "n_members=1", "--set", "early_stopping=False"]
    command = [
        "-m",
        "skedema",
        "evaluate",
        cohort,
        *FIT,
        *slow,
        "--cv",
        "3",
        "--jobs",
        jobs,
        "-o",
        out,
    ]
    process = started(*command, start_new_session=True)
    while process.poll() is None and not whole_outcomes(out):
        time.sleep(0.1)
    assert process.poll() is None, process.communicate()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    shown, told = process.communicate()
    assert process.returncode == 130, told
    assert shown == ""
    assert "Traceback" not in told
    assert f"kept in {out}, and the same command goes on from there" in told
    kept = {path: path.stat().st_mtime_ns for path in whole_outcomes(out)}
    assert 0 < len(kept) < 3

    code, shown, told = ended(*command)
    assert code == 0, told
    assert "roc_auc" in shown
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())
    assert len(list(out.rglob("*.estimator"))) == 3


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups of this kind")
def test_an_interrupted_pre_training_goes_on(cohort, tmp_path):
    checkpoints, out = tmp_path / "checkpoints", tmp_path / "encoder.skedema"
    command = [
        *("-m", "skedema", "pretrain", cohort, "--image", "scan", "--set", "size=tiny"),
        *("--set", "max_epochs=15", "--set", "volume__shape=16", "--set", "volume__spacing=13"),
        *("--set", "check=0", "--set", "checkpoint_minutes=0", "--checkpoints", checkpoints),
    ]
    process = started(*command, "-o", out, start_new_session=True)
    while process.poll() is None and not list(checkpoints.rglob("*.ckpt")):
        time.sleep(0.05)
    assert process.poll() is None, process.communicate()
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate()
    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert not out.exists()

    code, _, told = ended(*command, "-o", out)
    assert code == 0, told
    begun = re.search(r" (\d+)/75 ", told).group(1)
    assert int(begun) > 0
