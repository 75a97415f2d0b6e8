"""Receiver operating characteristic curves."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import roc_curve

from skedema.evaluation._tables import Repeats
from skedema.evaluation.displays._curves import CurveDisplay, Floats, Read, curve_at_grid
from skedema.evaluation.displays._predicted import Predicted

_GRID = np.linspace(0, 1, 101)


class RocCurveDisplay(CurveDisplay):
    """ROC curves of one or several classifiers, with a band and their areas.

    A curve is of all rows together, each predicted by a model that did not see it. Of several
    repeats it is the mean of their sensitivities at each false positive rate (vertical averaging,
    [1]_ section 9.1). The band is at each false positive rate the percentile interval of the
    sensitivity in resamples of patients ([2]_), not one that holds the whole curve.

    Parameters
    ----------
    predicted : Predicted
        Made by `from_estimator`, `from_predictions` or `from_evaluation`.
    pos_label : object, default=None
        The class whose curve is drawn. None: of two the positive one, of more each against the
        rest, a panel each.
    n_resamples : int, default=2000
        Of the bootstrap of patients, for band and areas.
    confidence : float, default=0.95
        Of the band and of the areas' intervals.

    Attributes
    ----------
    curves : DataFrame
        What `frame` gives.
    scores : DataFrame
        estimator, class, value, low, high: areas under the curves.
    ax_ : matplotlib.axes.Axes, or ndarray of them
        The axes, one a class.
    figure_ : matplotlib.figure.Figure
        The figure.

    References
    ----------
    .. [1] Fawcett, T. (2006). An introduction to ROC analysis. Pattern Recognition Letters 27,
       861-874.
    .. [2] Robin, X., et al. (2011). pROC: an open-source package for R and S+ to analyze and
       compare ROC curves. BMC Bioinformatics 12, 77.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skedema.evaluation.displays import RocCurveDisplay
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> tree = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X[:300], y[:300])
    >>> display = RocCurveDisplay.from_estimator(tree, X[300:], y[300:], n_resamples=100)
    >>> display.frame().query("line == 'curve'")[["fpr", "tpr"]].round(2).iloc[0].tolist()
    [0.0, 0.0]
    >>> display.plot().ax_.get_ylabel()
    'Sensitivity (true positive rate)'
    """

    _x, _y = "fpr", "tpr"
    _axes = ("1 - specificity (false positive rate)", "Sensitivity (true positive rate)")
    _metric, _score, _title = "roc_auc", "AUC", "ROC curve"

    def _curve(self, repeats: Repeats, k: int) -> dict[str, Floats]:
        label, probability, _ = repeats[0].against_rest(k)
        if len(repeats) > 1 or label.all() or not label.any():
            grid, read = self._grid()
            return {"fpr": grid, "tpr": curve_at_grid(repeats, k, read)}
        fpr, tpr, threshold = roc_curve(label, probability)
        return {"fpr": fpr, "tpr": tpr, "threshold": threshold}

    def _grid(self) -> tuple[Floats, Read]:
        def read(true: Floats, false: Floats) -> Floats:
            if not true[-1] or not false[-1]:
                return np.full(len(_GRID), np.nan)
            fpr, tpr = np.r_[0, false / false[-1]], np.r_[0, true / true[-1]]
            return np.interp(_GRID, fpr, tpr)  # of points above each other the upper one

        return _GRID, read

    def _by_chance(self, predicted: Predicted, k: int) -> tuple[str, Floats, Floats]:
        return "by chance: 0.50", np.array([0.0, 1.0]), np.array([0.0, 1.0])
