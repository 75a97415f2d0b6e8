"""A column of scans: its cells, a function of each, and what transforms it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from skedema._each import each, named
from skedema.scans._remarks import Told, gathered, tell
from skedema.scans.errors import ScanError

Result = TypeVar("Result")


class ScanTransformer(TransformerMixin, BaseEstimator):
    """A transformer of scans that learns nothing."""

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags


def of_each_scan(
    function: Callable[..., Result],
    cells: Sequence[object],
    arguments: tuple[Any, ...],
    n_jobs: int | None,
    progress: Any = None,
) -> Iterator[Result]:
    """Call ``function(cell, *arguments)`` of each scan, as `each` does.

    Errors name the row, and what is odd about scans is told once, when all are done.
    """
    told: list[Told] = []
    tasks = [(function, row, cell, *arguments) for row, cell in enumerate(cells)]
    for result, odd in each(_of_row, tasks, n_jobs, progress):
        told += odd
        yield result
    tell(told, len(cells))


def _name(_: object, row: int, cell: object, *__: object) -> str:
    return f"row {row}" + (f", {str(cell)!r}" if isinstance(cell, str | os.PathLike) else "")


@named(_name)
def _of_row(
    function: Callable[..., Result], row: int, cell: object, *arguments: Any
) -> tuple[Result, list[Told]]:
    try:
        with gathered() as told:
            result = function(cell, *arguments)
    except ScanError as error:
        raise ScanError(f"row {row}: {error}") from error
    return result, [one._replace(row=f"row {row}") for one in told]


def scan_cells(scans: Any) -> list[Any]:
    """List the cells of any container of scans.

    Parameters
    ----------
    scans : list, Series, table of one column, ndarray of cells or of shape (n, X, Y, Z)
        The scans.

    Returns
    -------
    list
        One cell a scan.

    Raises
    ------
    TypeError
        When it is one scan, or no column of scans.
    """
    if isinstance(scans, str | bytes) or hasattr(scans, "__fspath__") or hasattr(scans, "dataobj"):
        raise TypeError("one scan in place of a sequence of scans; use read(scan), or [scan]")
    if isinstance(scans, np.ndarray):
        if scans.ndim == 3:
            raise TypeError(f"one volume of shape {scans.shape}; use read(scan), or [scan]")
        if scans.ndim == 2 and scans.shape[1] == 1:
            return list(scans[:, 0])
        if scans.ndim in (1, 4):
            return list(scans)
        raise TypeError(
            f"an array of shape {scans.shape} is not a column of scans; "
            "give (n,) or (n, 1) cells, or n volumes (n, X, Y, Z)"
        )
    if hasattr(scans, "columns"):
        if len(scans.columns) != 1:
            raise TypeError(
                f"a table of {len(scans.columns)} columns; give the column of scans alone"
            )
        scans = scans[scans.columns[0]]
    if hasattr(scans, "to_list"):
        return list(scans.to_list())
    if not isinstance(scans, Iterable) or isinstance(scans, dict):
        raise TypeError(f"{type(scans).__name__} is not a sequence of scans; give a list of them")
    return list(scans)
