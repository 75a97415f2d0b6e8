from __future__ import annotations

import os

import optuna
import pytest

from .._postgres import postgres, programs


@pytest.fixture
def quiet_optuna():
    """Keep Optuna's own studies, which the tests make, from printing a line a trial."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


@pytest.fixture(scope="session")
def postgres_server():
    """Start PostgreSQL; skip where there is none, but in CI, where that fails."""
    pytest.importorskip("psycopg")
    if programs() is None:
        reason = "no PostgreSQL: apt-get install postgresql"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with postgres() as server:
        yield server
