"""Figures with intervals, one under the other."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd

from skedema._drawing import PanelDisplay, intervals, with_interval
from skedema.evaluation.displays._words import metric_words

_COLUMNS = ["panel", "label", "value", "low", "high"]


class ForestDisplay(PanelDisplay):
    """Figures with their intervals, one under the other: a forest plot.

    Of metrics by estimator (`from_summary`), of differences against a reference
    (`from_comparison`) or of subgroups (`from_subgroups`): a panel a metric, a row an estimator or
    subgroup.

    Parameters
    ----------
    rows : DataFrame
        With the columns panel (what stands below it), label, value, low, high; the interval is NaN
        where there is none.
    no_effect : float or None, default=None
        Where a line marks that nothing differs.
    title : str, default=""
        Above the first panel.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes, or ndarray of them
        The axes, one or one a panel.
    figure_ : matplotlib.figure.Figure
        The figure.

    See Also
    --------
    skedema.evaluation.Evaluation : Its ``metrics.forest(reference)`` makes one.

    Examples
    --------
    >>> import pandas as pd
    >>> from skedema.evaluation.displays import ForestDisplay
    >>> summary = pd.DataFrame(
    ...     {
    ...         "estimator": ["mixer", "boosting"],
    ...         "metric": "roc_auc",
    ...         "pooled": [0.84, 0.81],
    ...         "low": [0.76, 0.72],
    ...         "high": [0.91, 0.88],
    ...     }
    ... )
    >>> display = ForestDisplay.from_summary(summary)
    >>> print(display.description)
    AUC: mixer 0.84 (0.76 to 0.91), boosting 0.81 (0.72 to 0.88).
    >>> display.plot().ax_.get_xlabel()
    'AUC'
    """

    def __init__(
        self, rows: pd.DataFrame, *, no_effect: float | None = None, title: str = ""
    ) -> None:
        self.rows = rows[_COLUMNS].reset_index(drop=True)
        self.no_effect = no_effect
        self.title = title

    @classmethod
    def from_summary(cls, table: pd.DataFrame) -> Self:
        """Draw metrics by estimator.

        Parameters
        ----------
        table : DataFrame
            What `Evaluation.summary` gives.

        Returns
        -------
        ForestDisplay
            A panel a metric, a row an estimator.
        """
        return cls(_rows(table, table["metric"], table["estimator"], table["pooled"]))

    @classmethod
    def from_comparison(cls, table: pd.DataFrame) -> Self:
        """Draw differences against a reference.

        Parameters
        ----------
        table : DataFrame
            What `Evaluation.compare` gives.

        Returns
        -------
        ForestDisplay
            A row an estimator; a line at 0 stands for the reference.
        """
        better = {True: "above 0 is better", False: "below 0 is better"}
        said = better.get(table["greater_is_better"].iloc[0])
        title = f"Difference from {table['reference'].iloc[0]}" + (f"; {said}" if said else "")
        rows = _rows(table, table["metric"], table["estimator"], table["difference"])
        rows["panel"] = [f"difference in {panel}" for panel in rows["panel"]]
        return cls(rows, no_effect=0.0, title=title)

    @classmethod
    def from_subgroups(cls, table: pd.DataFrame) -> Self:
        """Draw metrics in parts of the cohort.

        Parameters
        ----------
        table : DataFrame
            What `Evaluation.subgroups` gives.

        Returns
        -------
        ForestDisplay
            A panel a metric, a row an estimator and subgroup with its number of patients.
        """
        several = table["estimator"].nunique() > 1
        labels = [
            (f"{row.estimator}, " if several else "") + f"{row.subgroup} (n = {row.n_patients})"
            for row in table.itertuples()
        ]
        return cls(_rows(table, table["metric"], labels, table["pooled"]))

    def frame(self) -> pd.DataFrame:
        """Give the numbers that are drawn.

        Returns
        -------
        DataFrame
            One row a point: panel, label, value, low, high.
        """
        return self.rows.copy()

    def _panels(self) -> tuple[list[Any], tuple[float, float]]:
        parts = list(self.rows.groupby("panel", sort=False))
        height = 1.1 + 0.32 * max(len(part) for _, part in parts)
        return parts, (4.2 + 0.05 * self.rows["label"].str.len().max(), height)

    def _draw(self, ax: Any, panel: Any) -> None:
        name, part = panel
        intervals(ax, part, self.no_effect, self._digits)
        ax.set_xlabel(name)

    def _draw_first(self, ax: Any) -> None:
        ax.set_title(self.title)

    @property
    def _digits(self) -> int:
        return 2 if self.no_effect is None else 3  # differences are small

    @property
    def description(self) -> str:
        """What the figure shows, in words and numbers."""
        said = [self.title] if self.title else []
        for panel, part in self.rows.groupby("panel", sort=False):
            figures = ", ".join(
                f"{row.label} {with_interval(row.value, row.low, row.high, self._digits)}"
                for row in part.itertuples()
            )
            said.append(f"{panel}: {figures}")
        return ". ".join(said) + "."


def _rows(table: pd.DataFrame, metrics: Any, labels: Any, values: Any) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "panel": [metric_words(str(each)) for each in metrics],
            "label": [str(each) for each in labels],
            "value": np.asarray(values, dtype=np.float64),
            "low": table["low"].to_numpy(),
            "high": table["high"].to_numpy(),
        }
    )
