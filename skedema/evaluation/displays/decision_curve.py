"""Whether acting on a prediction does more good than acting without one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from skedema._drawing import GREY, PanelDisplay, line_style
from skedema.evaluation._tables import TREAT_ALL, TREAT_NONE, decision_table
from skedema.evaluation.displays._predicted import Predicted, PredictionDisplay

_THRESHOLDS = np.linspace(0.01, 0.99, 99)


class DecisionCurveDisplay(PanelDisplay, PredictionDisplay):
    """Net benefit over the threshold from which on one would treat.

    Beside the classifiers stand treating all and treating none, as in [1]_. A threshold of 0.1 says
    that one would treat nine without the disease for one with it; read the curve where thresholds
    are reasonable. The classifier that is highest there does most good, if its probabilities are
    right for these patients.

    Parameters
    ----------
    predicted : Predicted
        Made by `from_estimator`, `from_predictions` or `from_evaluation`.
    pos_label : object, default=None
        The class that would be treated. None: of two the positive one, of more each, a panel each.
    thresholds : iterable of float, default=0.01, 0.02, ..., 0.99
        Probabilities from which on one would treat.

    Attributes
    ----------
    curves : DataFrame
        What `frame` gives.
    ax_ : matplotlib.axes.Axes, or ndarray of them
        The axes, one a class.
    figure_ : matplotlib.figure.Figure
        The figure.

    References
    ----------
    .. [1] Vickers, A. J., Elkin, E. B. (2006). Decision curve analysis: a novel method for
       evaluating prediction models. Medical Decision Making 26, 565-574.

    Examples
    --------
    >>> from skedema.evaluation.displays import DecisionCurveDisplay
    >>> y, p = [0, 0, 1, 1], [0.1, 0.3, 0.6, 0.9]
    >>> display = DecisionCurveDisplay.from_predictions(y, p, thresholds=[0.2, 0.5])
    >>> display.frame().query("threshold == 0.5")[["strategy", "net_benefit"]].values.tolist()
    [['classifier', 0.5], ['treat all', 0.0], ['treat none', 0.0]]
    """

    def __init__(
        self,
        predicted: Predicted,
        *,
        pos_label: Any = None,
        thresholds: Iterable[float] = _THRESHOLDS,
    ) -> None:
        at = list(thresholds)
        tables = {}
        for k in predicted.chosen(pos_label):
            table = decision_table(
                predicted.everything, predicted.classes, predicted.classes[k], at
            )
            long = table.rename_axis(columns="strategy").stack().rename("net_benefit")
            tables[predicted.words(k)] = long.reset_index()
        self.curves = pd.concat(tables, names=["class", None]).reset_index("class")
        self.curves = self.curves.reset_index(drop=True)

    def frame(self) -> pd.DataFrame:
        """Give the numbers that are drawn.

        Returns
        -------
        DataFrame
            One row a point: class, threshold, strategy (an estimator, "treat all" or "treat none"),
            net_benefit.
        """
        return self.curves.copy()

    def _panels(self) -> tuple[list[Any], tuple[float, float]]:
        return list(self.curves.groupby("class", sort=False)), (5.0, 3.8)

    def _draw(self, ax: Any, panel: Any) -> None:
        label, part = panel
        wide = part.pivot(index="threshold", columns="strategy", values="net_benefit")
        ax.plot(wide.index, wide[TREAT_ALL], color=GREY, linewidth=1, label=TREAT_ALL)
        ax.plot(
            wide.index, wide[TREAT_NONE], color=GREY, linestyle=":", linewidth=1, label=TREAT_NONE
        )
        for number, name in enumerate(self._names()):
            ax.plot(wide.index, wide[name], label=name, **line_style(number))
        best = max(float(wide.max().max()), 0.01)
        ax.set(xlabel="Threshold probability", ylabel="Net benefit (true positives a patient)")
        ax.set(title=label, ylim=(-0.15 * best, 1.08 * best))  # far below 0 nothing is to be read
        ax.legend()

    def _names(self) -> list[str]:
        return [
            name for name in self.curves["strategy"].unique() if name not in (TREAT_ALL, TREAT_NONE)
        ]

    @property
    def description(self) -> str:
        """What the figure shows, in words and numbers."""
        said = []
        for panel, part in self.curves.groupby("class", sort=False):
            wide = part.pivot(index="threshold", columns="strategy", values="net_benefit")
            without = wide[[TREAT_ALL, TREAT_NONE]].max(axis=1)
            for name in self._names():
                better = wide.index[wide[name] > without + 1e-12]
                where = (
                    f"at {len(better)} of {len(wide)} thresholds, from {better.min():.2f} to "
                    f"{better.max():.2f}"
                    if len(better)
                    else "at no threshold"
                )
                said.append(f"{name} does more good than treating all or none {where}.")
            said[-len(self._names())] = f"Decision curve, {panel}: " + said[-len(self._names())]
        return " ".join(said)
