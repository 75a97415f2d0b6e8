"""A part of a table, for a model of scans alone or of the clinical variables alone."""

from __future__ import annotations

from typing import Any, Self

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import _safe_indexing

from skedema._all_or_nothing import all_or_nothing
from skedema.frames import find_scan_columns, read_table


class _PartOfTable(TransformerMixin, BaseEstimator):
    """Keep some columns of a table; which ones, by `_kept`."""

    def __init__(self, *, image: Any) -> None:
        self.image = image

    @all_or_nothing
    def fit(self, X: Any, y: Any = None) -> Self:
        """Look for the column.

        Parameters
        ----------
        X : DataFrame (pandas, polars) or array-like of shape (n_samples, n_features)
            The patients.
        y : None
            Ignored.

        Returns
        -------
        self
            The transformer.

        Raises
        ------
        ValueError
            When there is no such column.
        """
        self.n_features_in_ = sum(map(len, _split(X, self.image)))
        return self

    def transform(self, X: Any) -> Any:
        """Select the columns.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            The patients.

        Returns
        -------
        table of shape (n_samples, n_kept)
            Of the same kind.
        """
        return _take(X, self._kept(*_split(X, self.image)))

    def _kept(self, scans: list[int], others: list[int]) -> list[int]:
        raise NotImplementedError


class OnlyScan(_PartOfTable):
    """Keep the columns of scans of a table, and nothing else.

    Parameters
    ----------
    image : str, int or list of these
        The column that holds the scan, by name or position, or the columns of several scans.

    Examples
    --------
    >>> import pandas as pd
    >>> from skedema.baselines import OnlyScan
    >>> X = pd.DataFrame({"age": [61, 70], "scan": ["a.nii.gz", None]})
    >>> list(OnlyScan(image="scan").fit_transform(X))
    ['scan']
    """

    def _kept(self, scans: list[int], others: list[int]) -> list[int]:
        return scans


class WithoutScan(_PartOfTable):
    """Keep all columns of a table but those of scans.

    Of several, those that `image` names: so a model of one scan comes from a table that has more.

    Parameters
    ----------
    image : str, int or list of these
        The column that holds the scan, by name or position, or the columns of several scans.

    Examples
    --------
    >>> import pandas as pd
    >>> from skedema.baselines import WithoutScan
    >>> X = pd.DataFrame({"age": [61, 70], "scan": ["a.nii.gz", None]})
    >>> list(WithoutScan(image="scan").fit_transform(X))
    ['age']
    """

    def _kept(self, scans: list[int], others: list[int]) -> list[int]:
        return others


def _split(X: Any, image: Any) -> tuple[list[int], list[int]]:
    """Give the positions of the columns of scans, and those of the others."""
    table = read_table(X)
    scans = find_scan_columns(table, image)
    return scans, [p for p in range(len(table.columns)) if p not in scans]


def _take(X: Any, positions: list[int]) -> Any:
    if isinstance(X, (list, tuple)):  # as an array, numbers beside text would become text
        return [[row[p] for p in positions] for row in X]
    return _safe_indexing(X, positions, axis=1)
