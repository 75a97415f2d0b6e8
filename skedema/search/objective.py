"""An Optuna objective: the cross-validated score of an estimator."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from optuna import TrialPruned
from optuna.study import StudyDirection
from optuna.trial import BaseTrial
from sklearn.base import is_classifier
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils import get_tags, indexable

from skedema._folds import each_fold
from skedema.frames import check_same_rows
from skedema.search._drawing import Space, check_space, configured, draw
from skedema.search._folds import Fold, score_fold
from skedema.search._postgres import wait_no_longer
from skedema.search._workers import INTERRUPTED


class CrossValidatedObjective:
    """The mean cross-validated score of an estimator, as a function of a trial.

    It draws parameters, scores fold after fold, reports the mean of the folds so far after each,
    and ends the trial where the study's pruner says so, so that a bad trial costs a fold or two.
    All trials see the same folds.

    Parameters
    ----------
    estimator : estimator
        Any scikit-learn estimator, a pipeline as well. It stays as it is.
    X : table or array-like of shape (n_samples, n_features)
        The samples.
    y : array-like of shape (n_samples,) or None
        The labels.
    space : mapping of str to optuna distribution, or callable
        What to draw from. A mapping has the estimator's parameter names as keys (nested ones by
        ``__``), so that ``estimator.set_params(**study.best_params)`` works. A function of a trial
        that returns such parameters is for what depends on other draws, and for objects; then
        use `parameters` on the best trial.
    scoring : str, callable or None, default=None
        One score, greater is better, as elsewhere in scikit-learn; None is the estimator's own.
    cv : int, splitter, iterable or None, default=None
        As elsewhere in scikit-learn; None is five folds. The splits are drawn once, here.
    groups : array-like of shape (n_samples,) or None, default=None
        Groups for the splitter, such as the patient of each scan.
    fit_params : mapping of str to object or None, default=None
        Passed to the estimator's ``fit``; what has a value a sample, such as `sample_weight`, is
        split like the samples.
    n_jobs : int or None, default=None
        Folds of a trial at the same time, in processes. Scores, pruning and results are those of
        one process; what was begun beyond the fold that ends a trial is finished in vain.
    error_score : "raise" or float, default=np.nan
        The score of a fold in which fitting or scoring fails. NaN ends the trial as a failed one,
        with a warning, and the study goes on.

    Attributes
    ----------
    splits : list of (train, test)
        Positions of the samples of each fold.
    scorer : callable
        What scores.
    first_error : Exception or None
        The first that failed a fold so far, if any did.

    Raises
    ------
    ValueError
        When `space` names parameters that the estimator does not have, `scoring` is more than one
        score, labels are missing, y or what else has a value a sample belongs to other rows of a
        pandas table or stands in another order, or the folds cannot be made.
    TypeError
        When `space` is something else.

    See Also
    --------
    StudySearchCV : The same as an estimator, with resuming and refit.

    Notes
    -----
    A trial keeps the scores of its folds and their seconds as user attributes ``fold_scores``,
    ``fit_seconds`` and ``score_seconds``, and ``error`` where it failed.

    Results for several `n_jobs` are equal bit by bit where the estimator's are: networks and
    linear algebra may differ in the last digits between numbers of threads, and joblib gives a
    worker its share of the cores. With ``OMP_NUM_THREADS=1`` there is no such difference.

    Examples
    --------
    >>> import optuna
    >>> from optuna.distributions import FloatDistribution
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skedema.search import CrossValidatedObjective
    >>> X, y = load_iris(return_X_y=True)
    >>> tree = DecisionTreeClassifier(random_state=0)
    >>> space = {"ccp_alpha": FloatDistribution(1e-4, 0.5, log=True)}
    >>> study = optuna.create_study(direction="maximize")
    >>> study.optimize(CrossValidatedObjective(tree, X, y, space), n_trials=5)
    >>> tree.set_params(**study.best_params).fit(X, y).get_depth() > 0
    True
    """

    def __init__(
        self,
        estimator: Any,
        X: Any,
        y: Any,
        space: Space,
        *,
        scoring: Any = None,
        cv: Any = None,
        groups: Any = None,
        fit_params: Mapping[str, Any] | None = None,
        n_jobs: int | None = None,
        error_score: float | str = np.nan,
    ) -> None:
        if isinstance(scoring, (list, tuple, set, Mapping)):
            raise ValueError(
                f"A search maximises one score, got scoring={scoring!r}. Give one of them, and "
                "look at the others with cross_validate on the best estimator."
            )
        if isinstance(error_score, str) and error_score != "raise":
            raise ValueError(f"error_score must be 'raise' or a number, got {error_score!r}.")
        check_space(estimator, space)
        if y is None and get_tags(estimator).target_tags.required:
            raise ValueError(
                f"{type(estimator).__name__} requires y to be passed, but the target y is None."
            )
        self.estimator = estimator
        self.space = space
        self.n_jobs = n_jobs
        self.error_score = error_score
        self.fit_params = dict(fit_params or {})
        self.X, self.y, groups = indexable(X, y, groups)
        check_same_rows(self.X, y=self.y, groups=groups, **self.fit_params)
        _check_labels(self.y)
        self.first_error: Exception | None = None
        self.interrupt: BaseException | None = None  # of a user
        self.scorer = check_scoring(estimator, scoring)
        splitter = check_cv(cv, self.y, classifier=is_classifier(estimator))
        self.splits = list(splitter.split(self.X, self.y, groups))
        if not self.splits:
            raise ValueError(f"cv={cv!r} gives no folds.")

    def __call__(self, trial: BaseTrial) -> float:
        """Score the parameters that a trial draws.

        Parameters
        ----------
        trial : optuna.trial.Trial or FixedTrial
            Of a study that maximises.

        Returns
        -------
        float
            The mean score over the folds; NaN where one failed.

        Raises
        ------
        optuna.TrialPruned
            When the study's pruner gives the trial up.
        ValueError
            When the study minimises, or parameters drawn are not the estimator's.
        """
        score = self._evaluate(trial)
        if "error" in trial.user_attrs:
            warnings.warn(
                f"Trial {trial.number} scores {score}: {trial.user_attrs['error']}",
                FitFailedWarning,
                stacklevel=2,
            )
        return score

    def parameters(self, trial: BaseTrial) -> dict[str, Any]:
        """Give the estimator's parameters in a trial.

        Parameters
        ----------
        trial : optuna.trial.BaseTrial
            Such as ``study.best_trial``.

        Returns
        -------
        dict of str to object
            What ``estimator.set_params`` takes.
        """
        return draw(trial, self.space)

    def _evaluate(self, trial: BaseTrial) -> float:
        """Score without a warning; what failed is the trial's user attribute ``error``."""
        _check_direction(trial)
        candidate = configured(self.estimator, self.parameters(trial))
        tasks = [
            (candidate, self.X, self.y, split, self.scorer, self.fit_params)
            for split in self.splits
        ]
        folds: list[Fold] = []
        try:
            for fold in each_fold(score_fold, tasks, self.n_jobs, in_waves=True):
                folds.append(self._judged(fold, len(folds), trial))
                mean = float(np.mean([each.score for each in folds]))
                if np.isnan(mean):
                    break
                trial.report(mean, step=len(folds) - 1)
                if len(folds) < len(self.splits) and trial.should_prune():
                    raise TrialPruned(f"{mean:.4g} after {len(folds)} of {len(self.splits)} folds.")
        except (KeyboardInterrupt, SystemExit) as interrupt:
            self.interrupt = interrupt
            wait_no_longer(getattr(trial, "study", None))
            with suppress(Exception):  # where the storage is away, the next worker closes the trial
                trial.set_user_attr(INTERRUPTED, True)
                _note(folds, trial)
            raise
        except BaseException:
            _note(folds, trial)
            raise
        _note(folds, trial)
        return mean

    def _judged(self, fold: Fold, number: int, trial: BaseTrial) -> Fold:
        """Give a fold that failed its score, and keep why."""
        if fold.error is None and not np.isnan(fold.score):
            return fold
        if fold.error is not None and self.error_score == "raise":
            raise fold.error
        why = f"fold {number + 1} of {len(self.splits)} failed: "
        if fold.error is None:
            why += f"{self.scorer!r} gave NaN."
        else:
            why += f"{type(fold.error).__name__}: {fold.error}"
        trial.set_user_attr("error", why)
        self.first_error = self.first_error or fold.error
        score = np.nan if fold.error is None else float(self.error_score)
        return Fold(score, fold.fit_seconds, fold.score_seconds, fold.error)


def _note(folds: list[Fold], trial: BaseTrial) -> None:
    if folds:
        trial.set_user_attr("fold_scores", [each.score for each in folds])
        trial.set_user_attr("fit_seconds", [each.fit_seconds for each in folds])
        trial.set_user_attr("score_seconds", [each.score_seconds for each in folds])


def _check_direction(trial: BaseTrial) -> None:
    study = getattr(trial, "study", None)  # a FixedTrial has none
    if study is not None and study.directions != [StudyDirection.MAXIMIZE]:
        raise ValueError(
            "scikit-learn's scores are better the greater they are, but the study does not "
            "maximise one score. Make it by optuna.create_study(direction='maximize')."
        )


def _check_labels(y: Any) -> None:
    labels = np.asarray(y)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        rows = np.flatnonzero(~np.isfinite(labels.reshape(len(labels), -1)).all(axis=1))
        raise ValueError(
            f"Input y contains NaN or infinity, in {len(rows)} rows, the first at position "
            f"{rows[0]}. Leave out the samples whose label is not known."
        )
