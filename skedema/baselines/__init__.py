"""What a fused classifier is compared with: baselines, ablations, ways to treat what is missing.

Each function takes the user's own `AttentionMixerClassifier` and gives unfitted scikit-learn
classifiers by name, all of the same table, for `skedema.evaluation.evaluate`. The estimators that
they are made of are here as well.
"""

from __future__ import annotations

from skedema.baselines._ablations import ablations, missing_arms
from skedema.baselines._baselines import baselines
from skedema.baselines._clinical_values import ClinicalValues
from skedema.baselines._columns import OnlyScan, WithoutScan
from skedema.baselines._mean_imputed import MeanImputed
from skedema.baselines._scan_features import ScanFeatures
from skedema.baselines._untrained import Untrained
from skedema.baselines._weighted_average import WeightedAverage

__all__ = [
    "ClinicalValues",
    "MeanImputed",
    "OnlyScan",
    "ScanFeatures",
    "Untrained",
    "WeightedAverage",
    "WithoutScan",
    "ablations",
    "baselines",
    "missing_arms",
]
