"""Whether as many lie below a predicted quantile as it says."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd

from skedema._drawing import GREY, as_given, line_style, marker_style, panels, with_interval
from skedema.evaluation.displays._numbers import NumberDisplay, PredictedNumbers
from skedema.evaluation.intervals import effective_number, wilson


class IntervalCalibrationDisplay(NumberDisplay):
    """The share of patients at or below each predicted quantile over its level.

    On the diagonal quantiles hold what they say, and so do the intervals between them. Shares have
    Wilson's interval, of as many rows as tell something by themselves: see
    `skedema.evaluation.intervals.proportion_interval`.

    Parameters
    ----------
    predicted : PredictedNumbers
        Made by `from_estimator`, `from_predictions` or `from_evaluation`, with quantiles.
    confidence : float, default=0.95
        Of the intervals.

    Attributes
    ----------
    shares : DataFrame
        What `frame` gives.
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure.

    Examples
    --------
    >>> import numpy as np
    >>> from skedema.evaluation.displays import IntervalCalibrationDisplay
    >>> y = np.arange(20.0)
    >>> quantiles = np.tile([4.0, 9.5, 15.0], (20, 1))
    >>> display = IntervalCalibrationDisplay.from_predictions(
    ...     y, quantiles[:, 1], quantiles, quantiles=(0.25, 0.5, 0.75)
    ... )
    >>> display.frame()["observed"].tolist()
    [0.25, 0.5, 0.8]
    """

    def __init__(self, predicted: PredictedNumbers, *, confidence: float = 0.95) -> None:
        rows = []
        for name, repeats in predicted.everything.items():
            quantiles = np.concatenate([each.probability for each in repeats])
            if np.isnan(quantiles).any():
                continue
            observed = np.concatenate([each.label for each in repeats])
            row = np.concatenate([each.rows for each in repeats])
            patient = pd.factorize(predicted.groups)[0][row]
            for k, level in enumerate(predicted.quantiles):
                below = observed <= quantiles[:, k]
                n = effective_number(below, row, patient)
                low, high = wilson(float(below.mean()), n, confidence)
                found = {"estimator": name, "level": level, "observed": float(below.mean())}
                rows.append(found | {"low": low, "high": high})
        if not rows:
            raise ValueError(
                'No estimator predicts quantiles: AttentionMixerRegressor(loss="quantile") does.'
            )
        self.shares = pd.DataFrame(rows)

    def frame(self) -> pd.DataFrame:
        """Give the shares.

        Returns
        -------
        DataFrame
            One row an estimator and quantile: estimator, level, observed (the share at or below
            it), low, high.
        """
        return self.shares.copy()

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default=None
            Where. None makes a figure.

        Returns
        -------
        IntervalCalibrationDisplay
            Itself, with `ax_` and `figure_`.

        Raises
        ------
        ImportError
            Without matplotlib.
        ValueError
            When `ax` holds more than one.
        """
        with panels(ax, 1) as (self.figure_, axes):
            (only,) = axes
            only.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
            for number, (name, part) in enumerate(self.shares.groupby("estimator", sort=False)):
                around = np.abs(part[["low", "high"]].to_numpy().T - part["observed"].to_numpy())
                style = line_style(number) | marker_style(number)
                only.errorbar(
                    part["level"], part["observed"], yerr=around, capsize=2.5, label=name, **style
                )
            only.set(xlabel="Level of the quantile", ylabel="Share at or below it")
            only.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
            only.legend(loc="best")
            self.ax_ = as_given(axes)
        return self

    @property
    def description(self) -> str:
        """What the figure shows, in words and numbers."""
        return " ".join(
            f"Quantiles of {name}: "
            + ", ".join(
                f"{with_interval(row.observed, row.low, row.high)} at or below that of "
                f"{row.level:g}"
                for row in part.itertuples()
            )
            + "."
            for name, part in self.shares.groupby("estimator", sort=False)
        )
