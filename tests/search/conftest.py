from __future__ import annotations

import optuna
import pytest


@pytest.fixture
def quiet_optuna():
    """Keep Optuna's own studies, which the tests make, from printing a line a trial."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)
