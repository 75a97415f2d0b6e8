"""What becomes of classifiers as more of what they ask for is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from skedema._each import named
from skedema._folds import each_fold
from skedema._registry import nearest_name
from skedema.evaluation._cohort import are_of_numbers, check_estimators, cohort_of
from skedema.evaluation._folds import probabilities
from skedema.evaluation._predictions import Predictions
from skedema.evaluation._splits import Split
from skedema.evaluation.metrics._metric import measured
from skedema.evaluation.metrics._registry import find_metrics
from skedema.frames.cells import Bools, labels_of, present, rearranged, without
from skedema.frames.parts import part_of

PATTERNS = (
    "random values",
    "random variables",
    "most important first",
    "least important first",
)
_FIGURES = ("roc_auc", "log_loss")
_SHUFFLES = 5  # chosen


@dataclass(frozen=True)
class _Plan:
    """What is taken away: from which columns, how much, and how."""

    columns: list[int]
    shares: list[float]
    train_shares: list[float]
    patterns: list[str]
    n_repeats: int
    seed: int


def missing_curve(
    estimators: Mapping[str, Any],
    X: Any,
    y: Any,
    *,
    columns: Iterable[Any] | None = None,
    keep: Iterable[Any] = (),
    shares: Sequence[float] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7),
    train_shares: Sequence[float] = (0.0,),
    patterns: Sequence[str] = PATTERNS,
    cv: Any = 5,
    groups: Any = None,
    n_jobs: int | None = None,
    n_repeats: int = 1,
    trusted_columns: Any = None,
    random_state: Any = None,
) -> pd.DataFrame:
    """Take values away from the patients that are tested, and see what classifiers make of it.

    Each classifier is fitted on the training part of a fold, as it is or with some of its values
    set missing (`train_shares`). Then values of the test part are set missing, more and more.

    Parameters
    ----------
    estimators : mapping of str to classifier
        By name, for the table. With ``predict_proba``, and able to take missing values.
    X : DataFrame (pandas, polars) or ndarray of shape (n, n_features)
        One row a patient or scan.
    y : array-like of shape (n,)
        Two classes or more.
    columns : iterable of names or positions, or None, default=None
        What may go missing: names of a DataFrame, positions of an array. None is every column.
    keep : iterable of names or positions, default=()
        Columns of these that stay whole, such as the scan's.
    shares : sequence of float, default=(0, 0.1, ..., 0.7)
        How much is missing, from 0 to 1, rounded to whole values or variables.
    train_shares : sequence of float, default=(0,)
        How much of the training part's values is missing, at random: one fit a fold for each.
    patterns : sequence of str, default=all
        ``"random values"``: that share of the values that are there, wherever they stand.
        ``"random variables"``: whole variables, the same for all patients. ``"most important
        first"``, ``"least important first"``: whole variables, by their importance to the
        classifier, see Notes.
    cv : int, splitter, iterable or None, default=5
        As in `evaluate`; the same folds, with the same `random_state`.
    groups : array-like of shape (n,) or None, default=None
        The patient of each row; no fold may split one.
    n_jobs : int or None, default=None
        Fits at the same time, in processes that share the cores; or where
        `joblib.parallel_config` says, such as on Dask or Ray.
    n_repeats : int, default=1
        How often the random patterns are drawn.
    trusted_columns : list of (str or int) or None, default=None
        As in `evaluate`.
    random_state : int, RandomState instance or None, default=None
        For folds, draws and shuffles.

    Returns
    -------
    DataFrame
        A row for each estimator, share in training, pattern, share, draw and fold: ``estimator``,
        ``train_share``, ``pattern``, ``share``, ``repeat`` (the draw, from 0; the other patterns
        have one only), ``fold`` (counted on over the repeats of a splitter), ``removed`` (values
        that were there and are gone), ``roc_auc`` and ``log_loss`` of the fold's test part, NaN
        where one is not defined. Of two classes both are the same whichever is the positive one; of
        more the AUC is the mean of each class's against the rest.

    Raises
    ------
    ValueError
        When there is one class; y or `groups` belong to other rows of a pandas table,
        or stand in another order; a column, pattern or share is none; a fold cannot be used.
    TypeError
        When estimators are not given by name or have no ``predict_proba``, or X is no table.

    Warns
    -----
    UserWarning
        As `evaluate` when a patient seems to be in several rows, or when a class is nowhere tested.
        Once, of all columns of X that may tell the answer. What the estimators warn of is told once
        for all folds.

    See Also
    --------
    evaluate : The figures of complete data, with intervals and tests.
    skedema.evaluation.displays.MissingCurveDisplay : Draws the table.
    skedema.baselines.missing_arms : Ways to treat missing values, to compare.

    Notes
    -----
    **The same gaps for all.** Random patterns take the same cells from every classifier, and a
    greater share takes what a smaller one does, and more.

    **Importance** is each classifier's own: by how much its log loss grows on the training part, on
    average over five shuffles of a variable's values. Nothing of the test part is in it. Log loss,
    since a classifier that ranks its training patients without an error mostly still does with one
    variable shuffled. So the order may differ between classifiers, and between folds.

    **Columns of integers and booleans** that lose a value become float64, as they would in a file;
    other columns keep their type.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> from skedema.evaluation import missing_curve
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> models = {"boosting": HistGradientBoostingClassifier(max_iter=10, random_state=0)}
    >>> table = missing_curve(
    ...     models, X, y, shares=[0, 0.5], patterns=["random values"], cv=3, random_state=0
    ... )
    >>> aucs = table.groupby("share")["roc_auc"].mean()
    >>> bool(aucs[0.0] > aucs[0.5])
    True
    """
    models = check_estimators(estimators)
    if are_of_numbers(models):
        raise TypeError(
            "missing_curve is of classifiers, and these estimators predict numbers. What each "
            "variable's absence costs them is told by MissingnessDisplay.from_estimator(fitted, "
            "X_new, y_new) of skedema.inspection."
        )
    positions = _positions(labels_of(X), columns, keep)
    cohort = cohort_of(X, y, groups, cv, trusted_columns, random_state, numbers=False)
    plan = _Plan(
        positions,
        _check_shares("shares", shares),
        _check_shares("train_shares", train_shares),
        _check_patterns(patterns),
        n_repeats,
        cohort.seed,
    )
    if n_repeats < 1:
        raise ValueError(f"n_repeats must be at least 1, got {n_repeats!r}.")
    arguments = [
        (name, model, fold, split, cohort.X, cohort.y, cohort.label, cohort.classes, plan)
        for name, model in models.items()
        for fold, split in enumerate(cohort.splits)
    ]
    parts = each_fold(_curve, arguments, n_jobs)
    return pd.concat(parts, ignore_index=True)


@named(lambda name, _, __, split, *___: f"estimator {name!r} on {split.name}")
def _curve(
    name: str,
    model: Any,
    fold: int,
    split: Split,
    X: Any,
    y: Any,
    label: NDArray[np.intp],
    classes: NDArray[Any],
    plan: _Plan,
) -> pd.DataFrame:
    """Fit a classifier on a fold, and follow it."""
    unseen = _safe_indexing(X, split.test)
    rows = []
    try:
        with part_of(X, split.train) as seen:
            for train_share in plan.train_shares:
                thinned = _thinned(seen, train_share, fold, plan)
                fitted = clone(model).fit(thinned, _safe_indexing(y, split.train))
                importance = _Importance(fitted, thinned, label[split.train], classes, fold, plan)
                there = present(unseen, plan.columns)
                computed: dict[bytes, dict[str, float]] = {}
                for pattern, share, repeat, gone in _gaps(plan, fold, there, importance):
                    key = gone.tobytes()
                    if key not in computed:
                        gapped = without(unseen, plan.columns, gone)
                        probability = probabilities(fitted, gapped, classes)
                        computed[key] = _figures(label[split.test], probability, _FIGURES)
                    place = {"estimator": name, "train_share": train_share, "pattern": pattern}
                    place |= {"share": share, "repeat": repeat, "fold": fold}
                    rows.append(place | {"removed": int(gone.sum())} | computed[key])
    except Exception as error:
        error.add_note(f"This was estimator {name!r} on {split.name}.")
        raise
    return pd.DataFrame(rows)


def _thinned(X: Any, share: float, fold: int, plan: _Plan) -> Any:
    """Set a share of the values of a training part missing, at random."""
    there = present(X, plan.columns)
    rng = np.random.default_rng([plan.seed, fold, len(PATTERNS) + 1])
    order = rng.permutation(np.flatnonzero(there))
    gone = np.zeros_like(there)
    gone.flat[order[: int(np.floor(share * len(order) + 0.5))]] = True
    return without(X, plan.columns, gone) if gone.any() else X


def _gaps(
    plan: _Plan, fold: int, there: Bools, importance: Callable[[], NDArray[np.float64]]
) -> Iterator[tuple[str, float, int, Bools]]:
    """Give what goes missing: pattern, share, draw, and the cells that are there and go."""
    for pattern in plan.patterns:
        random = pattern.startswith("random")
        for repeat in range(plan.n_repeats if random else 1):
            rng = np.random.default_rng([plan.seed, fold, PATTERNS.index(pattern), repeat])
            if pattern == "random values":
                order = rng.permutation(np.flatnonzero(there))
            elif random:
                order = rng.permutation(there.shape[1])
            else:
                sign = -1 if pattern.startswith("most") else 1
                order = np.argsort(sign * importance(), kind="stable")
            for share in plan.shares:
                first = order[: int(np.floor(share * len(order) + 0.5))]
                gone = np.zeros_like(there)
                if pattern == "random values":
                    gone.flat[first] = True
                else:
                    gone[:, first] = there[:, first]
                yield pattern, share, repeat, gone


class _Importance:
    """By how much the log loss on the training part grows as a variable is shuffled."""

    def __init__(
        self, fitted: Any, X: Any, label: Any, classes: Any, fold: int, plan: _Plan
    ) -> None:
        self.fitted, self.X, self.label = fitted, X, label
        self.classes, self.fold, self.plan = classes, fold, plan
        self.found: NDArray[np.float64] | None = None

    def __call__(self) -> NDArray[np.float64]:
        if self.found is None:
            rng = np.random.default_rng([self.plan.seed, self.fold, len(PATTERNS)])
            self.found = np.array([self._of(p, rng) for p in self.plan.columns])
        return self.found

    def _of(self, position: int, rng: np.random.Generator) -> float:
        n_rows = len(self.label)
        every = np.arange(n_rows)
        losses = [
            self._loss(rearranged(self.X, every, {position: rng.permutation(n_rows)}))
            for _ in range(_SHUFFLES)
        ]
        return float(np.mean(losses))  # that of the whole is the same for all

    def _loss(self, X: Any) -> float:
        probability = probabilities(self.fitted, X, self.classes)
        return _figures(self.label, probability, ["log_loss"])["log_loss"]


def _figures(
    label: NDArray[np.intp], probability: NDArray[np.float64], names: Sequence[str]
) -> dict[str, float]:
    rows = Predictions(np.arange(len(label)), label, probability, probability.argmax(axis=1))
    weight = np.ones(len(label))
    return {each.name: measured(each, rows, weight, {}) for each in find_metrics(names)}


def _positions(labels: list[Any], columns: Iterable[Any] | None, keep: Iterable[Any]) -> list[int]:
    keep = [keep] if isinstance(keep, str) else list(keep)
    chosen = labels if columns is None else [columns] if isinstance(columns, str) else list(columns)
    for name in (*chosen, *keep):
        if name not in labels:
            raise ValueError(
                f"X has no column {name!r}. {nearest_name(str(name), map(str, labels))}"
            )
    positions = sorted({labels.index(name) for name in chosen if name not in keep})
    if not positions:
        raise ValueError("There is no column that may go missing: keep= names them all.")
    return positions


def _check_shares(name: str, shares: Sequence[float]) -> list[float]:
    found = [float(share) for share in shares]
    wrong = [share for share in found if not 0 <= share <= 1]
    if wrong or not found:
        raise ValueError(f"{name} must be numbers from 0 to 1, got {list(shares)!r}.")
    return found


def _check_patterns(patterns: Sequence[str]) -> list[str]:
    found = [patterns] if isinstance(patterns, str) else list(patterns)
    for pattern in found:
        if pattern not in PATTERNS:
            raise ValueError(f"Unknown pattern {pattern!r}. {nearest_name(str(pattern), PATTERNS)}")
    if not found:
        raise ValueError(f"patterns must name at least one of {PATTERNS}.")
    return found
