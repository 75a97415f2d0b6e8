"""Which values are missing together, and what it costs a model not to have one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skedema._drawing import COLOURS, GREY, Display, as_given, intervals, panels, with_interval
from skedema.frames.cells import labels_of, present, rearranged, without
from skedema.inspection._held_out import HeldOut
from skedema.inspection._scores import find_score, half_width

_PATTERNS = 12
_SHOWN = 20
_COSTS = ["variable", "n_missing", "cost", "low", "high"]


class MissingnessDisplay(Display):
    """Patterns of missing values, and what each variable's absence costs on held-out patients.

    A line of the first panel is a pattern: the variables that are missing together, and how many
    rows have them so. The second panel is by how much the score is worse when a variable is
    missing in everybody: the model is as it is, and takes it as it takes any missing value. That is
    the price of not measuring it, where `ImportanceDisplay` has that of a wrong value. Intervals
    are as there.

    Parameters
    ----------
    patterns : DataFrame
        What `frame` gives.
    costs : DataFrame or None, default=None
        With the columns variable, n_missing, cost, low and high; None draws patterns alone.
    words : str, default="AUC"
        What the score is called.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes, or ndarray of two
        The axes: patterns, and costs where there are any.
    figure_ : matplotlib.figure.Figure
        The figure.

    See Also
    --------
    skedema.evaluation.missing_curve : Takes away more and more values, in training as well.

    Examples
    --------
    >>> import pandas as pd
    >>> from skedema.inspection import MissingnessDisplay
    >>> X = pd.DataFrame({"age": [61, 70, 55], "sodium": [140, None, None]})
    >>> MissingnessDisplay.from_table(X).frame()
         missing  n_rows     share
    0  (sodium,)       2  0.666667
    1         ()       1  0.333333
    """

    def __init__(
        self, patterns: pd.DataFrame, costs: pd.DataFrame | None = None, *, words: str = "AUC"
    ) -> None:
        self.patterns = patterns
        self.costs = costs
        self.words = words

    @classmethod
    def from_table(cls, X: Any) -> Self:
        """Look at a table alone.

        Parameters
        ----------
        X : DataFrame (pandas, polars) or ndarray of shape (n, n_features)
            Patients.

        Returns
        -------
        MissingnessDisplay
            Of its patterns.
        """
        return cls(_patterns(X))

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        groups: Any = None,
        scoring: str | None = None,
        confidence: float = 0.95,
    ) -> Self:
        """Ask a fitted classifier or regressor that takes missing values.

        Parameters
        ----------
        estimator : classifier or regressor
            Fitted; a classifier with ``predict_proba``.
        X : DataFrame (pandas, polars) or ndarray of shape (n, n_features)
            Patients whom it has not seen.
        y : array-like of shape (n,)
            Their labels, or numbers.
        groups : array-like of shape (n,) or None, default=None
            The patient of each row. None: each row is one.
        scoring : {"roc_auc", "log_loss", "mae"} or None, default=None
            What drops, or grows: None is the AUC, of regressors the mean absolute error, which is
            all they have.
        confidence : float, default=0.95
            Of the intervals.

        Returns
        -------
        MissingnessDisplay
            Of patterns and costs.

        Raises
        ------
        ValueError
            When labels are unknown to the estimator, there is no such scoring, or the estimator
            takes no missing values.
        """
        held_out = HeldOut.of([estimator], X, y, None, groups)
        return cls._of(held_out, scoring, confidence)

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
        confidence: float = 0.95,
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
            The positions in X of the patients that each estimator has not seen.
        groups, repeats
            As in `ImportanceDisplay.from_estimators`.
        scoring, confidence
            As in `from_estimator`.

        Returns
        -------
        MissingnessDisplay
            Of patterns and costs.

        Raises
        ------
        ValueError
            As in `from_estimator`, or when there are not as many test rows as estimators.
        """
        held_out = HeldOut.of(estimators, X, y, test_rows, groups, repeats)
        return cls._of(held_out, scoring, confidence)

    @classmethod
    def _of(cls, held_out: HeldOut, scoring: str | None, confidence: float) -> Self:
        score = find_score(scoring, numbers=held_out.of_numbers)
        labels = labels_of(held_out.X)
        there = present(held_out.X, range(len(labels)))
        some = np.flatnonzero(there.any(axis=0)).tolist()
        folds = range(len(held_out.estimators))
        as_they_are = [held_out.ask_as_they_are(fold) for fold in folds]
        whole, own = held_out.score(score, as_they_are)
        without_each = [_without_each(held_out, fold, some) for fold in folds]
        rows = []
        for number, position in enumerate(some):
            value, shares = held_out.score(score, [found[number] for found in without_each])
            cost = score.sign * (whole - value)
            half = half_width(own - shares, confidence)
            n_missing = int((~there[:, position]).sum())
            rows.append([str(labels[position]), n_missing, cost, cost - half, cost + half])
        costs = pd.DataFrame(rows, columns=_COSTS)
        costs = costs.sort_values("cost", ascending=False, ignore_index=True)
        return cls(_patterns(held_out.X), costs, words=score.words)

    def frame(self) -> pd.DataFrame:
        """Give the patterns; the attribute ``costs`` has the other panel's numbers.

        Returns
        -------
        DataFrame
            One row a pattern, the most frequent first: missing (a tuple of variables), n_rows and
            share.
        """
        return self.patterns.copy()

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, sequence of two or None, default=None
            Where: one, or one for patterns and one for costs. None makes a figure.

        Returns
        -------
        MissingnessDisplay
            Itself, with `ax_` and `figure_`.

        Raises
        ------
        ImportError
            Without matplotlib.
        ValueError
            When `ax` does not hold as many axes as there are panels.
        """
        n_panels = 1 if self.costs is None else 2
        n_rows = min(len(self.patterns), _PATTERNS)
        if self.costs is not None:
            n_rows = max(n_rows, min(len(self.costs), _SHOWN))
        with panels(ax, n_panels, (5.4, 1.9 + 0.28 * n_rows)) as (self.figure_, axes):
            self._draw_patterns(axes[0])
            if self.costs is not None:
                rows = self.costs.head(_SHOWN).rename(columns={"variable": "label"})
                intervals(axes[1], rows.assign(value=rows["cost"]), 0.0, 3)
                axes[1].set(xlabel=self._xlabel, title="What it costs not to know it")
            self.ax_ = as_given(axes)
        return self

    def _draw_patterns(self, ax: Any) -> None:
        shown = self.patterns.head(_PATTERNS)
        parts = shown["missing"].tolist()
        names = list(dict.fromkeys(name for part in parts for name in part)) or ["nothing"]
        gone = np.array([[name in part for name in names] for part in parts])
        heights = np.arange(len(parts))[::-1]
        for row, height in zip(gone, heights, strict=True):
            ax.scatter(range(len(names)), [height] * len(names), s=70, marker="s", color="#E4E4E4")
            at = np.flatnonzero(row)
            ax.scatter(at, [height] * len(at), s=70, marker="s", color=COLOURS[0], edgecolor=GREY)
        ax.set_xticks(range(len(names)), names, rotation=60, ha="right")
        ax.set_yticks(heights, [f"{n} ({share:.0%})" for n, share in _counts(shown)])
        ax.set(xlim=(-0.6, len(names) - 0.4), ylim=(-0.7, len(parts) - 0.3))
        ax.set(ylabel="Rows", title="Missing together")
        ax.grid(visible=False)

    @property
    def _xlabel(self) -> str:
        return f"{'Drop' if self.words == 'AUC' else 'Growth'} of {self.words} when missing"

    @property
    def description(self) -> str:
        """What the figure shows, in words and numbers."""
        shown = self.patterns.head(_PATTERNS)
        said = ", ".join(
            f"{' and '.join(row.missing) or 'nothing'}: {row.n_rows} ({row.share:.0%})"
            for row in shown.itertuples()
        )
        text = f"Values missing together, by rows: {said}."
        if self.costs is None:
            return text
        figures = ", ".join(
            f"{row.variable} {with_interval(row.cost, row.low, row.high, 3)}"
            for row in self.costs.head(_SHOWN).itertuples()
        )
        return f"{text} {self._xlabel}, on held-out patients: {figures}."


def _patterns(X: Any) -> pd.DataFrame:
    labels = [str(label) for label in labels_of(X)]
    gone = ~present(X, range(len(labels)))
    kinds, number = np.unique(gone, axis=0, return_inverse=True)
    counts = np.bincount(number.ravel(), minlength=len(kinds))
    rows = [
        (tuple(name for name, lacks in zip(labels, kind, strict=True) if lacks), int(n))
        for kind, n in zip(kinds, counts, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["missing", "n_rows"])
    table["share"] = table["n_rows"] / max(1, len(gone))
    return table.sort_values(["n_rows", "missing"], ascending=[False, True], ignore_index=True)


def _counts(patterns: pd.DataFrame) -> list[tuple[int, float]]:
    return list(zip(patterns["n_rows"], patterns["share"], strict=True))


def _without_each(held_out: HeldOut, fold: int, positions: list[int]) -> NDArray[np.float64]:
    """Give probabilities with each variable missing, in one call; (n_variables, n_test, K)."""
    rows, n_variables = held_out.test_rows[fold], len(positions)
    every = np.tile(rows, n_variables)
    gone = np.repeat(np.eye(n_variables, dtype=bool), len(rows), axis=0)
    table = without(rearranged(held_out.X, every), positions, gone)
    try:
        told = held_out.ask(fold, table)
    except (TypeError, ValueError) as error:
        error.add_note(
            "The classifier was asked with missing values. One that does not take them is to be "
            "wrapped with what fills them, such as make_pipeline(SimpleImputer(), clf)."
        )
        raise
    return told.reshape(n_variables, len(rows), -1)
