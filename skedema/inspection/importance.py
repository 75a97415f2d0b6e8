"""By how much a classifier is worse on patients whom it has not seen, without a variable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skedema._drawing import Display, intervals, panels, with_interval
from skedema.frames.cells import labels_of, rearranged
from skedema.inspection._clusters import clusters_of
from skedema.inspection._held_out import HeldOut
from skedema.inspection._scores import find_score, half_width

_SHOWN = 20


class ImportanceDisplay(Display):
    """Permutation importance on held-out patients, with intervals.

    A variable's values change places between the patients who are tested, and the score drops by
    what the classifier had from them [1]_. Variables that are correlated are permuted together,
    since otherwise each stands in for the others and none looks important: numbers whose rank
    correlation is 0.7 and more on average (the threshold of [2]_; average linkage, in place of the
    Ward linkage of scikit-learn's example "Permutation Importance with Multicollinear or Correlated
    Features"). The scan is one variable; none whose features are still
    at hand is encoded anew.

    An interval says what other patients would change, with the models as they are, and holds the
    chance in the permutations as well: the patients' shares in the drop have a normal mean, with
    DeLong's components [3]_ for the AUC. What is important to a model need not matter to the
    disease, and what is not may still be told by other variables.

    Parameters
    ----------
    table : DataFrame
        What `frame` gives.
    score : float
        Of the patients as they are.
    words : str, default="AUC"
        What the score is called.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure.

    See Also
    --------
    skedema.AttentionMixerClassifier.scan_importance : The parts of a scan's features.

    References
    ----------
    .. [1] Breiman, L. (2001). Random forests. Machine Learning 45, 5-32.
    .. [2] Dormann, C. F., et al. (2013). Collinearity: a review of methods to deal with it and a
       simulation study evaluating their performance. Ecography 36, 27-46.
    .. [3] DeLong, E. R., DeLong, D. M., Clarke-Pearson, D. L. (1988). Comparing the areas under two
       or more correlated receiver operating characteristic curves. Biometrics 44, 837-845.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skedema.inspection import ImportanceDisplay
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> clf = LogisticRegression().fit(X[::2], y[::2])
    >>> display = ImportanceDisplay.from_estimator(clf, X[1::2], y[1::2], random_state=0)
    >>> table = display.frame()
    >>> table["variables"].tolist()
    ['sepal length (cm) + petal length (cm) + petal width (cm)', 'sepal width (cm)']
    >>> bool(table["low"][0] > 0.2)
    True
    """

    def __init__(self, table: pd.DataFrame, score: float, *, words: str = "AUC") -> None:
        self.table = table
        self.score = score
        self.words = words

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        groups: Any = None,
        scoring: str | None = None,
        n_repeats: int = 10,
        together: float | Mapping[str, Sequence[Any]] | None = 0.7,
        confidence: float = 0.95,
        random_state: int = 0,
    ) -> Self:
        """Ask a fitted classifier, or a regressor.

        Parameters
        ----------
        estimator : classifier or regressor
            Fitted; a classifier with ``predict_proba``.
        X : DataFrame (pandas, polars) or ndarray of shape (n, n_features)
            Patients whom it has not seen: on those of its fit, importance is what it has learned by
            heart.
        y : array-like of shape (n,)
            Their labels, or numbers.
        groups : array-like of shape (n,) or None, default=None
            The patient of each row. None: each row is one.
        scoring : {"roc_auc", "log_loss", "mae"} or None, default=None
            What drops, or grows: None is the AUC, of regressors the mean absolute error, which is
            all they have. The AUC of more than two classes is the mean of each against the rest.
        n_repeats : int, default=10
            How often each variable is permuted.
        together : float, mapping of str to columns, or None, default=0.7
            Which variables are permuted together: from which absolute rank correlation on, or their
            columns by a name for them. None: each by itself.
        confidence : float, default=0.95
            Of the intervals.
        random_state : int, default=0
            Of the permutations.

        Returns
        -------
        ImportanceDisplay
            A row a variable, or a group of them.

        Raises
        ------
        ValueError
            When there are fewer than two rows or repeats, labels that the estimator does not know,
            or no such scoring or column.
        """
        held_out = HeldOut.of([estimator], X, y, None, groups)
        return cls._of(held_out, scoring, n_repeats, together, confidence, random_state)

    @classmethod
    def from_estimators(
        cls,
        estimators: Sequence[Any],
        X: Any,
        y: Any,
        test_rows: Sequence[Any],
        *,
        groups: Any = None,
        repeats: Any = None,
        scoring: str | None = None,
        n_repeats: int = 10,
        together: float | Mapping[str, Sequence[Any]] | None = 0.7,
        confidence: float = 0.95,
        random_state: int = 0,
    ) -> Self:
        """Ask the models of a cross-validation, each about the patients that it has not seen.

        Parameters
        ----------
        estimators : sequence of classifiers or regressors
            Fitted, one a fold.
        X : DataFrame (pandas, polars) or ndarray of shape (n, n_features)
            All patients.
        y : array-like of shape (n,)
            Their labels, or numbers.
        test_rows : sequence of array of int
            The positions in X of the patients that each estimator has not seen. Values change
            places among these.
        groups : array-like of shape (n,) or None, default=None
            The patient of each row. None: each row is one.
        repeats : array-like of int or None, default=None
            The repeat of each estimator, where every patient is tested several times. The score is
            of all rows of a repeat together, and the mean over repeats.
        scoring, n_repeats, together, confidence, random_state
            As in `from_estimator`.

        Returns
        -------
        ImportanceDisplay
            A row a variable, or a group of them.

        Raises
        ------
        ValueError
            As in `from_estimator`, or when there are not as many test rows as estimators.
        """
        held_out = HeldOut.of(estimators, X, y, test_rows, groups, repeats)
        return cls._of(held_out, scoring, n_repeats, together, confidence, random_state)

    @classmethod
    def _of(
        cls,
        held_out: HeldOut,
        scoring: str | None,
        n_repeats: int,
        together: Any,
        confidence: float,
        random_state: int,
    ) -> Self:
        score = find_score(scoring, numbers=held_out.of_numbers)
        if n_repeats < 2:
            raise ValueError(f"n_repeats must be at least 2, got {n_repeats!r}.")
        if min(len(rows) for rows in held_out.test_rows) < 2:
            raise ValueError(
                "Values change places among the rows that a model has not seen, but there is a "
                "model with one such row: take folds of several rows, such as cv=5."
            )
        clusters, labels = clusters_of(held_out.X, together), labels_of(held_out.X)
        folds = range(len(held_out.estimators))
        as_they_are = [held_out.ask_as_they_are(fold) for fold in folds]
        whole, own = held_out.score(score, as_they_are)
        changed = [_permuted(held_out, fold, clusters, n_repeats, random_state) for fold in folds]
        rows = []
        for number, (name, positions) in enumerate(clusters):
            found = [
                held_out.score(score, [of_fold[repeat, number] for of_fold in changed])
                for repeat in range(n_repeats)
            ]
            drops = score.sign * (whole - np.array([value for value, _ in found]))
            shares = own - np.mean([share for _, share in found], axis=0)
            half = half_width(shares, confidence, drops.var(ddof=1) / n_repeats)
            mean = float(drops.mean())
            rows.append(
                {
                    "variables": name,
                    "columns": tuple(labels[position] for position in positions),
                    "importance": mean,
                    "low": mean - half,
                    "high": mean + half,
                    "std": drops.std(ddof=1),
                }
            )
        table = pd.DataFrame(rows).sort_values("importance", ascending=False, ignore_index=True)
        return cls(table, whole, words=score.words)

    def frame(self) -> pd.DataFrame:
        """Give the numbers that are drawn.

        Returns
        -------
        DataFrame
            One row a variable or group, the most important first: variables, columns (a tuple),
            importance (by how much the score is worse), low, high, and std, over permutations
            alone.
        """
        return self.table.copy()

    def plot(self, ax: Any = None, *, n_shown: int = _SHOWN) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default=None
            Where. None makes a figure.
        n_shown : int, default=20
            How many of the most important ones.

        Returns
        -------
        ImportanceDisplay
            Itself, with `ax_` and `figure_`.

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        rows = self.table.head(n_shown).rename(columns={"variables": "label"})
        rows = rows.assign(value=rows["importance"])
        width = 4.4 + 0.05 * rows["label"].str.len().max()
        with panels(ax, 1, (width, 1.3 + 0.3 * len(rows))) as (self.figure_, (axes,)):
            intervals(axes, rows, 0.0, 3)
            axes.set(xlabel=self._xlabel, title="Importance to the model, held-out patients")
            self.ax_ = axes
        return self

    @property
    def _xlabel(self) -> str:
        verb = "Drop of" if self.words == "AUC" else "Growth of"
        return f"{verb} {self.words} when permuted (from {self.score:.3f})"

    @property
    def description(self) -> str:
        """What the figure shows, in words and numbers."""
        figures = ", ".join(
            f"{row.variables} {with_interval(row.importance, row.low, row.high, 3)}"
            for row in self.table.head(_SHOWN).itertuples()
        )
        return f"{self._xlabel}, on held-out patients: {figures}."


def _permuted(
    held_out: HeldOut,
    fold: int,
    clusters: Sequence[tuple[str, list[int]]],
    n_repeats: int,
    random_state: int,
) -> NDArray[np.float64]:
    """Give probabilities with each cluster permuted; (n_repeats, n_clusters, n_test, n_classes).

    All clusters of a repeat are asked about in one call, which is one pass over what is kept of
    the scans.
    """
    rows = held_out.test_rows[fold]
    n_rows, n_clusters = len(rows), len(clusters)
    rng = np.random.default_rng([random_state, fold])
    every = np.tile(rows, n_clusters)
    found = []
    for _ in range(n_repeats):
        others: dict[int, NDArray[np.intp]] = {}
        for number, (_, positions) in enumerate(clusters):
            order = every.copy()
            order[number * n_rows : (number + 1) * n_rows] = rng.permutation(rows)
            others |= dict.fromkeys(positions, order)
        told = held_out.ask(fold, rearranged(held_out.X, every, others))
        found.append(told.reshape(n_clusters, n_rows, -1))
    return np.array(found)
