"""Whether as many have it as were said to."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.utils import check_scalar

from skedema._drawing import COLOURS, GREY, PanelDisplay
from skedema.evaluation._tables import Repeats
from skedema.evaluation.displays._predicted import Predicted, PredictionDisplay
from skedema.evaluation.intervals import wilson

_ROWS_A_BIN = 15  # chosen: fewer, and the interval of a bin spans half of the axis
_MOST_BINS = 10
_BARS = np.linspace(0, 1, 21)


class CalibrationDisplay(PanelDisplay, PredictionDisplay):
    """Observed shares over predicted probabilities, and how these are distributed.

    Points are shares in bins that hold equally many rows (scikit-learn's ``strategy="quantile"``),
    with Wilson's interval [1]_ for the number of patients in a bin: a patient's rows, of several
    repeats as well, count as one. The line goes through no bins: it is the isotonic regression of
    the label on the probability, which makes a reliability diagram consistent and reproducible
    [2]_. Below stands how many rows have which probability. On the diagonal, as many have it as
    were said to.

    Parameters
    ----------
    predicted : Predicted
        Made by `from_estimator`, `from_predictions` or `from_evaluation`.
    pos_label : object, default=None
        The class whose probability is meant. None: of two the positive one, of more each, a panel
        each.
    n_bins : int or None, default=None
        How many. None is one for 15 rows, at least 3 and at most 10.
    confidence : float, default=0.95
        Of the intervals.

    Attributes
    ----------
    bins, lines : DataFrame
        The points, which `frame` gives, and the isotonic lines: estimator, class, predicted,
        observed.
    ax_ : matplotlib.axes.Axes, or ndarray of them
        The axes, one an estimator and class. Below each stands its histogram.
    figure_ : matplotlib.figure.Figure
        The figure.

    References
    ----------
    .. [1] Wilson, E. B. (1927). Probable inference, the law of succession, and statistical
       inference. Journal of the American Statistical Association 22, 209-212.
    .. [2] Dimitriadis, T., Gneiting, T., Jordan, A. I. (2021). Stable reliability diagrams for
       probabilistic classifiers. PNAS 118, e2016191118.

    Examples
    --------
    >>> import numpy as np
    >>> from skedema.evaluation.displays import CalibrationDisplay
    >>> rng = np.random.default_rng(0)
    >>> p = rng.uniform(size=400)
    >>> display = CalibrationDisplay.from_predictions(rng.uniform(size=400) < p, p, n_bins=4)
    >>> display.frame()[["n_rows", "predicted", "observed"]].round(2)
       n_rows  predicted  observed
    0     100       0.13      0.10
    1     100       0.42      0.41
    2     100       0.67      0.72
    3     100       0.90      0.87
    """

    def __init__(
        self,
        predicted: Predicted,
        *,
        pos_label: Any = None,
        n_bins: int | None = None,
        confidence: float = 0.95,
    ) -> None:
        self._probabilities: dict[tuple[str, str], NDArray[np.float64]] = {}
        bins, lines = [], []
        several = len(predicted.everything) > 1
        for k in predicted.chosen(pos_label):
            for name, repeats in predicted.everything.items():
                words = predicted.words(k)
                place = {"estimator": name, "class": words}
                label, probability, patient = _pooled(repeats, k, predicted.groups)
                self._probabilities[name, words] = probability
                found = _bins(label, probability, patient, n_bins, len(repeats), confidence)
                bins.append(pd.DataFrame(place | found))
                lines.append(pd.DataFrame(place | _isotonic(label, probability)))
        self.bins = pd.concat(bins, ignore_index=True)
        self.lines = pd.concat(lines, ignore_index=True)
        self._titles = {
            (name, words): (f"{name}, {words}" if several else words)
            for name, words in self._probabilities
        }

    def frame(self) -> pd.DataFrame:
        """Give the numbers that are drawn as points.

        Returns
        -------
        DataFrame
            One row a bin: estimator, class, n_rows, n_patients, predicted (the mean probability),
            observed (the share that has it), low, high.
        """
        return self.bins.copy()

    def _panels(self) -> tuple[list[tuple[str, str]], tuple[float, float]]:
        return list(self._titles), (3.7, 4.4)

    def _draw(self, ax: Any, place: tuple[str, str]) -> None:
        line, points = (_at(table, place) for table in (self.lines, self.bins))
        ax.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1, label="as predicted")
        ax.plot(line["predicted"], line["observed"], color=COLOURS[0], label="isotonic regression")
        around = np.abs(points[["low", "high"]].to_numpy().T - points["observed"].to_numpy())
        ax.errorbar(
            points["predicted"],
            points["observed"],
            yerr=around,
            fmt="o",
            color=COLOURS[2],
            capsize=2.5,
            label="bins, with intervals",
        )
        ax.set(title=self._titles[place], ylabel="Observed share", xlim=(-0.02, 1.02))
        ax.set(ylim=(-0.02, 1.02))
        ax.legend(loc="best")
        below = ax.inset_axes((0, -0.26, 1, 0.2), sharex=ax)
        below.hist(self._probabilities[place], bins=_BARS, color=GREY)
        below.set(xlabel="Predicted probability", ylabel="Rows")
        ax.tick_params(labelbottom=False)

    @property
    def description(self) -> str:
        """What the figure shows, in words and numbers."""
        said = []
        for place, title in self._titles.items():
            bins = "; ".join(
                f"{row.predicted:.2f} predicted, {row.observed:.2f} observed "
                f"({row.low:.2f} to {row.high:.2f})"
                for row in _at(self.bins, place).itertuples()
            )
            said.append(f"Calibration, {title}: {bins}.")
        return " ".join(said)


def _at(table: pd.DataFrame, place: tuple[str, str]) -> pd.DataFrame:
    return table[(table["estimator"] == place[0]) & (table["class"] == place[1])]


def _pooled(
    repeats: Repeats, k: int, groups: NDArray[Any]
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[Any]]:
    rows = np.concatenate([each.rows for each in repeats])
    label = np.concatenate([each.label == k for each in repeats])
    return label, np.concatenate([each.probability[:, k] for each in repeats]), groups[rows]


def _bins(
    label: NDArray[np.bool_],
    probability: NDArray[np.float64],
    patient: NDArray[Any],
    n_bins: int | None,
    n_repeats: int,
    confidence: float,
) -> dict[str, Any]:
    if n_bins is not None:
        check_scalar(n_bins, "n_bins", Integral, min_val=1)
    else:
        n_bins = int(np.clip(len(label) // n_repeats // _ROWS_A_BIN, 3, _MOST_BINS))
    edges = np.quantile(probability, np.linspace(0, 1, n_bins + 1))
    at = np.searchsorted(edges[1:-1], probability)  # as scikit-learn's calibration_curve
    found: dict[str, Any] = {
        name: [] for name in ("n_rows", "n_patients", "predicted", "observed", "low", "high")
    }
    for number in np.unique(at):
        inside = at == number
        n_patients, share = len(np.unique(patient[inside])), float(label[inside].mean())
        interval = wilson(share, n_patients, confidence)
        values = (int(inside.sum()), n_patients, float(probability[inside].mean()), share)
        for name, value in zip(found, (*values, *interval), strict=True):
            found[name].append(value)
    return found


def _isotonic(label: NDArray[np.bool_], probability: NDArray[np.float64]) -> dict[str, Any]:
    at = np.unique(probability)
    model = IsotonicRegression(y_min=0, y_max=1).fit(probability, label)
    return {"predicted": at, "observed": model.predict(at)}
