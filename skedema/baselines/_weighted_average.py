"""The average of models, each weighted by what it was worth on patients that it had not seen."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, clone
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing, assert_all_finite, get_tags, indexable
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from skedema._all_or_nothing import all_or_nothing

_STEPS, _CHANGE = 10_000, 1e-9
_LEAST = 1e-15  # of a probability, as scikit-learn's log_loss once had it


class WeightedAverage(ClassifierMixin, _BaseComposition):
    """Average the probabilities of classifiers, with weights learned out of fold.

    Late fusion: each member may see another part of the table, one the scan and one the clinical
    variables, and their probabilities are added up. The weights are at least 0 and sum to 1; they
    are those with the least log loss on predictions for training patients whom the members had
    not learned from. Then each member is fitted again on all training patients.

    Parameters
    ----------
    estimators : list of (str, classifier)
        Names and classifiers with `predict_proba`. Parameters of one are ``<name>__<parameter>``.
    cv : int, splitter or iterable, default=5
        The folds within the training patients, as scikit-learn's `check_cv` takes them. An integer
        gives stratified folds that know of no groups.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes.
    estimators_ : list of (str, classifier)
        The fitted members.
    weights_ : dict of str to float
        By name.

    See Also
    --------
    sklearn.ensemble.VotingClassifier : The average with weights that are given.
    sklearn.ensemble.StackingClassifier : A model on top, which may also weigh against a member.

    Notes
    -----
    The weights are the maximum-likelihood shares of a mixture of known distributions, found by EM
    from equal ones (Dempster, Laird and Rubin, "Maximum likelihood from incomplete data via the EM
    algorithm", JRSS B 1977, section 4.3). The problem is convex, so there is one best log loss;
    members that say the same have equal weights.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.compose import make_column_transformer
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skedema.baselines import WeightedAverage
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> def on(*names):
    ...     columns = make_column_transformer((StandardScaler(), list(names)))
    ...     return make_pipeline(columns, LogisticRegression())
    >>> members = [("size", on("mean area")), ("surface", on("mean smoothness"))]
    >>> average = WeightedAverage(members).fit(X, y)
    >>> {name: round(weight, 2) for name, weight in average.weights_.items()}
    {'size': 0.98, 'surface': 0.02}
    """

    def __init__(self, estimators: list[tuple[str, Any]], *, cv: Any = 5) -> None:
        self.estimators = estimators
        self.cv = cv

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Give the parameters.

        Parameters
        ----------
        deep : bool, default=True
            Whether the members and their parameters are among them.

        Returns
        -------
        dict of str to object
            Values by name.
        """
        return dict(self._get_params("estimators", deep=deep))

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those of a member by ``<name>__<parameter>``, or exchange it by name.

        Parameters
        ----------
        **params
            Values by name.

        Returns
        -------
        WeightedAverage
            The average itself.
        """
        self._set_params("estimators", **params)
        return self

    @all_or_nothing
    def fit(self, X: Any, y: Any) -> Self:
        """Learn the weights out of fold, and fit the members.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            As the members take it.
        y : array-like of shape (n_samples,)
            Classes.

        Returns
        -------
        WeightedAverage
            The fitted average.

        Raises
        ------
        ValueError
            When the members are none, or have names that cannot be told apart.
        """
        names = [name for name, _ in self.estimators]
        if not names:
            raise ValueError("estimators=[]: an average needs one classifier or more.")
        self._validate_names(names)
        y = column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        self.estimators_ = [(name, clone(each).fit(X, y)) for name, each in self.estimators]
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimators_[0][1], name):
                setattr(self, name, getattr(self.estimators_[0][1], name))
        (table,) = indexable(X)
        folds = check_cv(self.cv, y, classifier=True).split(table, y)
        likely = [self._out_of_fold(table, y, train, test) for train, test in folds]
        weights = _shares(np.concatenate(likely))
        self.weights_ = dict(zip(names, weights.tolist(), strict=True))
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Average the members' probabilities.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        check_is_fitted(self)
        given = [self.weights_[name] * each.predict_proba(X) for name, each in self.estimators_]
        return np.asarray(np.sum(given, axis=0), dtype=np.float64)

    def predict(self, X: Any) -> NDArray[Any]:
        """Give the class with the highest average.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Classes.
        """
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def _out_of_fold(
        self, X: Any, y: NDArray[Any], train: NDArray[Any], test: NDArray[Any]
    ) -> NDArray[np.float64]:
        """Give how likely each member held what is true of each patient of a fold."""
        seen, held_out = _safe_indexing(X, train), _safe_indexing(X, test)
        likely = np.zeros((len(test), len(self.estimators)))
        for k, (_, each) in enumerate(self.estimators):
            fitted = clone(each).fit(seen, y[train])
            proba = fitted.predict_proba(held_out)
            for column, label in enumerate(fitted.classes_):  # it may have seen no case of one
                true = y[test] == label
                likely[true, k] = proba[true, column]
        return likely

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        of_members = [get_tags(each).input_tags for _, each in self.estimators]
        for name in ("allow_nan", "sparse"):
            setattr(tags.input_tags, name, all(getattr(each, name) for each in of_members))
        return tags


def _shares(likely: NDArray[np.float64]) -> NDArray[np.float64]:
    """Find the weights of members (n, k) under which what came true was likeliest."""
    likely = np.maximum(likely, _LEAST)
    weights = np.full(likely.shape[1], 1 / likely.shape[1])
    for _ in range(_STEPS):
        parts = likely * weights
        better = (parts / parts.sum(axis=1, keepdims=True)).mean(axis=0)
        if np.abs(better - weights).max() < _CHANGE:
            return np.asarray(better)
        weights = better
    return weights
