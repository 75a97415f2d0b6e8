"""Figures of predictions: scikit-learn's, some that it does not have, and those of others.

A metric is a `Metric`; `register_metric` adds one, and the names of scikit-learn's scorers are
taken as well. There is one file a family.
"""

from __future__ import annotations

from skedema.evaluation.metrics._figures import figures
from skedema.evaluation.metrics._intervals import proportion_of
from skedema.evaluation.metrics._metric import Metric
from skedema.evaluation.metrics._registry import METRICS, NUMBER_METRICS, register_metric
from skedema.evaluation.metrics.calibration import calibration_intercept, calibration_slope
from skedema.evaluation.metrics.utility import net_benefit, sensitivity_at_specificity

__all__ = [
    "METRICS",
    "NUMBER_METRICS",
    "Metric",
    "calibration_intercept",
    "calibration_slope",
    "figures",
    "net_benefit",
    "proportion_of",
    "register_metric",
    "sensitivity_at_specificity",
]
