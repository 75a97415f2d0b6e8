"""Searches that share a study in PostgreSQL, and passwords that show nowhere."""

from __future__ import annotations

import json
import os
import pickle
import re
import traceback

import optuna
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from skedema.search import _postgres
from skedema.search._postgres import hidden, open_postgres

from .._postgres import PASSWORD
from ._small import X, Y, search
from .test_workers import finished, started

forked = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
SECRETS = (PASSWORD, "p%40ss", "w%3Ard")


@forked
def test_workers_that_are_killed_lose_no_trial_and_draw_none_twice(postgres_server, tmp_path):
    storage = postgres_server.url()
    task = {"kills": 2, "n_trials": 12, "machines": True}
    found = finished(started("killed_together", folder=str(tmp_path), storage=storage, **task))
    *found, whole = found

    def drawn(run):  # what is pruned depends on which trials others had ended by then
        return sorted(json.dumps(parameters) for parameters, *_ in run["drawn"])

    for each in found:  # all workers end with the same search, that of one which was not killed
        assert drawn(each) == drawn(whole)
        assert each["best"] == whole["best"]
        assert "RUNNING" not in each["states"]
        # Those killed, and those begun at the same time as the last.
        assert each["states"].count("FAIL") <= 2 + 2


class Restarts(LogisticRegression):
    """Restarts the server in its third fit."""

    fits = 0
    server = None

    def fit(self, X, y):
        Restarts.fits += 1
        if Restarts.fits == 3:
            self.server.stop()
            self.server.start()
        return super().fit(X, y)


def test_a_search_outlives_a_restart_of_the_server(postgres_server, monkeypatch):
    monkeypatch.setattr(Restarts, "server", postgres_server)
    monkeypatch.setattr(Restarts, "fits", 0)
    found = search(estimator=Restarts(), n_trials=3, storage=postgres_server.url()).fit(X, Y)
    assert Restarts.fits == 10  # the refit as well
    whole = search(n_trials=3).fit(X, Y)
    assert found.trials_["score"].tolist() == whole.trials_["score"].tolist()


class Interrupted(Restarts):
    """Is interrupted in its third fit, when the server is away."""

    def fit(self, X, y):
        Restarts.fits += 1
        if Restarts.fits == 3:
            self.server.stop()
            raise KeyboardInterrupt
        return super(Restarts, self).fit(X, y)


def test_an_interrupt_waits_for_no_server(postgres_server, monkeypatch):
    monkeypatch.setattr(Restarts, "server", postgres_server)
    monkeypatch.setattr(Restarts, "fits", 0)
    monkeypatch.setattr(_postgres, "_PATIENCE", 3600.0)  # seconds, far beyond the limit of a test
    storage = postgres_server.url()
    with pytest.raises(KeyboardInterrupt):
        search(estimator=Interrupted(), n_trials=3, storage=storage).fit(X, Y)
    postgres_server.start()
    found = search(estimator=Interrupted(), n_trials=3, storage=storage).fit(X, Y)
    assert found.trials_["state"].tolist().count("complete") == 3
    whole = search(n_trials=3).fit(X, Y)
    assert found.best_params_ == whole.best_params_


def test_a_trial_whose_connection_is_cut_is_drawn_again(postgres_server, monkeypatch):
    write, cut = optuna.storages.RDBStorage.set_trial_intermediate_value, []

    def cutting(storage, *args):
        if not cut:
            cut.append(True)
            with storage.engine.connect() as other, storage.scoped_session() as session:
                mine = session.connection().exec_driver_sql("SELECT pg_backend_pid()").scalar()
                other.exec_driver_sql(f"SELECT pg_terminate_backend({mine})")
                session.connection().exec_driver_sql("SELECT pg_sleep(20)")  # until cut
        return write(storage, *args)

    monkeypatch.setattr(optuna.storages.RDBStorage, "set_trial_intermediate_value", cutting)
    found = search(n_trials=3, storage=postgres_server.url()).fit(X, Y)
    assert found.trials_["state"].tolist() == ["fail"] + ["complete"] * 3
    whole = search(n_trials=3).fit(X, Y)
    assert found.trials_["score"].tolist()[1:] == whole.trials_["score"].tolist()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_addresses_as_people_write_them_are_opened(postgres_server, scheme):
    storage = open_postgres(postgres_server.url(scheme))
    assert storage.engine.driver == "psycopg"


def shows(text):
    return any(secret in text for secret in SECRETS)


def test_a_password_shows_in_no_repr(postgres_server):
    url = postgres_server.url()
    assert shows(url)
    made = search(n_trials=1, storage=url)
    later = search(n_trials=1).set_params(storage=url)
    for each in (made, later, clone(made), pickle.loads(pickle.dumps(made))):
        fitted = each.fit(X, Y)
        for thing in (fitted, make_pipeline(StandardScaler(), fitted)):
            for text in (
                repr(thing),
                str(thing),
                estimator_html_repr(thing),
                f"{thing.get_params()}",
            ):
                assert "127.0.0.1" in text
                assert not shows(text)
        assert not shows(repr(vars(fitted.study_)) + repr(fitted.study_._storage))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://me:p@ss/w:rd@127.0.0.1:1/a", "'@' in a password must be written as %40"),
        ("postgresql://me:p%40ss@127.0.0.1:1/a", r"me:\*\*\*@127.0.0.1:1/a' cannot be opened"),
        ("postgresql://127.0.0.1:1/a?password=p%40ss", r"password=\*\*\*' cannot be opened"),
        ("postgresql://me:p%40ss@127.0.0.1:x/a", "cannot be read as a URL"),
    ],
)
def test_a_password_shows_in_no_message(url, told):
    with pytest.raises((ValueError, ConnectionError), match=told) as no:
        search(storage=url).fit(X, Y)
    assert not shows("".join(traceback.format_exception(no.value)))


def test_a_wrong_password_is_told_at_once(postgres_server):
    url = postgres_server.url(password="p%40ssw0rd")
    with pytest.raises(ConnectionError, match="password authentication failed") as no:
        search(storage=url).fit(X, Y)
    assert not shows("".join(traceback.format_exception(no.value)))


def test_what_has_no_password_stays_as_it_is():
    for storage in ("a.journal", "sqlite:///a.db", "postgresql://me@host/a", None, 3):
        assert hidden(storage) is storage


@pytest.mark.parametrize(
    ("driver", "known"), [("psycopg2", {"connect_timeout", "keepalives_idle"}), ("pg8000", set())]
)
def test_drivers_are_given_what_they_know(monkeypatch, driver, known):
    given = []

    def opened(url, engine):
        given.append(engine["connect_args"].keys())
        raise OSError("enough")

    monkeypatch.setattr("skedema.search._postgres.RDBStorage", opened)
    with pytest.raises(OSError, match="enough"):
        search(storage=f"postgresql+{driver}://me@host/a").fit(X, Y)
    assert given == [known]


def test_without_psycopg_it_is_told_how_to_install_it(monkeypatch):
    monkeypatch.setattr("skedema.search._postgres.find_spec", lambda name: None)
    with pytest.raises(
        ImportError, match=re.escape("pip install psycopg psycopg-binary sqlalchemy")
    ):
        search(storage="postgresql://me@127.0.0.1:1/a").fit(X, Y)
