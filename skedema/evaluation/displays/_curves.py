"""Curves over all thresholds, and the band in which those of other patients would lie."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skedema._drawing import GREY, as_given, line_style, panels, with_interval
from skedema.evaluation._tables import Repeats
from skedema.evaluation.displays._predicted import Predicted, PredictionDisplay
from skedema.evaluation.metrics.ranking import by_probability
from skedema.evaluation.statistics import patient_weights, percentile_interval

Floats = NDArray[np.float64]
#: Reads a curve at a grid, of the true and false positives at each threshold, from the strictest.
Read = Callable[[Floats, Floats], Floats]


def curve_at_grid(repeats: Repeats, k: int, read: Read) -> Floats:
    """Give the mean over repeats of the curves of all rows."""
    of_each = [_read(each, k, np.ones((1, len(each.rows))), read)[0] for each in repeats]
    mean: Floats = np.mean(of_each, axis=0)
    return mean


def band_at_grid(
    predicted: Predicted, repeats: Repeats, k: int, read: Read, n_resamples: int, confidence: float
) -> Floats:
    """Give the interval at each point of the grid, in resamples of patients; (2, n_points)."""
    rows = np.unique(np.concatenate([each.rows for each in repeats]))
    codes = pd.factorize(predicted.groups[rows])[0]
    drawn = []
    for weight in patient_weights(codes, n_resamples, predicted.random_state):
        of_each = [
            _read(each, k, weight[:, np.searchsorted(rows, each.rows)], read) for each in repeats
        ]
        drawn.append(np.mean(of_each, axis=0))
    curves = np.concatenate(drawn)
    return np.array([percentile_interval(at, confidence) for at in curves.T]).T


def _read(predictions: Any, k: int, weight: Floats, read: Read) -> Floats:
    label, probability, _ = predictions.against_rest(k)
    positive, negative = by_probability(label, probability, weight)
    true, false = positive.cumsum(axis=1), negative.cumsum(axis=1)
    return np.array([read(*each) for each in zip(true, false, strict=True)])


class CurveDisplay(PredictionDisplay):
    """What curves over thresholds have in common."""

    _x: str
    _y: str
    _axes: tuple[str, str]
    _metric: str
    _score: str
    _title: str
    _drawstyle = "default"

    def __init__(
        self,
        predicted: Predicted,
        *,
        pos_label: Any = None,
        n_resamples: int = 2000,
        confidence: float = 0.95,
    ) -> None:
        self.confidence = confidence
        self._panels = {
            predicted.words(k): self._by_chance(predicted, k) for k in predicted.chosen(pos_label)
        }
        curves, scores = [], []
        for k in predicted.chosen(pos_label):
            for name, repeats in predicted.everything.items():
                place = {"estimator": name, "class": predicted.words(k)}
                score = predicted.score(repeats, self._metric, k, n_resamples, confidence)
                scores.append(place | score)
                curves += [
                    pd.DataFrame(place | {"line": line} | columns)
                    for line, columns in self._lines(predicted, repeats, k, n_resamples, confidence)
                ]
        self.curves = pd.concat(curves, ignore_index=True)
        self.scores = pd.DataFrame(scores)

    @abstractmethod
    def _curve(self, repeats: Repeats, k: int) -> dict[str, Floats]:
        """Give the curve: scikit-learn's of one repeat, the mean over the grid of more."""

    @abstractmethod
    def _grid(self) -> tuple[Floats, Read]:
        """Give the grid of the band, and what reads a curve there."""

    @abstractmethod
    def _by_chance(self, predicted: Predicted, k: int) -> tuple[str, Floats, Floats]:
        """Give the line of what tells nothing: its name, x and y."""

    def _lines(
        self, predicted: Predicted, repeats: Repeats, k: int, n_resamples: int, confidence: float
    ) -> list[tuple[str, dict[str, Floats]]]:
        grid, read = self._grid()
        band = band_at_grid(predicted, repeats, k, read, n_resamples, confidence)
        return [
            ("curve", self._curve(repeats, k)),
            ("low", {self._x: grid, self._y: band[0]}),
            ("high", {self._x: grid, self._y: band[1]}),
        ]

    def frame(self) -> pd.DataFrame:
        """Give the numbers that are drawn.

        Returns
        -------
        DataFrame
            One row a point: estimator, class, line ("curve", or "low" and "high" of the band), the
            two axes, and threshold, which only points of scikit-learn's curves have.
        """
        return self.curves.copy()

    def plot(self, ax: Any = None, *, band: bool | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, sequence of them or None, default=None
            Where, one a class. None makes a figure.
        band : bool or None, default=None
            Whether the intervals at each point are shaded. None: where there are one or two
            curves; of more the bands lie over each other.

        Returns
        -------
        CurveDisplay
            Itself, with `ax_` and `figure_`.

        Raises
        ------
        ImportError
            Without matplotlib.
        ValueError
            When `ax` holds fewer or more axes than there are panels.
        """
        if band is None:
            band = self.scores["estimator"].nunique() <= 2
        with panels(ax, len(self._panels)) as (self.figure_, axes):
            for each, (panel, chance) in zip(axes, self._panels.items(), strict=True):
                self._draw(each, panel, chance, band)
            self.ax_ = as_given(axes)
        return self

    def _draw(self, ax: Any, panel: str, chance: tuple[str, Floats, Floats], band: bool) -> None:
        of_panel = self.curves[self.curves["class"] == panel]
        scores = self.scores[self.scores["class"] == panel].set_index("estimator")
        name, x, y = chance
        ax.plot(x, y, color=GREY, linestyle=":", linewidth=1, label=name)
        for number, (estimator, part) in enumerate(of_panel.groupby("estimator", sort=False)):
            lines = {line: points for line, points in part.groupby("line")}
            style = line_style(number)
            if band:
                low, high = lines["low"], lines["high"]
                ax.fill_between(
                    low[self._x],
                    low[self._y],
                    high[self._y],
                    color=style["color"],
                    alpha=0.16,
                    linewidth=0,
                )
            score = with_interval(*scores.loc[estimator, ["value", "low", "high"]])
            curve = lines["curve"]
            ax.plot(
                curve[self._x],
                curve[self._y],
                drawstyle=self._drawstyle,
                label=f"{estimator}: {self._score} {score}",
                **style,
            )
        xlabel, ylabel = self._axes
        ax.set(xlabel=xlabel, ylabel=ylabel, title=panel, xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        ax.set_aspect("equal")
        ax.legend(loc="lower right" if self._metric == "roc_auc" else "lower left")

    @property
    def description(self) -> str:
        """What the figure shows, in words and numbers."""
        said = []
        for panel, part in self.scores.groupby("class", sort=False):
            figures = ", ".join(
                f"{row.estimator} {with_interval(row.value, row.low, row.high)}"
                for row in part.itertuples()
            )
            said.append(f"{self._title}, {panel}: {self._score} of {figures}.")
        return " ".join(said)
