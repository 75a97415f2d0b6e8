"""Figures of what classifiers predict of patients whom they have not seen.

Each display has scikit-learn's form: made `from_estimator` or `from_predictions`, or of all
estimators of an `Evaluation` by its `metrics`; drawn by `plot`, which needs matplotlib. `frame`
gives the numbers that are drawn, and `description` says in words what is to be seen.
"""

from __future__ import annotations

from skedema.evaluation.displays.forest import ForestDisplay

__all__ = ["ForestDisplay"]
