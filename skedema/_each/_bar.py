"""A bar that shows how far a long task is, drawn or in lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, TextIO, TypeVar

Result = TypeVar("Result")

_SECONDS_A_LINE = 30.0  # in a log file


def bar(what: str, unit: str, total: int, *, done: int = 0, shown: object = True) -> Any:
    """Make a progress bar on standard error; a line every half minute where that is no terminal.

    Parameters
    ----------
    what, unit : str
        What is done, and what is counted, such as "reading scans" and "scan".
    total, done : int
        How many there are, and how many are behind.
    shown : bool or int, default=True
        A `verbose`; nothing is shown with 0.

    Returns
    -------
    tqdm
        A context with ``update()`` and ``set_postfix(...)``.
    """
    if not shown:
        return _NotShown()
    from tqdm import tqdm

    drawn: dict[str, Any] = {"file": sys.stderr}
    if not sys.stderr.isatty():
        drawn = {"file": _Lines(sys.stderr), "mininterval": _SECONDS_A_LINE, "ascii": True}
    return tqdm(total=total, initial=done, desc=what, unit=unit, **drawn)


def moved_on(results: Iterator[Result], progress: Any) -> Iterator[Result]:
    """Give results, and move a bar on with each; it is closed at the end."""
    with progress:
        for result in results:
            progress.update()
            yield result


class _NotShown:
    """Stands for a bar that is not shown.

    A bar of tqdm, shown or not, takes a lock that all forks of a process share: one that is killed
    within would let the others wait for ever.
    """

    disable = True

    def update(self) -> None: ...

    def set_postfix(self, *args: Any, **kwargs: Any) -> None: ...

    set_postfix_str = set_postfix

    def __enter__(self) -> _NotShown:
        return self

    def __exit__(self, *exc_info: object) -> None: ...


class _Lines:
    """Where a bar is not drawn over itself, as in a log file: a line a time, and the last one."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        shown = text.strip()
        if shown:
            self._file.write(f"{shown}\n")

    def flush(self) -> None:
        self._file.flush()
