"""Clinical values with nothing missing: what the learnable embeddings are compared with."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from skedema._all_or_nothing import all_or_nothing
from skedema.clinical import ClinicalTokenizer


class MeanImputed(TransformerMixin, BaseEstimator):
    """Fill in what a metadata transformer leaves missing, for ``metadata=`` of the classifier.

    A number becomes the mean of the training patients' (as the transformer scales them), a
    category the most frequent one, a variable without any value 0.

    Parameters
    ----------
    metadata : transformer or None, default=None
        Whose values are filled in; None is ``ClinicalTokenizer()``.
    indicator : bool, default=False
        Whether each variable that has missing values in `fit` gets another one behind all others,
        which is 1 where it is missing and 0 elsewhere.

    Attributes
    ----------
    metadata_ : transformer
        Fitted.
    fill_ : ndarray of shape (n_variables,)
        What stands for a missing value.
    n_categories_ : ndarray of int
        Number of categories of each variable that `transform` gives, 0 for a number.

    Examples
    --------
    >>> import pandas as pd
    >>> from skedema.baselines import MeanImputed
    >>> X = pd.DataFrame({"sodium": [128.0, 140.0, None], "sex": ["f", "m", "f"]})
    >>> MeanImputed(indicator=True).fit_transform(X).round(2)
    array([[0.  , 0.  , 0.  ],
           [0.95, 1.  , 0.  ],
           [0.47, 0.  , 1.  ]])
    """

    def __init__(self, *, metadata: Any = None, indicator: bool = False) -> None:
        self.metadata = metadata
        self.indicator = indicator

    @all_or_nothing
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn what to fill in.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            The clinical variables.
        y : array-like of shape (n_samples,) or None, default=None
            For a `metadata` that uses the classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        MeanImputed
            The fitted transformer.
        """
        self.metadata_ = ClinicalTokenizer() if self.metadata is None else clone(self.metadata)
        weighted = has_fit_parameter(self.metadata_, "sample_weight")
        self.metadata_.fit(X, y, **({"sample_weight": sample_weight} if weighted else {}))
        values = self._values(X)
        weight = np.ones(len(values)) if sample_weight is None else np.asarray(sample_weight)
        counts = np.asarray(getattr(self.metadata_, "n_categories_", np.zeros(values.shape[1])))
        self.fill_ = np.array(
            [_typical(values[:, k], weight, int(count)) for k, count in enumerate(counts)]
        )
        gaps = np.isnan(values).any(axis=0)
        self._marked = np.flatnonzero(gaps) if self.indicator else np.array([], dtype=int)
        self.n_categories_ = np.append(counts, np.zeros(len(self._marked))).astype(int)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Give the values, none missing.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            The clinical variables.

        Returns
        -------
        ndarray of float64 of shape (n_samples, n_variables)
            Values and, with `indicator`, what was missing.
        """
        check_is_fitted(self)
        values = self._values(X)
        missing = np.isnan(values)
        return np.hstack([np.where(missing, self.fill_, values), missing[:, self._marked]])

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the variables.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Handed on to `metadata`.

        Returns
        -------
        ndarray of str
            Those of `metadata`, and "<name> missing" for each indicator.
        """
        check_is_fitted(self)
        names = [str(name) for name in self.metadata_.get_feature_names_out(input_features)]
        marked = [f"{names[k]} missing" for k in self._marked]
        return np.array([*names, *marked], dtype=object)

    def _values(self, X: Any) -> np.ndarray:
        found = self.metadata_.transform(X)
        return np.asarray(found.toarray() if hasattr(found, "toarray") else found, dtype=float)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _typical(values: np.ndarray, weight: np.ndarray, n_categories: int) -> float:
    there = ~np.isnan(values) & (weight > 0)
    if not there.any():
        return 0.0
    if n_categories:
        counts = np.bincount(values[there].astype(int), weight[there], n_categories)
        return float(counts.argmax())
    return float(np.average(values[there], weights=weight[there]))
