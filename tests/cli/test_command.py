from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Annotated

import pytest

typer = pytest.importorskip("typer")

from skedema.cli._codes import DataError, MissingPackage, UsageError  # noqa: E402
from skedema.cli._command import command  # noqa: E402
from skedema.cli._run import Run  # noqa: E402
from skedema.scans import ScanError  # noqa: E402


@dataclass(frozen=True)
class Group:
    depth: Annotated[int, typer.Option(help="How deep.")] = 1
    names: Annotated[list[str] | None, typer.Option("--name")] = None


def ended(capsys, function, *arguments):
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(command(function))
    with pytest.raises(SystemExit) as end:
        app(args=list(arguments), prog_name="try")
    return end.value.code or 0, *capsys.readouterr()


def raising(error):
    def fail(run: Run) -> None:
        raise error

    return fail


def test_a_group_of_options_becomes_options(capsys):
    def show(what: Annotated[str, typer.Argument()], group: Group, run: Run) -> None:
        print(what, group, run.jobs)

    found = ended(capsys, show, "this", "--depth", "3", "--name", "a", "--name", "b", "-j", "2")
    assert found == (0, "this Group(depth=3, names=['a', 'b']) 2\n", "")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DataError("no scan"), 1),
        (ValueError("no scan"), 1),
        (ScanError("no scan"), 1),
        (UsageError("no scan"), 2),
        (MissingPackage("no scan"), 3),
        (ImportError("no scan"), 3),
        (OSError("no scan"), 3),
        (KeyError("no scan"), 3),
    ],
)
def test_an_error_is_a_line_and_a_code(capsys, error, code):
    found, out, err = ended(capsys, raising(error))
    assert (found, out) == (code, "")
    assert err.startswith("skedema: error: ")
    assert "no scan" in err
    assert err.count("\n") == 1


def test_debug_shows_where_an_error_came_from(capsys):
    code, _, err = ended(capsys, raising(DataError("no scan")), "--debug")
    assert code == 1
    assert "Traceback" in err
    assert "raise error" in err


def test_an_interrupt_says_how_to_go_on(capsys):
    def work(run: Run) -> None:
        run.goes_on_with("folder", "")
        raise KeyboardInterrupt

    code, out, err = ended(capsys, work)
    assert (code, out) == (130, "")
    assert "kept in folder, and the same command goes on from there" in err


def test_warnings_are_plain_lines_each_once(capsys):
    def work(run: Run) -> None:
        for _ in range(2):
            warnings.warn("two\nlines", UserWarning, stacklevel=1)
        warnings.warn("for developers", DeprecationWarning, stacklevel=1)

    assert ended(capsys, work) == (0, "", "skedema: warning: two lines\n")


def test_the_same_of_another_fold_is_not_told_again(capsys):
    def work(run: Run) -> None:
        for text in (
            "1 of 65 scans is odd (row 27 'a.nii')",
            "1 of 66 scans is odd (row 3 'a.nii')",
            "1 scan is odd (row 27 'a.nii')",
        ):
            warnings.warn(text, UserWarning, stacklevel=1)
        warnings.warn("1 of 66 scans is odd (row 3 'b.nii')", UserWarning, stacklevel=1)

    lines = ended(capsys, work)[2].splitlines()
    assert [line.count("a.nii") for line in lines] == [1, 0]


def warn_there() -> None:
    warnings.warn("from another process", UserWarning, stacklevel=1)


def test_warnings_of_other_processes_are_plain_lines_too(capfd):
    from skedema._each import each

    def work(run: Run) -> None:
        list(each(warn_there, [()] * 2, n_jobs=2))

    code, _, err = ended(capfd, work)
    assert code == 0
    end = time.monotonic() + 20
    while not err.endswith("process\n") and time.monotonic() < end:
        time.sleep(0.1)  # what another process writes may come later than its result
        err += capfd.readouterr().err
    assert set(err.splitlines()) == {"skedema: warning: from another process"}


def test_quiet_and_verbose_do_not_go_together(capsys):
    code, _, err = ended(capsys, raising(DataError("not reached")), "-q", "-v")
    assert code == 2
    assert "give one of them" in err


def test_a_reader_that_has_had_enough_is_no_error(capsys, monkeypatch):
    monkeypatch.setattr("os.dup2", lambda *files: None)
    monkeypatch.setattr("sys.stdout.fileno", lambda: 1, raising=False)
    assert ended(capsys, raising(BrokenPipeError()))[0] == 0
