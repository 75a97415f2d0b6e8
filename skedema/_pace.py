"""A word while a fit runs that is going to take long, with what makes it shorter.

It is a line of the logger ``skedema``, which without any settings is seen on standard error, and no
warning: a fit that takes long is no fault, and depends on how busy the machine is.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from skedema._measured import duration
from skedema._told import first_time_here

#: Where it is said.
logger = logging.getLogger("skedema")

_LONG = 30.0  # seconds of a fit
_FROM = 3.0  # seconds of work from which on its rate is believed


@dataclass
class _Fit:
    """The fit under way in this thread, and whether there is nothing more to say of it."""

    begin: float = field(default_factory=time.perf_counter)
    said: bool = False


_under_way: ContextVar[_Fit | None] = ContextVar("under_way", default=None)


@contextmanager
def paced(*, quiet: bool = False) -> Iterator[None]:
    """Watch how long a fit takes, or keep `quiet`; one within another is a part of it."""
    if _under_way.get() is not None:
        yield
        return
    token = _under_way.set(_Fit(said=quiet))
    try:
        yield
    finally:
        _under_way.reset(token)


class Pace:
    """The steps of a piece of work, counted where a fit is watched.

    Parameters
    ----------
    what : str
        The work, such as "encoding 82 scans".
    total : int
        Its steps.
    remedies : callable
        Gives sentences on how to make it shorter.
    """

    def __init__(self, what: str, total: int, remedies: Callable[[], Sequence[str]]) -> None:
        self._what, self._total, self._remedies = what, total, remedies
        self._fit = _under_way.get()
        self._begin = time.perf_counter()
        self._first = self._begin
        self._done = 0

    def step(self) -> None:
        """Count a step, and say once when the fit will take long."""
        if self._fit is None or self._fit.said:
            return
        now = time.perf_counter()
        self._done += 1
        if self._done == 1:  # it also imports, and starts processes and threads
            self._first = now
            return
        left = (self._total - self._done) * (now - self._first) / (self._done - 1)
        if now - self._begin >= _FROM and now + left - self._fit.begin > _LONG:
            self._fit.said = True
            if first_time_here("slow"):
                self._say(now + left - self._fit.begin)

    def _say(self, seconds: float) -> None:
        logger.warning(
            "skedema: this fit will take about %s, most of it %s.%s Told beforehand by "
            'estimate(X); silenced by logging.getLogger("skedema").setLevel("ERROR").',
            duration(seconds),
            self._what,
            "".join(f" {remedy}" for remedy in self._remedies()),
        )
