"""Whether what is predicted agrees with what is measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from skedema._drawing import COLOURS, GREY, PanelDisplay, with_interval
from skedema.evaluation._tables import Repeats
from skedema.evaluation.displays._numbers import Floats, NumberDisplay, PredictedNumbers

#: What is told of an estimator, each with an interval.
_TOLD = ("bias", "lower", "upper")


class BlandAltmanDisplay(PanelDisplay, NumberDisplay):
    """Differences between predicted and observed numbers over their means, with their limits.

    The bias is the mean difference, predicted less observed; between the limits of agreement lie
    95 % of the differences, if these are normal [1]_. Where the points rise or fall from left to
    right, or spread more on one side, bias and limits are not those of every patient: a logarithm
    of the target may help [2]_.

    Parameters
    ----------
    predicted : PredictedNumbers
        Made by `from_estimator`, `from_predictions` or `from_evaluation`.
    agreement : float, default=0.95
        The share of differences that the limits are to hold.
    confidence : float, default=0.95
        Of the intervals of bias and limits. They are those of section 2 of [2]_, by Student's t
        with standard errors ``s / sqrt(n)`` and ``s sqrt(1 / n + z**2 / (2 (n - 1)))``; where a
        patient has several rows, percentiles of a bootstrap that draws patients.
    n_resamples : int, default=2000
        Of that bootstrap.

    Attributes
    ----------
    agreement_, points : DataFrame
        What `frame` gives, and what is drawn: estimator, mean, difference, of the first repeat.
    ax_ : matplotlib.axes.Axes, or ndarray of them
        The axes, one an estimator.
    figure_ : matplotlib.figure.Figure
        The figure.

    References
    ----------
    .. [1] Bland, J. M., Altman, D. G. (1986). Statistical methods for assessing agreement between
       two methods of clinical measurement. Lancet 327, 307-310.
    .. [2] Bland, J. M., Altman, D. G. (1999). Measuring agreement in method comparison studies.
       Statistical Methods in Medical Research 8, 135-160.

    Examples
    --------
    >>> from skedema.evaluation.displays import BlandAltmanDisplay
    >>> observed = [0, 4, 7, 12, 20, 33]
    >>> display = BlandAltmanDisplay.from_predictions(observed, [2, 3, 9, 11, 24, 30])
    >>> display.frame()[["bias", "lower", "upper"]].round(1).values.tolist()
    [[0.5, -4.6, 5.6]]
    """

    def __init__(
        self,
        predicted: PredictedNumbers,
        *,
        agreement: float = 0.95,
        confidence: float = 0.95,
        n_resamples: int = 2000,
    ) -> None:
        self._z = float(norm.ppf((1 + agreement) / 2))
        self.share = agreement
        rows, points = [], []
        for name, repeats in predicted.everything.items():
            sizes = predicted.sizes(repeats)
            found = np.mean([self._figures(each, np.ones(len(each.rows))) for each in repeats], 0)
            if sizes["n_rows"] == sizes["n_patients"]:
                around = self._by_formula(found, sizes["n_rows"], confidence)
            else:
                around = predicted.intervals(repeats, self._figures, n_resamples, confidence)
            row: dict[str, Any] = {"estimator": name, **sizes}
            for what, value, (low, high) in zip(_TOLD, found, around, strict=True):
                row |= {what: value, f"{what}_low": low, f"{what}_high": high}
            rows.append(row)
            points.append(_points(name, repeats))
        self.agreement_ = pd.DataFrame(rows)
        self.points = pd.concat(points, ignore_index=True)

    def _figures(self, repeat: Any, weight: Floats) -> Floats:
        """Give bias and both limits; of weights (..., n) an array (..., 3)."""
        difference, n = repeat.predicted - repeat.label, weight.sum(axis=-1)
        bias = weight @ difference / n
        squares = weight @ difference**2 - n * bias**2
        spread = self._z * np.sqrt(np.maximum(squares, 0) / np.maximum(n - 1, 1))
        return np.stack([bias, bias - spread, bias + spread], axis=-1)

    def _by_formula(self, found: Floats, n: int, confidence: float) -> list[tuple[float, float]]:
        if n < 2:
            return [(np.nan, np.nan)] * 3
        spread = (found[2] - found[0]) / self._z
        error = spread * np.sqrt([1 / n, *[1 / n + self._z**2 / (2 * (n - 1))] * 2])
        half = t.ppf((1 + confidence) / 2, n - 1) * error
        return [(value - each, value + each) for value, each in zip(found, half, strict=True)]

    def frame(self) -> pd.DataFrame:
        """Give bias and limits of agreement.

        Returns
        -------
        DataFrame
            One row an estimator: estimator, n_rows, n_patients, and bias, lower and upper (the
            limits), each with its ``_low`` and ``_high``. Of several repeats the mean.
        """
        return self.agreement_.copy()

    def _panels(self) -> tuple[list[Any], tuple[float, float]]:
        return [row for _, row in self.agreement_.iterrows()], (4.2, 3.8)

    def _draw(self, ax: Any, row: Any) -> None:
        part = self.points[self.points["estimator"] == row["estimator"]]
        ax.plot(part["mean"], part["difference"], "o", color=COLOURS[0], alpha=0.6)
        ax.axhline(0, color=GREY, linestyle=":", linewidth=1)
        for what, dashes in zip(_TOLD, ("-", "--", "--"), strict=True):
            ax.axhline(row[what], color=COLOURS[2], linestyle=dashes, linewidth=1.2)
            ax.axhspan(row[f"{what}_low"], row[f"{what}_high"], color=GREY, alpha=0.15)
        ax.set(xlabel="Mean of predicted and observed", title=row["estimator"])

    def _draw_first(self, ax: Any) -> None:
        ax.set_ylabel("Predicted less observed")

    @property
    def description(self) -> str:
        """What the figure shows, in words and numbers."""
        said = []
        for _, row in self.agreement_.iterrows():
            bias, lower, upper = (
                with_interval(*row[[what, f"{what}_low", f"{what}_high"]]) for what in _TOLD
            )
            said.append(
                f"Agreement of {row['estimator']}, {row['n_rows']} rows: bias {bias}, limits that "
                f"hold {self.share:.0%}: {lower} and {upper}."
            )
        return " ".join(said)


def _points(name: str, repeats: Repeats) -> pd.DataFrame:
    first = repeats[0]
    middle = (first.predicted + first.label) / 2
    return pd.DataFrame(
        {"estimator": name, "mean": middle, "difference": first.predicted - first.label}
    )
