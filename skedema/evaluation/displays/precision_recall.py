"""Curves of precision and recall."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import precision_recall_curve

from skedema.evaluation._tables import Repeats
from skedema.evaluation.displays._curves import CurveDisplay, Floats, Read, curve_at_grid
from skedema.evaluation.displays._predicted import Predicted

_GRID = np.linspace(0.01, 1, 100)  # at a recall of 0 there is no precision
_ROUNDING = 1e-9  # 3 / 5 is a little less than 0.6


class PrecisionRecallDisplay(CurveDisplay):
    """Precision over recall of one or several classifiers, with a band.

    A dotted line is the prevalence, which is the precision of who calls patients at random. Between
    points the curve goes in steps, since precision is not linear in recall ([1]_). Of several
    repeats it is the mean of their precisions at each recall. The band is, at each recall, the
    percentile interval of the precision in resamples of patients.

    Parameters
    ----------
    predicted : Predicted
        Made by `from_estimator`, `from_predictions` or `from_evaluation`.
    pos_label : object, default=None
        The class whose curve is drawn. None: of two the positive one, of more each against the
        rest, a panel each.
    n_resamples : int, default=2000
        Of the bootstrap of patients, for band and average precision.
    confidence : float, default=0.95
        Of the band and of the intervals.

    Attributes
    ----------
    curves : DataFrame
        What `frame` gives.
    scores : DataFrame
        estimator, class, value, low, high: average precisions.
    ax_ : matplotlib.axes.Axes, or ndarray of them
        The axes, one a class.
    figure_ : matplotlib.figure.Figure
        The figure.

    References
    ----------
    .. [1] Davis, J., Goadrich, M. (2006). The relationship between precision-recall and ROC curves.
       ICML 2006, 233-240.

    Examples
    --------
    >>> from skedema.evaluation.displays import PrecisionRecallDisplay
    >>> y, p = [0, 0, 1, 0, 1, 1], [0.1, 0.3, 0.4, 0.6, 0.7, 0.9]
    >>> display = PrecisionRecallDisplay.from_predictions(y, p, n_resamples=100)
    >>> display.plot().ax_.get_xlabel()
    'Recall (sensitivity)'
    """

    _x, _y = "recall", "precision"
    _axes = ("Recall (sensitivity)", "Precision (positive predictive value)")
    _metric, _score, _title = "average_precision", "AP", "Precision-recall curve"
    _drawstyle = "steps-post"

    def _curve(self, repeats: Repeats, k: int) -> dict[str, Floats]:
        label, probability, _ = repeats[0].against_rest(k)
        if len(repeats) > 1 or not label.any():
            grid, read = self._grid()
            points = {"recall": grid, "precision": curve_at_grid(repeats, k, read)}
            return {name: values[::-1] for name, values in points.items()}
        precision, recall, threshold = precision_recall_curve(label, probability)
        return {"recall": recall, "precision": precision, "threshold": np.r_[threshold, np.nan]}

    def _grid(self) -> tuple[Floats, Read]:
        def read(true: Floats, false: Floats) -> Floats:
            if not true[-1]:
                return np.full(len(_GRID), np.nan)
            reached = np.searchsorted(true / true[-1], _GRID - _ROUNDING)
            return true[reached] / (true + false)[reached]

        return _GRID, read

    def _by_chance(self, predicted: Predicted, k: int) -> tuple[str, Floats, Floats]:
        repeats = next(iter(predicted.everything.values()))
        share = float(np.mean(np.concatenate([each.label for each in repeats]) == k))
        return f"prevalence: {share:.2f}", np.array([0.0, 1.0]), np.array([share, share])
