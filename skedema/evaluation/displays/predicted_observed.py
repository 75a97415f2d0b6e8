"""What was observed of patients over what was predicted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from skedema._drawing import COLOURS, GREY, PanelDisplay, with_interval
from skedema.evaluation.displays._numbers import Floats, NumberDisplay, PredictedNumbers


class PredictedObservedDisplay(PanelDisplay, NumberDisplay):
    """Observed over predicted numbers, with the line of calibration, and intervals if there are.

    The line is the least squares of what is observed on what is predicted: with an intercept of 0
    and a slope of 1, patients of whom x is predicted have x on average. A slope below 1 says that
    predictions are too far apart, as of a model that is overfitted (Steyerberg, "Clinical
    prediction models", Springer 2019, section 15.2).

    Parameters
    ----------
    predicted : PredictedNumbers
        Made by `from_estimator`, `from_predictions` or `from_evaluation`.
    confidence : float, default=0.95
        Of the intervals of slope and intercept: percentiles of a bootstrap that draws patients.
    n_resamples : int, default=2000
        Of the bootstrap.

    Attributes
    ----------
    lines, points : DataFrame
        What `frame` gives, and what is drawn: estimator, predicted, observed, low, high (of the
        predicted interval), of the first repeat.
    ax_ : matplotlib.axes.Axes, or ndarray of them
        The axes, one an estimator.
    figure_ : matplotlib.figure.Figure
        The figure.

    Examples
    --------
    >>> from skedema.evaluation.displays import PredictedObservedDisplay
    >>> display = PredictedObservedDisplay.from_predictions([0, 4, 7, 12], [2, 4, 6, 8])
    >>> display.frame()[["slope", "intercept"]].round(2).values.tolist()
    [[1.95, -4.0]]
    """

    def __init__(
        self, predicted: PredictedNumbers, *, confidence: float = 0.95, n_resamples: int = 2000
    ) -> None:
        rows, points = [], []
        for name, repeats in predicted.everything.items():
            found = np.mean([_line(each, np.ones(len(each.rows))) for each in repeats], axis=0)
            around = predicted.intervals(repeats, _line, n_resamples, confidence)
            row: dict[str, Any] = {"estimator": name, **predicted.sizes(repeats)}
            for what, value, (low, high) in zip(("slope", "intercept"), found, around, strict=True):
                row |= {what: value, f"{what}_low": low, f"{what}_high": high}
            rows.append(row)
            first = repeats[0]
            of_each = {"predicted": first.predicted, "observed": first.label}
            bounds = {"low": first.probability[:, 0], "high": first.probability[:, -1]}
            points.append(pd.DataFrame({"estimator": name} | of_each | bounds))
        self.lines = pd.DataFrame(rows)
        self.points = pd.concat(points, ignore_index=True)

    def frame(self) -> pd.DataFrame:
        """Give the lines of calibration.

        Returns
        -------
        DataFrame
            One row an estimator: estimator, n_rows, n_patients, slope and intercept, each with its
            ``_low`` and ``_high``. Of several repeats the mean.
        """
        return self.lines.copy()

    def _panels(self) -> tuple[list[Any], tuple[float, float]]:
        return [row for _, row in self.lines.iterrows()], (4.2, 4.0)

    def _draw(self, ax: Any, row: Any) -> None:
        part = self.points[self.points["estimator"] == row["estimator"]]
        ax.vlines(part["predicted"], part["low"], part["high"], color=GREY, alpha=0.3, linewidth=1)
        ax.plot(part["predicted"], part["observed"], "o", color=COLOURS[0], alpha=0.6)
        both = part[["predicted", "observed"]].to_numpy()
        ends = np.array([both.min(), both.max()])
        ax.plot(ends, ends, color=GREY, linestyle=":", linewidth=1, label="as predicted")
        at = np.array([part["predicted"].min(), part["predicted"].max()])
        line = row["intercept"] + row["slope"] * at
        ax.plot(at, line, color=COLOURS[2], label="least squares")
        ax.set(xlabel="Predicted", title=row["estimator"])
        ax.legend(loc="best")

    def _draw_first(self, ax: Any) -> None:
        ax.set_ylabel("Observed")

    @property
    def description(self) -> str:
        """What the figure shows, in words and numbers."""
        return " ".join(
            f"Observed over predicted of {row['estimator']}, {row['n_rows']} rows: slope "
            f"{with_interval(*row[['slope', 'slope_low', 'slope_high']])}, intercept "
            f"{with_interval(*row[['intercept', 'intercept_low', 'intercept_high']])}."
            for _, row in self.lines.iterrows()
        )


def _line(repeat: Any, weight: Floats) -> Floats:
    """Give slope and intercept of observed on predicted; NaN where one number is predicted."""
    total = weight.sum(axis=-1)
    middle = repeat.predicted.mean()  # far from 0 a variance is a small difference
    x, y = repeat.predicted - middle, repeat.label
    mean_x, mean_y = weight @ x / total, weight @ y / total
    variance = weight @ x**2 / total - mean_x**2
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(
            variance > 0, (weight @ (x * y) / total - mean_x * mean_y) / variance, np.nan
        )
    return np.stack([slope, mean_y - slope * (mean_x + middle)], axis=-1)
