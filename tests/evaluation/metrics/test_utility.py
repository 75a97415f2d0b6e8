from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from skedema.evaluation.metrics import net_benefit, sensitivity_at_specificity


def cohort(seed, n=60, decimals=1):
    """Labels and probabilities with many ties."""
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.4
    logit = rng.normal(size=n) + label
    return label, np.round(1 / (1 + np.exp(-logit)), decimals)


def test_sensitivity_at_specificity_by_hand():
    label = [0] * 10 + [1] * 4
    probability = [0.0, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 0.6, 0.8, 0.9, 0.7, 0.6, 0.35]
    # one false positive of ten is allowed: from 0.7 on two are found, 0.6 has a second one
    assert sensitivity_at_specificity(label, probability, 0.9) == 0.5
    assert sensitivity_at_specificity(label, probability, 0.8) == 0.75
    assert sensitivity_at_specificity(label, probability, 1.0) == 0.25
    assert sensitivity_at_specificity(label, probability, 0.0) == 1.0


@pytest.mark.parametrize("specificity", [0.5, 0.8, 0.9, 0.95])
def test_sensitivity_at_specificity_is_on_the_curve_of_scikit_learn(specificity):
    for seed in range(5):
        label, probability = cohort(seed, n=100, decimals=2)
        fpr, tpr, _ = sk.roc_curve(label, probability, drop_intermediate=False)
        wanted = tpr[1 - fpr >= specificity - 1e-12].max()
        assert sensitivity_at_specificity(label, probability, specificity) == pytest.approx(wanted)


def test_net_benefit_by_hand():
    # 100 patients, 20 ill; at 25 % 15 of them and 30 others are treated: 15/100 - 30/100 / 3
    label = np.repeat([1, 1, 0, 0], [15, 5, 30, 50])
    probability = np.repeat([0.6, 0.1, 0.3, 0.05], [15, 5, 30, 50])
    assert net_benefit(label, probability, 0.25) == pytest.approx(0.05)
    assert net_benefit(label, np.ones(100), 0.25) == pytest.approx(0.2 - 0.8 / 3)
    assert net_benefit(label, np.zeros(100), 0.25) == 0
    assert net_benefit(label, probability, 0.0) == pytest.approx(0.2)
    with pytest.raises(ValueError, match="below 1"):
        net_benefit(label, probability, 1.0)
