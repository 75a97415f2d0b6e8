"""A worker's heartbeat: tells one that lives from one that is gone, on whatever machine it is.

Optuna has heartbeats of its own, of trials. They are not used: a trial whose process is killed
before its first beat stays "running" for ever, a beat that cannot be written (the server starts
again) is the last one, and what is tried again is put in as a new trial, so that a kill between
the two loses it, and draws depend on the kills.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

INTERVAL = 15.0  # seconds between two beats
MISSED = 8  # beats of one's own without one of the other: it is gone


class Heartbeat:
    """Beats in a thread, and looks at the beats of others.

    `write` takes the number of a beat. `found` gives the last beat of each other, by name.

    Time is told in beats of this worker: the clocks of machines need not agree, and while nobody
    can write, because the database is away, nobody is taken for gone.
    """

    def __init__(
        self, write: Callable[[int], None], found: Callable[[], Mapping[str, int | None]]
    ) -> None:
        self.write = write
        self.found = found
        self._last: dict[str, tuple[int | None, int]] = {}  # their beat, and since which of ours

        self._beat = 0

    @contextmanager
    def beating(self) -> Iterator[None]:
        over = threading.Event()
        thread = threading.Thread(target=self._run, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def stopped(self, name: str) -> bool:
        """Tell whether another has not beaten for so long that it is gone."""
        since = self._last.get(name, (None, self._beat))[1]
        return self._beat - since >= MISSED

    def _run(self, over: threading.Event) -> None:
        while not over.wait(INTERVAL):
            with suppress(Exception):  # the storage is away for a moment: the next beat tells
                self.write(self._beat + 1)
                found = self.found()
                self._beat += 1
                self._last = {
                    name: self._last[name]
                    if name in self._last and self._last[name][0] == beat
                    else (beat, self._beat)
                    for name, beat in found.items()
                }
