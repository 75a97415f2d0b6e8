from __future__ import annotations

import pytest
from sklearn.metrics import roc_auc_score

from skedema.clinical._giveaways import alone
from skedema.frames import read_table

from ._table import CLEAN, Y


def test_auc_of_a_number_is_that_of_scikit_learn():
    (column,) = read_table(CLEAN[["sodium"]]).columns
    wanted = roc_auc_score(1 - Y, CLEAN["sodium"])
    assert alone(column, Y) >= wanted - 1e-9 > 0.6
    assert alone(column, Y) == pytest.approx(wanted, abs=0.03)
