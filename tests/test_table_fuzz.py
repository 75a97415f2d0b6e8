from __future__ import annotations

import numpy as np
import pytest

from benchmarks.fuzz_tables import MUTATIONS, attack
from skedema.datasets._patients import draw_patients


@pytest.mark.slow
def test_no_damage_to_a_table_is_silent():
    patients = draw_patients(150, 0.15, np.random.SeedSequence(0))
    frame = patients.clinical.drop(columns="anti_xa")
    counts, odd = attack([(frame, np.asarray(patients.target))], 0, len(MUTATIONS), 1)
    assert odd == []
    assert counts.keys() == MUTATIONS.keys()
