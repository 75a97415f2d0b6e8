"""Clinical columns for scikit-learn's own estimators."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skedema._all_or_nothing import all_or_nothing
from skedema._training.clinical_side import ClinicalSide
from skedema._training.columns import Columns
from skedema.frames import read_table


class ClinicalValues(TransformerMixin, BaseEstimator):
    """Read the clinical columns as `AttentionMixerClassifier` does, for other estimators.

    Columns are matched by name, kinds are decided in `fit`, numbers are scaled and bounded by the
    `ClinicalTokenizer`. Missing values stay missing, and so do categories that `fit` did not see.

    Parameters
    ----------
    image : str, int, list of these, or None, default=None
        The column that holds the scan, by name or position, which is left out; or several.
    metadata : transformer or None, default=None
        As the parameter of `AttentionMixerClassifier`; None is ``ClinicalTokenizer()``.

    Attributes
    ----------
    metadata_ : transformer
        Fitted.

    Examples
    --------
    >>> import pandas as pd
    >>> from skedema.baselines import ClinicalValues
    >>> X = pd.DataFrame({"sodium": [128.0, 140.0, None], "sex": ["f", None, "m"]})
    >>> ClinicalValues().fit_transform(X).round(2)
       sodium  sex
    0    0.00    f
    1    0.95  NaN
    2     NaN    m
    """

    def __init__(self, *, image: Any = None, metadata: Any = None) -> None:
        self.image = image
        self.metadata = metadata

    @all_or_nothing
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn kinds, scales and categories.

        Parameters
        ----------
        X : DataFrame (pandas, polars) or array-like of shape (n_samples, n_features)
            The patients.
        y : array-like of shape (n_samples,) or None, default=None
            Their classes, for a `metadata` that uses them.

        Returns
        -------
        ClinicalValues
            The fitted transformer.

        Raises
        ------
        ValueError
            When a column cannot be used, or there is none but the scan's.
        """
        table = read_table(X)
        self._columns = Columns(table, self.image, type(self).__name__)
        if not self._columns.clinical:
            raise ValueError("There is no clinical column in X: it holds the scan alone.")
        labels = np.zeros(len(table)) if y is None else np.asarray(y)
        self._clinical = ClinicalSide(self.metadata)
        self._clinical.fit(self._columns.clinical_part(table), labels, np.ones(len(table)))
        self._columns.warn_of_leaks(table, labels)
        self.metadata_ = self._clinical.metadata
        self.n_features_in_ = len(table.columns)
        return self

    def transform(self, X: Any) -> pd.DataFrame:
        """Give the values.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Patients, with the columns of `fit`.

        Returns
        -------
        DataFrame of shape (n_samples, n_variables)
            Numbers as float64, categories as ``category``; NaN for missing.

        Warns
        -----
        UserWarning
            When categories are new; see `ClinicalTokenizer`.
        """
        check_is_fitted(self)
        part = self._columns.clinical_part(self._columns.read(X))
        values = self._clinical.transform(part)
        counts = self._clinical.n_categories
        names = getattr(self.metadata_, "categories_", [None] * len(counts))
        columns = [
            values[:, k] if not n else _category(values[:, k], names[k] or [*map(str, range(n))])
            for k, n in enumerate(counts)
        ]
        index = pd.RangeIndex(len(part)) if part.index is None else part.index
        return pd.DataFrame(
            {k: pd.Series(column, index=index) for k, column in enumerate(columns)}, index=index
        ).set_axis(self.get_feature_names_out(), axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the variables.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of str
            The columns of what `transform` gives.
        """
        check_is_fitted(self)
        return np.array(self._clinical.variables, dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _category(codes: np.ndarray, names: list[str]) -> pd.Categorical:
    return pd.Categorical.from_codes(np.where(np.isnan(codes), -1, codes).astype(int), names)
