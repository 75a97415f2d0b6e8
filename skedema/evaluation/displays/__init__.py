"""Figures of what classifiers and regressors predict of patients whom they have not seen.

Each display has scikit-learn's form: made `from_estimator` or `from_predictions`, or of all
estimators of an `Evaluation` by its `metrics`; drawn by `plot`, which needs matplotlib. `frame`
gives the numbers that are drawn, and `description` says in words what is to be seen.
"""

from __future__ import annotations

from skedema.evaluation.displays.bland_altman import BlandAltmanDisplay
from skedema.evaluation.displays.calibration import CalibrationDisplay
from skedema.evaluation.displays.confusion_matrix import ConfusionMatrixDisplay
from skedema.evaluation.displays.decision_curve import DecisionCurveDisplay
from skedema.evaluation.displays.forest import ForestDisplay
from skedema.evaluation.displays.interval_calibration import IntervalCalibrationDisplay
from skedema.evaluation.displays.missing_curve import MissingCurveDisplay
from skedema.evaluation.displays.precision_recall import PrecisionRecallDisplay
from skedema.evaluation.displays.predicted_observed import PredictedObservedDisplay
from skedema.evaluation.displays.roc_curve import RocCurveDisplay

__all__ = [
    "BlandAltmanDisplay",
    "CalibrationDisplay",
    "ConfusionMatrixDisplay",
    "DecisionCurveDisplay",
    "ForestDisplay",
    "IntervalCalibrationDisplay",
    "MissingCurveDisplay",
    "PrecisionRecallDisplay",
    "PredictedObservedDisplay",
    "RocCurveDisplay",
]
