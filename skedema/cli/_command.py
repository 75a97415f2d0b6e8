"""From a function to a command: groups of options, plain messages, and exit codes."""

from __future__ import annotations

import inspect
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, get_type_hints

import typer

from skedema.cli import _codes
from skedema.cli._messages import code_of, message_of, say, write_plain_warnings
from skedema.cli._run import Run


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Make what typer takes of a function some of whose parameters are groups of options.

    A parameter of a dataclass is replaced by the fields of that. One of type `Run` is always there,
    and messages, warnings and the exit code are its.
    """
    hints = get_type_hints(function, include_extras=True)
    own = inspect.signature(function).parameters
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    shown: list[inspect.Parameter] = [_parameter("context", typer.Context)]
    shown += [_parameter(n, hints[n], own[n].default) for n in own if n not in groups]
    for group in groups.values():
        shown += _fields(group)

    @wraps(function)
    def run(context: typer.Context, **values: Any) -> None:
        given = {}
        for name in own:
            if name not in groups:
                given[name] = values[name]
                continue
            members = {f.name: values[f.name] for f in fields(groups[name]) if f.init}
            given[name] = groups[name](**members)
            if isinstance(given[name], Run):
                given[name].context = context
        ((_, running),) = [each for each in given.items() if isinstance(each[1], Run)]
        with _told_plainly(running):
            running.begin()
            function(**given)

    run.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in shown}
    return run


def _fields(group: Any) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for each in fields(group):
        if each.init:
            yield _parameter(each.name, hints[each.name], each.default)


def _parameter(name: str, hint: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, keyword, default=default, annotation=hint)


@contextmanager
def _told_plainly(run: Run) -> Iterator[None]:
    """Write warnings and errors as lines on standard error, and exit by what went wrong."""
    from skedema._each import beginning_with

    with warnings.catch_warnings(), beginning_with(write_plain_warnings):
        if not sys.warnoptions:
            warnings.simplefilter("default")
        write_plain_warnings()
        try:
            yield
            sys.stdout.flush()
        except KeyboardInterrupt:
            say(f"interrupted; {run.how_to_go_on or 'nothing was kept'}")
            raise typer.Exit(_codes.INTERRUPTED) from None
        except BrokenPipeError:  # whoever read the result, such as head, has had enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(_codes.OK) from None
        except Exception as error:
            if _is_typers(error):
                raise
            code = code_of(error)
            if run.debug:
                traceback.print_exc()
            say(f"error: {message_of(error, code)}")
            raise typer.Exit(code) from None


def _is_typers(error: Exception) -> bool:
    """Recognise what typer ends a command by, whichever click is beneath it."""
    return isinstance(error, typer.Exit | typer.Abort) or hasattr(error, "exit_code")
