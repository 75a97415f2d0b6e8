from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

typer = pytest.importorskip("typer")

from skedema.cli import _codes  # noqa: E402
from skedema.cli._app import app  # noqa: E402

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
GROUP = typer.main.get_command(app)
OPTIONS = {
    name: {spelling for option in command.params for spelling in (*option.opts,)}
    | {spelling for option in command.params for spelling in option.secondary_opts}
    for name, command in GROUP.commands.items()
}
LINES = [
    shlex.split(line)
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE + README, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith("skedema")
]


def test_every_command_has_a_row():
    assert re.findall(r"^\| `skedema (\w+)`", PAGE, re.MULTILINE) == list(GROUP.commands)


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_every_line_is_understood(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for word in words[2:]:
        if re.fullmatch(r"[\w/-]+\.\w+", word):  # files that commands read must be there
            Path(word).parent.mkdir(exist_ok=True)
            Path(word).touch()
    skedema, name, *arguments = words
    assert skedema == "skedema"
    GROUP.commands[name].make_context(name, arguments)


def test_every_option_that_is_named_is_there():
    known = set.union(*OPTIONS.values(), {"--help", "--install-completion"})
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", PAGE))
    assert len(named) > 25
    assert named <= known


def test_the_file_of_options_is_read(tmp_path):
    (text,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "options.toml").write_text(text)
    (tmp_path / "cohort.csv").touch()
    arguments = [str(tmp_path / "cohort.csv"), "--config", str(tmp_path / "options.toml")]
    with GROUP.make_context("skedema", ["evaluate"], resilient_parsing=False) as parent:
        context = GROUP.commands["evaluate"].make_context("evaluate", arguments, parent=parent)
    assert (context.params["target"], context.params["seed"]) == ("edema", 1)
    assert context.params["output"] == Path("results")
    assert context.meta["model"] == {"fusion": "concat", "refiner": None, "encoder__depth": 4}


def test_exit_codes_are_those_of_the_commands():
    told = [int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)]
    codes = [_codes.OK, _codes.DATA, _codes.USAGE, _codes.FAILED, _codes.INTERRUPTED]
    assert told == codes
    assert all(f" {code} " in _codes.TOLD for code in codes)
