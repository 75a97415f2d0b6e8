"""The folds of a trial, one after the other or several at the same time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from joblib import Parallel, delayed
from sklearn.model_selection import cross_validate

from skedema.clinical.leaks import leaks_known
from skedema.scans._processes import n_processes

Split: TypeAlias = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Fold:
    """What a fold came to.

    Attributes
    ----------
    score : float
        On the held-out part; NaN where fitting or scoring failed.
    fit_seconds, score_seconds : float
        How long it took.
    error : Exception or None
        Why it failed.
    """

    score: float
    fit_seconds: float
    score_seconds: float
    error: Exception | None = None


def score_folds(
    estimator: Any,
    X: Any,
    y: Any,
    splits: Sequence[Split],
    scorer: Any,
    fit_params: Mapping[str, Any],
    n_jobs: int | None,
) -> Iterator[Fold]:
    """Score fold after fold, in order.

    Parameters
    ----------
    estimator : estimator
        Cloned for each fold.
    X, y : table and labels
        The samples.
    splits : sequence of (train, test)
        Positions of the samples.
    scorer : callable
        ``scorer(estimator, X, y)``, greater is better.
    fit_params : mapping of str to object
        Passed to ``fit``; what has a value a sample is split as well.
    n_jobs : int or None
        Folds at the same time, in processes unless joblib is configured otherwise. joblib shares
        the cores among them. In a worker of joblib it is one.

    Yields
    ------
    Fold
        Nothing further is begun when no further one is asked for, and what is under way is
        waited for: killed workers would lose the scans that they have read.
    """
    tasks = [(estimator, X, y, split, scorer, fit_params) for split in splits]
    n_workers = n_processes(n_jobs, len(tasks))
    if n_workers == 1:
        for task in tasks:
            yield _score(*task)
        return
    for start in range(0, len(tasks), n_workers):
        wave = tasks[start : start + n_workers]
        yield from Parallel(n_jobs=n_workers)(delayed(_score)(*task) for task in wave)


def _score(
    estimator: Any, X: Any, y: Any, split: Split, scorer: Any, fit_params: Mapping[str, Any]
) -> Fold:
    try:
        with leaks_known():  # the fit of the best on everything tells of them once
            found = cross_validate(
                estimator,
                X,
                y,
                cv=[split],
                scoring=scorer,
                params=dict(fit_params) or None,
                error_score="raise",
            )
    except Exception as error:  # given back, since folds before this one may end the trial
        return Fold(np.nan, np.nan, np.nan, error)
    return Fold(
        float(found["test_score"][0]), float(found["fit_time"][0]), float(found["score_time"][0])
    )
