from __future__ import annotations

import numpy as np
import pytest

from skedema.evaluation.metrics import figures


def test_two_classes_have_the_figures_of_the_class_that_is_named():
    words = np.array(["edema", "none", "none", "edema", "none"])
    said = np.array(["edema", "edema", "none", "none", "none"])
    chance = [0.9, 0.6, 0.1, 0.4, 0.2]
    found = figures(words, chance, said, names=["recall", "specificity"], pos_label="edema")
    assert found == {"recall": 1 / 2, "specificity": 2 / 3}
    found = figures(words, np.subtract(1, chance), said, names=["recall"], pos_label="none")
    assert found == {"recall": 2 / 3}
    signs = np.where(words == "edema", 1, -1)
    assert figures(signs, chance, names=["recall"]) == {"recall": 1 / 2}
    with pytest.raises(ValueError, match=r"got \['edema', 'none'\].*pos_label="):
        figures(words, chance)
    with pytest.raises(ValueError, match="more than pos_label=1 and one other class"):
        figures([0, 1, 2], [0.1, 0.2, 0.3], pos_label=1)


def test_labels_and_columns_must_be_the_same_classes():
    three = np.full((2, 3), 1 / 3)
    with pytest.raises(ValueError, match=r"3 columns of probabilities, but 2 classes.*classes="):
        figures(["a", "b"], three)
    assert (
        figures(["a", "b"], three, names=["accuracy"], classes=["a", "b", "c"])["accuracy"] == 0.5
    )
    with pytest.raises(ValueError, match="predicted holds 'd', which is none of the classes"):
        figures(["a", "b"], three, ["a", "d"], classes=["a", "b", "c"])
    with pytest.raises(ValueError, match="2 labels, but 3 in probability"):
        figures(["a", "b"], np.full((3, 3), 1 / 3), classes=["a", "b", "c"])


def test_a_positive_class_is_one_of_two():
    label, three = np.array(["a", "b", "c"]), np.eye(3)
    for pos_label in ("a", "nonsense"):
        with pytest.raises(ValueError, match=f"'{pos_label}' names .* of two, .* has 3 columns"):
            figures(label, three, pos_label=pos_label)
    assert figures(label == "a", three[:, 0], names=["recall"]) == {"recall": 1}  # the remedy
