"""What an estimator came to on a fold, and how it is kept."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skedema._caching.digest import DIGEST_SIZE, raw_digest
from skedema._caching.store import ArrayStore
from skedema._caching.whole_files import open_file, write_whole
from skedema._told import tell

_MAGIC = b"SKEDEMA fitted estimator\n"


@dataclass(frozen=True)
class Outcome:
    """What an estimator came to on a fold.

    Attributes
    ----------
    probability : ndarray of float of shape (n_test, n_classes)
        Of the classes, in order; of numbers the predicted quantiles, a column of NaN without.
    predicted : ndarray of int or float of shape (n_test,)
        Which class, or number, the estimator's own ``predict`` says.
    fit_seconds, predict_seconds : float
        How long it took.
    estimator : object
        What was fitted; None where it is not asked for.
    """

    probability: NDArray[np.float64]
    predicted: NDArray[Any]
    fit_seconds: float
    predict_seconds: float
    estimator: Any = None


class Outcomes:
    """Outcomes in a folder: a file of numbers each, and one of the fitted estimator beside it.

    The numbers are an entry of an `ArrayStore`, verified when read. An estimator is pickled, with a
    digest of itself and one of its numbers: what is damaged, or belongs to other numbers, is never
    unpickled, and the fold is computed anew. It is written first, so that whoever is killed leaves
    a whole outcome or none. Other numbers are no damage: the workers of a process that was killed
    may finish a fold that another one has begun again.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._arrays = ArrayStore(folder)
        self._warned = False

    def save(self, key: str, outcome: Outcome) -> None:
        """Keep an outcome; an estimator that cannot be pickled is told of and left out."""
        rows = np.column_stack([outcome.predicted, outcome.probability]).astype(np.float64)
        seconds = np.zeros_like(rows[:1])
        seconds[0, :2] = outcome.fit_seconds, outcome.predict_seconds
        array = np.vstack([seconds, rows])
        if outcome.estimator is not None:
            self._save_estimator(key, array, outcome.estimator)
        self._arrays.save(key, array)

    def load(
        self, key: str, n_test: int, n_classes: int | None, *, with_estimator: bool
    ) -> Outcome | None:
        """Give what is kept; None where it is not there, or not all of it.

        Of numbers there are no classes.
        """
        array = self._arrays.load(key)
        if array is None or array.ndim != 2 or len(array) != n_test + 1:
            return None
        numbers = n_classes is None
        if array.shape[1] < 2 or not (numbers or array.shape[1] == 1 + (n_classes or 0)):
            return None
        (fit_seconds, predict_seconds), rows = array[0, :2].tolist(), array[1:]
        predicted = rows[:, 0] if numbers else rows[:, 0].astype(np.intp)
        found = Outcome(rows[:, 1:], predicted, fit_seconds, predict_seconds)
        if not with_estimator:
            return found
        estimator = self._load_estimator(key, array)
        return None if estimator is None else replace(found, estimator=estimator)

    def _path(self, key: str) -> Path:
        return self._arrays.path(key).with_suffix(".estimator")

    def _save_estimator(self, key: str, array: NDArray[np.float64], estimator: Any) -> None:
        try:
            content = pickle.dumps(estimator, protocol=pickle.HIGHEST_PROTOCOL)
        except Exception as error:  # whatever an estimator's own pickling comes to
            self._warn(f"cannot be pickled ({error})", "give return_estimator=False.")
            return
        head = _MAGIC + raw_digest(content) + raw_digest(array)
        try:
            write_whole(self._path(key), lambda file: file.writelines([head, content]), prefix=".")
        except OSError as error:
            self._warn(f"cannot be written ({error})", "free space, or take another folder.")

    def _load_estimator(self, key: str, array: NDArray[np.float64]) -> Any:
        path = self._path(key)
        try:
            file = open_file(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._warn(f"cannot be read ({error})", "mend the permissions there.")
            return None
        if file is None:
            return None
        with file:
            head, of_array, content = (
                file.read(n) for n in (len(_MAGIC) + DIGEST_SIZE, DIGEST_SIZE, -1)
            )
        if head != _MAGIC + raw_digest(content):
            tell(f"{path} is damaged; what it should hold is made anew and the file written over.")
            return None
        if of_array != raw_digest(array):
            return None
        try:
            return pickle.loads(content)
        except Exception as error:  # of a class that is gone or has changed
            self._warn(f"cannot be unpickled here ({error!r})", "give return_estimator=False.")
            return None

    def _warn(self, what: str, remedy: str) -> None:
        if not self._warned:
            self._warned = True
            tell(
                f"Fitted estimators kept in {self._arrays.folder} {what}, so the same call fits "
                f"these folds again each time. To go by the predictions alone, {remedy}"
            )
