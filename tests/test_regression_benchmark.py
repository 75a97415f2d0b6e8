"""The benchmark of numbers."""

from __future__ import annotations

import pytest

from benchmarks import regression
from skedema import VolumeReader
from skedema.datasets import make_head_ct_cohort


# Heads of so few voxels.
@pytest.mark.filterwarnings("ignore:.*not in HU:UserWarning")
def test_every_model_has_a_row_of_either_target(tmp_path):
    cohort = make_head_ct_cohort(60, tmp_path, shape=[16] * 3, spacing=[13] * 3, random_state=0)
    small = {"encoder": "cnn", "volume": VolumeReader(spacing=13, shape=16), "max_epochs": 1}
    rows = regression.report(cohort, 0, None, **small, n_members=1, fine_tune=False)
    models = [regression.BOTH, regression.TABLE, regression.BOOSTING, regression.MEAN]
    assert [row[1:3] for row in rows] == [[t, m] for t in regression.TARGETS for m in models]
    assert {len(row) for row in rows} == {len(regression.COLUMNS)}
    assert [row[-1] == "" for row in rows] == [True, False, False, False] * 2
