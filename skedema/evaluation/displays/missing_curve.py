"""What becomes of classifiers as more and more values are missing."""

from __future__ import annotations

from typing import Any, Self

import pandas as pd

from skedema._drawing import Display, as_given, line_style, panels
from skedema.evaluation.displays._words import metric_words

_KEYS = ["pattern", "estimator", "train_share"]


class MissingCurveDisplay(Display):
    """Stress curves: a metric over the share of values that are missing in prediction.

    A panel a pattern, and a line an estimator and share that was missing in training. A point is
    the mean over folds and draws, the shade around it one standard deviation of them: what a single
    split varies, no interval.

    Parameters
    ----------
    table : DataFrame
        What `skedema.evaluation.missing_curve` gives.
    metric : {"roc_auc", "log_loss"}, default="roc_auc"
        Which of its columns.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes, or ndarray of them
        The axes, one a pattern.
    figure_ : matplotlib.figure.Figure
        The figure.

    See Also
    --------
    skedema.inspection.MissingnessDisplay : What is missing together, and what each costs.

    Examples
    --------
    >>> import pandas as pd
    >>> from skedema.evaluation.displays import MissingCurveDisplay
    >>> table = pd.DataFrame(
    ...     {
    ...         "estimator": "mixer",
    ...         "train_share": 0.0,
    ...         "pattern": "random values",
    ...         "share": [0.0, 0.0, 0.5, 0.5],
    ...         "roc_auc": [0.9, 0.8, 0.7, 0.6],
    ...     }
    ... )
    >>> print(MissingCurveDisplay(table).description)
    AUC with random values missing: mixer from 0.85 with 0% to 0.65 with 50% missing.
    """

    def __init__(self, table: pd.DataFrame, *, metric: str = "roc_auc") -> None:
        if metric not in table.columns:
            raise ValueError(f"The table has no column {metric!r}, but {list(table.columns)}.")
        groups = table.groupby([*_KEYS, "share"], sort=False)[metric]
        self.points = groups.agg(["mean", "std"]).reset_index()
        self.metric = metric

    def frame(self) -> pd.DataFrame:
        """Give the numbers that are drawn.

        Returns
        -------
        DataFrame
            One row a point: pattern, estimator, train_share, share, mean and std.
        """
        return self.points.copy()

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, sequence of them or None, default=None
            Where, one a pattern. None makes a figure.

        Returns
        -------
        MissingCurveDisplay
            Itself, with `ax_` and `figure_`.

        Raises
        ------
        ImportError
            Without matplotlib.
        ValueError
            When `ax` holds fewer or more axes than there are patterns.
        """
        patterns = list(self.points.groupby("pattern", sort=False))
        words = metric_words(self.metric)
        with panels(ax, len(patterns), (4.6, 3.6), columns=2) as (self.figure_, axes):
            for one, (pattern, part) in zip(axes, patterns, strict=True):
                lines = part.groupby(_KEYS[1:], sort=False)
                for number, ((name, train_share), line) in enumerate(lines):
                    style = line_style(number)
                    label = self._label(name, train_share)
                    one.plot(line["share"], line["mean"], marker="o", label=label, **style)
                    low, high = line["mean"] - line["std"], line["mean"] + line["std"]
                    one.fill_between(
                        line["share"], low, high, color=style["color"], alpha=0.12, linewidth=0
                    )
                one.set(xlabel="Share missing in prediction", ylabel=words, title=str(pattern))
                one.legend()
            self.ax_ = as_given(axes)
        return self

    def _label(self, name: Any, train_share: float) -> str:
        if self.points["train_share"].nunique() == 1 and not train_share:
            return str(name)
        return f"{name}, {train_share:.0%} missing in training"

    @property
    def description(self) -> str:
        """What the figure shows, in words and numbers."""
        said = []
        for pattern, part in self.points.groupby("pattern", sort=False):
            figures = [
                f"{self._label(name, share)} from {line['mean'].iloc[0]:.2f} with "
                f"{line['share'].iloc[0]:.0%} to {line['mean'].iloc[-1]:.2f} with "
                f"{line['share'].iloc[-1]:.0%} missing"
                for (name, share), line in part.groupby(_KEYS[1:], sort=False)
            ]
            said.append(
                f"{metric_words(self.metric)} with {pattern} missing: {'; '.join(figures)}."
            )
        return " ".join(said)
