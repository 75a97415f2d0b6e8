"""README followed by the letter: its code runs on a small cohort, its shell lines name what is."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from skedema.datasets import make_head_ct_cohort

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# What makes the code quick enough for a test; each is in README once or more.
SMALLER = {
    "AttentionMixerClassifier(": "AttentionMixerClassifier(max_epochs=2, ",
    "ViTAutoencoder(": "ViTAutoencoder(size='tiny', max_epochs=1, ",
    'result.report("report.html")': 'result.report("report.html", n_cases=1, n_resamples=50)',
}


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write the cohort that README supposes: a table, and scans that it names from where it is."""
    here = tmp_path_factory.mktemp("readme")
    made = make_head_ct_cohort(
        44, here / "cohort" / "scans", shape=[40] * 3, spacing=[5.0] * 3, random_state=0
    )
    table = made.frame.copy()
    table["scan"] = [f"scans/{Path(path).name}" for path in table["scan"]]
    table.assign(edema=made.target).to_csv(here / "cohort" / "cohort.csv", index=False)
    return here


@pytest.mark.slow
def test_python_of_the_readme_runs_one_after_the_other(folder, monkeypatch, capsys):
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(folder)
    names = {"__name__": "readme"}
    for number, block in enumerate(blocks("python"), 1):
        for written, smaller in SMALLER.items():
            block = block.replace(written, smaller)
        exec(compile(block, f"README.md, block {number}", "exec"), names)
    printed = capsys.readouterr().out
    assert "5 fits, each on" in printed
    assert re.search(r"roc_auc +0\.\d+ \(0\.\d+ to [01]\.\d+\) +0\.\d+ \(", printed)
    assert (folder / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    scores = names["ablation"].cv_results_["mean_test_score"]
    assert scores.shape == (2,)
    assert names["clf"].fit(names["X"], names["y"]).encoder_ is not None
    for written in SMALLER:
        assert written in README, "of no use any more"


def test_shell_of_the_readme_names_what_there_is():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert {line.split()[0] for line in lines} == {"pip", "skedema"}
    for line in lines:
        program, *words = shlex.split(line)
        if program == "pip":
            (extras,) = re.findall(r"^\.\[(.*)\]$", words[-1])
            assert set(extras.split(",")) <= set(project["optional-dependencies"])
        else:
            options = {word for word in words if word.startswith("-")}
            assert options <= options_of(words[0]), line
    named = set(re.findall(r"`(\w+)` (?:reads|unpacks|draws|shows|brings|is the command)", README))
    assert named <= set(project["optional-dependencies"])
    for command in re.findall(r"`skedema (\w+)", README):
        options_of(command)


def options_of(name):
    """Give the options of a command; one that is not there is an error."""
    typer = pytest.importorskip("typer")
    from skedema.cli._app import app

    command = typer.main.get_command(app).commands[name]
    return {option for parameter in command.params for option in parameter.opts}
