"""Evaluation: several classifiers on the same folds, with intervals and tests.

`evaluate` gives an `Evaluation`: predictions out of fold, figures with intervals over patients,
paired comparisons, and tables of classes and subgroups. What they are computed by is in
`skedema.evaluation.metrics` and `skedema.evaluation.statistics`; `register_metric` adds a figure.
`validate` tests fitted classifiers on patients of another hospital.
`table_one` describes a cohort.
`missing_curve` takes values away from those who are tested.
"""

from __future__ import annotations

from skedema.evaluation._evaluate import evaluate
from skedema.evaluation._gaps import missing_curve
from skedema.evaluation._table_one import table_one
from skedema.evaluation._validate import validate
from skedema.evaluation.metrics import Metric, register_metric
from skedema.evaluation.result import Evaluation

__all__ = [
    "Evaluation",
    "Metric",
    "evaluate",
    "missing_curve",
    "register_metric",
    "table_one",
    "validate",
]
