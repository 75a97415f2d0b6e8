"""Scans that workers of a cluster read and encode: their paths go there, features come back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from skedema._each import each, n_processes, named, on_cluster
from skedema._volumes import Volumes
from skedema.scans.cache import About
from skedema.scans.cache import volumes as read_here

_SCANS = 4  # a task: little is lost with a worker, and little said for each of them


def goes_elsewhere(volumes: Volumes, n_rows: int) -> bool:
    """Tell whether workers of a cluster encode so many scans."""
    return on_cluster() and n_processes(volumes.n_jobs, n_rows) > 1


def encoded_elsewhere(
    encode: Callable[..., Iterable[np.ndarray]], volumes: Volumes, of_rows: list[list[Any]]
) -> Iterator[np.ndarray]:
    """Give what ``encode(volumes, views, keep=False)`` gives, computed by workers.

    Parameters
    ----------
    encode : callable
        It can be pickled.
    volumes : Volumes
        Of all patients.
    of_rows : list of list of View
        The views of each row.
    """
    tasks = []
    for start in range(0, len(of_rows), _SCANS):
        views = [view for of_row in of_rows[start : start + _SCANS] for view in of_row]
        tasks.append((encode, volumes, views))
    for encoded, about in each(_encoded, tasks, volumes.n_jobs):
        scans = [volumes.keys[row] for row in about]
        read_here.learn(volumes.reader, scans, list(about.values()))
        yield from encoded


def _name(_: object, volumes: Volumes, views: list[Any]) -> str:
    return volumes.names(np.unique([view.row for view in views]))


@named(_name)
def _encoded(
    encode: Callable[..., Iterable[np.ndarray]], volumes: Volumes, views: list[Any]
) -> tuple[list[np.ndarray], dict[int, About]]:
    encoded = list(encode(volumes, views, keep=False))
    rows, cells = dict.fromkeys(view.row for view in views), volumes.scans.cells
    return encoded, {
        row: read_here.about(volumes.reader, cells[row], volumes.memory) for row in rows
    }
