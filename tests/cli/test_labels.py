from __future__ import annotations

import pandas as pd
import pytest

from skedema.cli._codes import UsageError
from skedema.cli._labels import positive_label


def found(labels, given=None):
    said = []
    return positive_label(pd.Series(labels), given, said.append), said


@pytest.mark.parametrize("labels", [[0, 1], ["no", "yes"], ["False", "True"]])
def test_what_everybody_means_is_not_told(labels):
    assert found(labels) == (labels[1], [])


def test_a_class_by_its_place_in_the_alphabet_is_told():
    label, (said,) = found(["none", "edema"])
    assert label == "none"
    assert "--positive edema takes the other" in said


def test_a_class_is_named_by_its_text():
    assert found([0, 1], "0") == (0, [])
    assert found(["a", "b", "c"]) == (None, [])
    with pytest.raises(UsageError, match="Did you mean 'edema'"):
        found(["none", "edema"], "Edema")
