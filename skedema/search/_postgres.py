"""A study that several machines share, in PostgreSQL."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from threading import Event
from typing import Any, Self, TypeGuard
from weakref import WeakKeyDictionary

from optuna.storages import RDBStorage
from optuna.study import Study

from skedema._extras import how_to_install

_PATIENCE = 120.0  # seconds in which a server that was there may start again
_LOCK = 0x536B6564  # the first of the two numbers of an advisory lock; the other is the study's


class Address(str):
    """A URL whose password shows neither in a repr nor where it is printed."""

    __slots__ = ()

    def __new__(cls, url: str) -> Self:
        return super().__new__(cls, url[:])  # str() of another one hides the password

    def __repr__(self) -> str:
        return repr(str(self))

    def __str__(self) -> str:
        shown = re.sub(r"(://[^:/@]*):.*@", r"\1:***@", self[:])
        return re.sub(r"(?i)([?&]\w*password=)[^&]*", r"\1***", shown)

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


def hidden(storage: Any) -> Any:
    """Give a URL that does not show its password, and anything else as it is."""
    if type(storage) is str and "://" in storage:
        address = Address(storage)
        return storage if str(address) == storage else address
    return storage


def is_postgres(storage: Any) -> TypeGuard[str]:
    """Tell the URL of a PostgreSQL, with whatever driver."""
    return isinstance(storage, str) and re.match(r"postgres(ql)?(\+\w+)?://", storage) is not None


def open_postgres(url: str) -> RDBStorage:
    """Open a database so that a search outlives a restart of its server.

    ``postgresql://`` and ``postgres://``, as everybody writes them, are psycopg's.
    """
    from sqlalchemy import NullPool, make_url
    from sqlalchemy.exc import OperationalError

    address = Address(url)
    try:
        parsed = make_url(re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", address[:]))
    except ValueError:
        raise ValueError(
            "storage cannot be read as a URL, such as postgresql://user@host:5432/database."
        ) from None
    if address[:].partition("?")[0].count("@") > 1:
        raise ValueError(f"storage='{address}': an '@' in a password must be written as %40.")
    if parsed.get_driver_name() == "psycopg" and find_spec("psycopg") is None:
        raise ImportError(f"A study in PostgreSQL needs psycopg: {how_to_install('postgres')}.")
    given = parsed.query
    settings = {"connect_timeout": 10, "keepalives_idle": 60}  # seconds, in libpq's words
    if not parsed.get_driver_name().startswith("psycopg"):  # the others do not know them
        settings = {}
    try:
        storage = RDBStorage(
            parsed.render_as_string(hide_password=False),
            {
                # No connection is kept while models are trained: none is dead after a restart, and
                # many workers do with what a server has, 100 by default.
                "poolclass": NullPool,
                "connect_args": {k: v for k, v in settings.items() if k not in given},
            },
        )
    except OperationalError as error:
        # Without what it came from: a traceback that shows variables would show the password.
        raise ConnectionError(f"storage='{address}' cannot be opened: {error.orig}") from None
    _wait_for_restarts(storage)
    return storage


@contextmanager
def alone(study: Study) -> Iterator[None]:
    """Let one worker at a time choose what it does in a study in PostgreSQL.

    The lock goes with the connection, so with a process that is killed; one that is stopped loses
    both after a minute.
    """
    engine = _engine_of(study)
    if engine is None or engine.dialect.name != "postgresql":
        yield
        return
    from sqlalchemy import text

    with engine.begin() as connection:
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '60s'"))
        lock = text("SELECT pg_advisory_xact_lock(:lock, :study)")
        connection.execute(lock, {"lock": _LOCK, "study": study._study_id})
        yield


def wait_no_longer(study: Any) -> None:
    """Let nobody wait for the server of a study to start again, since a user has interrupted it."""
    engine = _engine_of(study)
    over = None if engine is None else _over.get(engine)
    if over is not None:
        over.set()


def was_cut_off(error: BaseException | None) -> bool:
    """Tell whether a connection broke while it was used, which a new one may mend."""
    while error is not None:
        if getattr(error, "connection_invalidated", False):
            return True
        error = error.__cause__ or error.__context__
    return False


_over: WeakKeyDictionary[Any, Event] = WeakKeyDictionary()


def _engine_of(study: Any) -> Any:
    return getattr(getattr(getattr(study, "_storage", None), "_backend", None), "engine", None)


def _wait_for_restarts(storage: RDBStorage) -> None:
    """Try again to connect to a server that was there before."""
    from sqlalchemy import event

    over = _over[storage.engine] = Event()

    @event.listens_for(storage.engine, "do_connect")
    def connect(dialect: Any, _: Any, arguments: Any, keywords: Any) -> Any:
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                return dialect.connect(*arguments, **keywords)
            except dialect.loaded_dbapi.OperationalError:
                if over.is_set() or time.monotonic() > until:
                    raise
            try:
                over.wait(1)
            except KeyboardInterrupt:
                over.set()
                raise
