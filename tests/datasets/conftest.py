from __future__ import annotations

import numpy as np
import pytest

from skedema.datasets._patients import draw_patients


@pytest.fixture(scope="session")
def patients():
    """Many patients, 15 % of the values missing; not to be written to."""
    return draw_patients(20_000, 0.15, np.random.SeedSequence(11))


@pytest.fixture(scope="session")
def interacting():
    """The same ones, where what scan and table say only together is worth most."""
    return draw_patients(20_000, 0.15, np.random.SeedSequence(11), interaction=1.0)
