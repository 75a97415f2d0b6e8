"""Where trials are kept, and whose they are."""

from __future__ import annotations

import json
import os
import random
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage
from optuna.study import Study, StudyDirection

from skedema.search._journal import Journal
from skedema.search._postgres import is_postgres, open_postgres

Made = TypeVar("Made")

_PARTS = "skedema_search"
_SQLITE = {".db", ".sqlite", ".sqlite3"}


def open_storage(storage: Any) -> BaseStorage | str:
    """Open what Optuna keeps trials in: a storage, a URL, a journal file by its path, or memory."""
    if storage is None:
        return InMemoryStorage()
    if isinstance(storage, BaseStorage):
        return storage
    if isinstance(storage, str) and storage.startswith("sqlite"):
        return _patiently(partial(RDBStorage, storage, {"connect_args": {"timeout": _PATIENCE}}))
    if is_postgres(storage):
        return _patiently(partial(open_postgres, storage))
    if isinstance(storage, str) and "://" in storage:
        return storage
    if not isinstance(storage, (str, os.PathLike)):
        raise TypeError(
            "storage must be the path of a journal file, a URL such as 'sqlite:///study.db', an "
            f"Optuna storage, or None, got {type(storage).__name__}."
        )
    path = os.path.abspath(storage)  # a pickled search finds it from another working directory
    if Path(path).suffix in _SQLITE:
        raise ValueError(
            f"storage={os.fspath(storage)!r} would become a journal file. For SQLite write its "
            f"URL, 'sqlite:///{os.fspath(storage)}'; end a journal otherwise, in '.journal' say."
        )
    try:
        return JournalStorage(Journal(path))
    except OSError:
        raise
    except Exception as error:  # whatever a line that was changed leads to
        raise ValueError(_damaged(path, error)) from error


def open_study(storage: BaseStorage | str, name: str | None, parts: dict[str, str]) -> Study:
    """Open the study of a search, or begin it; refuse one that belongs to something else.

    `parts` are digests of what the search is: empty for one that nobody can go on with.
    """
    study = _patiently(
        partial(
            optuna.create_study,
            storage=storage,
            study_name=name,
            direction="maximize",
            load_if_exists=True,
        )
    )
    if study.directions != [StudyDirection.MAXIMIZE]:
        raise ValueError(f"The study {name!r} does not maximise one score. {_OTHER_NAME}")
    # Trials first: another process may begin the study meanwhile, and says so before its first.
    has_trials = bool(study.get_trials(deepcopy=False))
    kept = study.user_attrs.get(_PARTS)
    if kept is None:
        if has_trials:
            raise ValueError(
                f"The study {name!r} has trials that StudySearchCV did not make, so it cannot tell "
                f"whether they are of this search. {_OTHER_NAME}"
            )
        study.set_user_attr(_PARTS, parts)
    elif kept != parts:
        differing = [part for part in parts if kept.get(part) != parts[part]]
        hint = ""
        if "cv" in differing:
            hint = "Shuffled folds stay the same when the splitter has an integer random_state. "
        raise ValueError(
            f"The study {name!r} cannot go on: its trials were made with another "
            f"{', another '.join(differing)}. {hint}{_OTHER_NAME}"
        )
    return study


def _patiently(make: Callable[[], Made]) -> Made:
    """Try again where two processes make the same tables or the same study at the same time."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return make()
        except Exception as error:
            contended = any(each in str(error) for each in _CONTENDED)
            if not contended or time.monotonic() > until:
                raise
        time.sleep(random.SystemRandom().uniform(0.05, 0.5))


_PATIENCE = 30.0  # seconds
# Tables, the database, the study; SQLite's words and PostgreSQL's.
_CONTENDED = ("already exists", "is locked", "UNIQUE constraint", "duplicate key value")

_OTHER_NAME = "Give another study_name, or None, which finds a search by what it is."


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna from printing a line a trial, but not from warning."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(before, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _damaged(path: str, error: Exception) -> str:
    number = next(
        (
            k
            for k, line in enumerate(Path(path).read_bytes().split(b"\n"), 1)
            if not _is_entry(line)
        ),
        None,
    )
    where = "a line" if number is None else f"line {number}"
    remedy = "restore it from a backup, or give another path and begin anew"
    if number is not None:
        before = f"head -n {number - 1} {shlex.quote(path)} > another.journal"
        remedy += f"; or keep the trials before it: {before}"
    return (
        f"{path}: {where} of this journal is damaged ({type(error).__name__}: {error}); {remedy}."
    )


def _is_entry(line: bytes) -> bool:
    try:
        entry = json.loads(line)
    except ValueError:
        return False
    return isinstance(entry, dict) and isinstance(entry.get("op_code"), int)
