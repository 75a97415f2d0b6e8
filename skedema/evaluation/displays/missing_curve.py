"""What becomes of classifiers as more and more values are missing."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd

from skedema._drawing import PanelDisplay, line_style
from skedema.evaluation.displays._words import metric_words

_KEYS = ["pattern", "estimator", "train_share"]


class MissingCurveDisplay(PanelDisplay):
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

    _columns: ClassVar[int] = 2

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

    def _panels(self) -> tuple[list[Any], tuple[float, float]]:
        return list(self.points.groupby("pattern", sort=False)), (4.6, 3.6)

    def _draw(self, ax: Any, panel: Any) -> None:
        pattern, part = panel
        lines = part.groupby(_KEYS[1:], sort=False)
        for number, ((name, train_share), line) in enumerate(lines):
            style = line_style(number)
            label = self._label(name, train_share)
            ax.plot(line["share"], line["mean"], marker="o", label=label, **style)
            low, high = line["mean"] - line["std"], line["mean"] + line["std"]
            ax.fill_between(line["share"], low, high, color=style["color"], alpha=0.12, linewidth=0)
        words = metric_words(self.metric)
        ax.set(xlabel="Share missing in prediction", ylabel=words, title=str(pattern))
        ax.legend()

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
