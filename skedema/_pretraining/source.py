"""Where volumes come from: scans that are read when they are due, or rows of a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from numbers import Number
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from skedema._caching.digest import digest
from skedema._pretraining.ranks import Ranks
from skedema._volumes import Volumes
from skedema.frames import listing, read_table

Rows = NDArray[np.int64]


class RowSource:
    """Volumes (C, X, Y, Z) as a reader gives them, flattened to the rows of a table."""

    def __init__(self, rows: NDArray[np.float32], shape: tuple[int, int, int, int]) -> None:
        n_channels, *sides = shape
        if rows.shape[1] != math.prod(shape):
            raise ValueError(
                f"Volumes of {n_channels} channels and {tuple(sides)} voxels, which is what "
                f"`volume` says, are rows of {math.prod(shape)} numbers; X has n_features="
                f"{rows.shape[1]}. Give volume=VolumeReader(shape=...) the shape of your volumes."
            )
        self.rows = rows
        self.shape = shape

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> NDArray[np.float32]:
        return np.asarray(self.rows[row].reshape(self.shape))

    def stream(self, rows: Rows, *, keep: bool = False) -> Iterator[NDArray[np.float32]]:
        """Give the volumes of rows."""
        return map(self.__getitem__, rows.tolist())

    def batches(self, batches: Sequence[Rows]) -> Iterator[Rows]:
        """Give the batches: there is nothing to read ahead."""
        return iter(batches)

    def names(self, rows: Rows) -> str:
        """Name rows in a message."""
        return f"row{'s' if len(rows) > 1 else ''} {listing([str(row) for row in rows])}"

    def digest(self) -> str:
        """Identify the numbers."""
        return digest(self.rows)

    def tell_odd(self) -> None:
        """Tell nothing: whoever read the volumes looked at the scans."""


#: A group of volumes, one of which is in memory only while it is needed.
Source: TypeAlias = Volumes | RowSource


def tell_odd(source: Source, ranks: Ranks, device: torch.device) -> None:
    """Tell once of scans that are odd, wherever they were read.

    Of several processes each asks about its part, so that none reads all scans for it.
    """
    if ranks.size == 1 or isinstance(source, RowSource):
        source.tell_odd()
        return
    rows = np.arange(len(source))[ranks.part(len(source))]
    found = replace(source, scans=source.scans.take(rows)).about()
    own = {int(rows[place]): about for place, about in found.items()}
    every = ranks.gathered(own, device)
    if ranks.is_first:
        source.tell_odd({row: about for part in every for row, about in part.items()})


def holds_rows(X: Any) -> bool:
    """Tell rows of numbers, whatever is wrong with them, from a sequence of scans."""
    if sparse.issparse(X):
        return True
    if hasattr(X, "columns"):
        return len(X.columns) != 1 or read_table(X).columns[0].is_numeric
    if isinstance(X, np.ndarray):
        if X.ndim == 2 and X.shape[1] == 1:
            return X.dtype.kind in "biufc"
        return X.ndim == 2 or (X.ndim == 1 and X.dtype.kind in "biufc")
    if isinstance(X, (list, tuple)):
        first = X[0] if len(X) else None
        return isinstance(first, (list, tuple, Number)) or (
            isinstance(first, np.ndarray) and first.ndim == 1
        )
    is_column_or_scan = hasattr(X, "to_list") or hasattr(X, "dataobj") or isinstance(X, str)
    return hasattr(X, "__array__") and not is_column_or_scan
