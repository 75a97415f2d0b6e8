"""One estimator on one fold: fitted, asked, and kept."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from skedema._caching.meaning import digest
from skedema._each import bar, named
from skedema._folds import each_fold, told_of_test
from skedema._one_outcome import classes_of
from skedema.evaluation._outcome import Outcome, Outcomes
from skedema.evaluation._quantiles import check_levels, levels_of, quantiles_from
from skedema.evaluation._splits import Split
from skedema.frames.parts import part_of

# Raise this when what is kept of a fold changes: it is then computed anew.
_LAYOUT = 2


@dataclass(frozen=True)
class Asking:
    """How tasks are done, and what is wanted of them.

    Attributes
    ----------
    store : Outcomes or None
        Where outcomes are kept.
    estimators : bool
        Whether the fitted estimators are wanted.
    n_jobs, verbose : int
        As `evaluate` takes them.
    """

    store: Outcomes | None
    estimators: bool
    n_jobs: int | None
    verbose: int


@dataclass(frozen=True)
class Task:
    """An estimator and a fold, with the key under which its outcome is kept."""

    name: str
    estimator: Any
    split: Split
    key: str | None


def make_tasks(
    estimators: dict[str, Any],
    splits: Sequence[Split],
    X: Any,
    y: Any,
    *,
    unseen: Any = None,
    kept: bool,
) -> list[Task]:
    """List what is to be done, estimator by estimator.

    A key, where one is `kept`, holds digests of the estimator, X, y and the rows of the fold, and
    of the table that they are tested on if it is another one; the name of the estimator is no part
    of it.
    """
    if not kept:
        return [Task(n, e, split, None) for n, e in estimators.items() for split in splits]
    data = {"evaluation": str(_LAYOUT), "X": digest(X, "X"), "y": digest(y, "y")}
    if unseen is not None:
        data["unseen"] = digest(unseen, "The X of test")
    rows = [digest((split.train, split.test), "A fold") for split in splits]
    tasks = []
    for name, estimator in estimators.items():
        described = data | {"estimator": digest(estimator, f"Estimator {name!r}")}
        for split, of_split in zip(splits, rows, strict=True):
            key = json.dumps(described | {"rows": of_split}, sort_keys=True)
            tasks.append(Task(name, estimator, split, key))
    return tasks


def outcomes(
    tasks: Sequence[Task],
    X: Any,
    y: Any,
    classes: NDArray[Any] | None,
    asking: Asking,
    unseen: Any = None,
) -> list[Outcome]:
    """Do the tasks, or take what is kept of them; the process that does one keeps it at once.

    Without `classes` they are of numbers.

    They are tested on rows of X, or of the table `unseen`. Of tasks with one key, such as those of
    a model under two names, the first is done: two would write what is kept over each other.
    """
    n_classes = None if classes is None else len(classes)
    found = [_kept(task, n_classes, asking) for task in tasks]
    first = {task.key: number for number, task in reversed([*enumerate(tasks)])}
    again = {n: first[t.key] for n, t in enumerate(tasks) if t.key and first[t.key] != n}
    due = [n for n, outcome in enumerate(found) if outcome is None and n not in again]
    arguments = [(tasks[number], X, y, classes, asking, unseen) for number in due]
    progress = bar("evaluate", "fit", len(tasks), done=len(tasks) - len(due), shown=asking.verbose)
    each = each_fold(_do, arguments, asking.n_jobs, progress)
    for number, outcome in zip(due, each, strict=True):
        found[number] = outcome
        progress.set_postfix_str(tasks[number].name, refresh=False)
    for number, same in again.items():
        found[number] = found[same]
    return [outcome for outcome in found if outcome is not None]


@named(lambda task, *_: f"estimator {task.name!r} on {task.split.name}")
def _do(
    task: Task, X: Any, y: Any, classes: NDArray[Any] | None, asking: Asking, unseen: Any
) -> Outcome:
    try:
        outcome = _fit_and_ask(task, X, y, classes, X if unseen is None else unseen)
    except Exception as error:
        error.add_note(f"This was estimator {task.name!r} on {task.split.name}.")
        raise
    if not asking.estimators:
        outcome = replace(outcome, estimator=None)
    if asking.store is not None and task.key is not None:
        asking.store.save(task.key, outcome)
    return outcome


def _kept(task: Task, n_classes: int | None, asking: Asking) -> Outcome | None:
    if asking.store is None or task.key is None:
        return None
    n_test = len(task.split.test)
    return asking.store.load(task.key, n_test, n_classes, with_estimator=asking.estimators)


def _fit_and_ask(task: Task, X: Any, y: Any, classes: NDArray[Any] | None, unseen: Any) -> Outcome:
    started = time.perf_counter()
    fitted = clone(task.estimator)
    with part_of(X, task.split.train) as part:
        fitted.fit(part, _safe_indexing(y, task.split.train))
    if classes is None:
        check_levels(task.estimator, fitted)
    trained = time.perf_counter()
    of_test = nullcontext() if unseen is X else told_of_test()
    with of_test, part_of(unseen, task.split.test) as part:
        outcome = ask(fitted, part, classes)
    return replace(outcome, fit_seconds=trained - started)


def ask(fitted: Any, X: Any, classes: NDArray[Any] | None) -> Outcome:
    """Ask a fitted classifier, or without `classes` a regressor, for what it says of rows."""
    started = time.perf_counter()
    if classes is None:
        predicted, quantiles = _numbers(fitted, X)
        return Outcome(quantiles, predicted, np.nan, time.perf_counter() - started, fitted)
    probability = probabilities(fitted, X, classes)
    said = np.asarray(fitted.predict(X))
    asked = time.perf_counter()
    is_class = said[:, None] == classes
    if not is_class.any(axis=1).all():
        raise ValueError(f"predict gave labels other than the classes {classes.tolist()}.")
    return Outcome(probability, is_class.argmax(axis=1), np.nan, asked - started, fitted)


def _numbers(fitted: Any, X: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ask a regressor for numbers, and for its quantiles; a column of NaN where it has none."""
    predicted = np.asarray(fitted.predict(X), dtype=np.float64)
    n = _num_samples(X)
    quantiles = np.full((n, 1), np.nan)
    if levels_of(fitted):
        quantiles = np.asarray(quantiles_from(fitted, X), dtype=np.float64)
        if quantiles.ndim != 2 or len(quantiles) != n or (np.diff(quantiles, axis=1) < 0).any():
            raise ValueError(
                f"predict_quantiles gave shape {quantiles.shape}; {n} rows in ascending order are "
                "needed."
            )
    if predicted.shape != (n,) or not np.isfinite(predicted).all():
        raise ValueError(f"predict gave shape {predicted.shape}; ({n},) finite numbers are needed.")
    return predicted, quantiles


def probabilities(fitted: Any, X: Any, classes: NDArray[Any]) -> NDArray[np.float64]:
    """Ask a classifier for probabilities, a column a class in the order of these."""
    found = np.asarray(fitted.predict_proba(X), dtype=np.float64)
    wanted = (_num_samples(X), len(classes))
    is_class = classes_of(fitted)[:, None] == classes
    if found.shape != wanted or is_class.shape[0] != len(classes) or not is_class.any(axis=0).all():
        raise ValueError(
            f"predict_proba gave shape {found.shape} for classes {fitted.classes_}; {wanted} and a "
            f"column each for {classes.tolist()} are needed."
        )
    if not ((found >= 0) & (found <= 1)).all():
        raise ValueError("predict_proba gave something else than numbers between 0 and 1.")
    return found[:, is_class.argmax(axis=0)]
