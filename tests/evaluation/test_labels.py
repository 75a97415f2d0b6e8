from __future__ import annotations

import numpy as np
import pytest

from skedema.evaluation._labels import positives
from skedema.evaluation.metrics import calibration_slope, net_benefit
from skedema.evaluation.statistics import delong_test

WORDS = np.array(["edema", "none", "edema", "none", "edema", "none"])
CHANCE = np.array([0.9, 0.3, 0.6, 0.7, 0.4, 0.2])
OTHER = CHANCE[::-1]


@pytest.mark.parametrize("label", [[1, 0], [1, -1], [True, False], [1.0, 0.0]])
def test_one_is_positive_as_in_scikit_learn(label):
    assert positives(label).tolist() == [True, False]


def test_other_labels_need_the_name_of_the_positive_one():
    assert positives(WORDS, "edema").tolist() == [True, False] * 3
    assert positives(["none"], "edema").tolist() == [False]
    for function, more in ((calibration_slope, ()), (net_benefit, (0.2,)), (delong_test, (OTHER,))):
        with pytest.raises(ValueError, match=r"got \['edema', 'none'\].*pos_label="):
            function(WORDS, CHANCE, *more)
    with pytest.raises(ValueError, match="one-dimensional"):
        positives(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="at least one row"):
        positives([])


def test_named_labels_give_what_numbers_give():
    numbers = (WORDS == "edema").astype(int)
    named = {"pos_label": "edema"}
    assert calibration_slope(WORDS, CHANCE, **named) == calibration_slope(numbers, CHANCE)
    assert net_benefit(WORDS, CHANCE, 0.2, **named) == net_benefit(numbers, CHANCE, 0.2)
    assert delong_test(WORDS, CHANCE, OTHER, **named) == delong_test(numbers, CHANCE, OTHER)
    signs = np.where(numbers == 1, 1, -1)
    assert delong_test(signs, CHANCE, OTHER) == delong_test(numbers, CHANCE, OTHER)
