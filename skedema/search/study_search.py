"""StudySearchCV: a search by Optuna as a scikit-learn estimator."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from optuna.pruners import BasePruner, MedianPruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from skedema._all_or_nothing import all_or_nothing
from skedema._caching.meaning import digest
from skedema._each import bar
from skedema.search._digest import search_parts
from skedema.search._drawing import Space, configured
from skedema.search._failing import told_plainly
from skedema.search._places import FINISHED, NotNeeded, PlacedSampler, n_taken
from skedema.search._postgres import hidden, was_cut_off
from skedema.search._progress import show_trial
from skedema.search._report import report_failures
from skedema.search._results import cv_results, trials_frame
from skedema.search._storage import open_storage, open_study, quiet
from skedema.search._workers import Worker, counts, worker
from skedema.search.objective import CrossValidatedObjective

_PAUSE = 0.5  # seconds, until the others are looked at again


class StudySearchCV(BaseSearchCV):
    """Search for the best parameters of an estimator by cross-validated trials, with Optuna.

    Like `sklearn.model_selection.RandomizedSearchCV`, but each trial is drawn in view of those
    before it, a bad one is given up after two folds, and with a `storage` a search that was
    interrupted goes on.

    Parameters
    ----------
    estimator : estimator
        Any scikit-learn estimator, a pipeline as well.
    space : mapping of str to optuna distribution, or callable
        As in `CrossValidatedObjective`; such as ``head_space()``.
    n_trials : int, default=50
        Trials in all, those already in the `storage`, and those of other processes that share it,
        included. Trials that were interrupted or failed do not count, so running the same script
        again does what is missing. At the last ones, a process waits for the others to finish.
    timeout : float or None, default=None
        Seconds after which no further trial is begun.
    scoring : str, callable or None, default=None
        One score, greater is better; None is the estimator's own.
    cv : int, splitter, iterable or None, default=None
        As elsewhere in scikit-learn; None is five folds. All trials see the same ones.
    refit : bool, default=True
        Whether to fit the best estimator on all samples, for `predict` and the like.
    sampler : optuna sampler or None, default=None
        None is ``TPESampler``. Before each trial the sampler, or a copy of the one given, is seeded
        anew, by `random_state` (by its own seed where it is given) and the place of the trial in
        the search. So one that was interrupted, or killed, draws what it would have drawn, and
        processes that share a study never draw alike. That holds for samplers, such as
        ``RandomSampler``, that look at trials that are finished, and at nothing else.
    pruner : optuna pruner or None, default=None
        None is ``MedianPruner(n_startup_trials=5, n_warmup_steps=1)``: from the second fold on, a
        trial whose mean is below the median of those completed, at that fold, is given up; see
        Notes. ``NopPruner()`` gives up none.
    storage : path, URL, optuna storage or None, default=None
        Where trials are kept: a path is a journal file, written by Optuna, that several processes
        may share; a URL is a database, such as ``"sqlite:///study.db"``, or, for several machines,
        ``"postgresql://me@server/studies"`` (``skedema[postgres]``). A password in it shows in no
        repr and no message. None: in memory.
    study_name : str or None, default=None
        The name of the study in the storage. None names it by what is searched, so that
        different searches in one storage, such as the folds of a nested cross-validation, keep
        apart, and each finds its own again.
    error_score : "raise" or float, default=np.nan
        The score of a fold in which fitting or scoring fails. NaN ends the trial as a failed one;
        at the end a warning counts them.
    n_jobs : int or None, default=None
        Folds of a trial at the same time, in processes; see `CrossValidatedObjective`.
    random_state : int, RandomState instance or None, default=None
        Decides what is drawn. With an integer two searches are equal, and one that went on is
        equal to one that was not interrupted.
    verbose : int, default=0
        Above 0, shows trials, the time left and the best score on standard error.

    Attributes
    ----------
    study_ : optuna.Study
        The study, for Optuna's plots and importances.
    trials_ : DataFrame
        One row a trial: number, state, score, n_folds, fit_seconds, and what it drew.
    cv_results_ : dict of str to array
        The same with the columns of `GridSearchCV`; of a trial that was given up, folds and means
        that it did not come to are NaN.
    best_params_ : dict
        For ``estimator.set_params``.
    best_score_ : float
        The mean score of the best trial. As the best of many it is optimistic; what to expect of
        new samples tells a nested cross-validation, ``cross_validate(search, X, y)``.
    best_index_ : int
        Its position in `cv_results_`.
    best_estimator_ : estimator
        Fitted on all samples; with `refit`.
    refit_time_ : float
        Seconds that took.
    scorer_ : callable
        What scores.
    n_splits_ : int
        Number of folds.
    classes_, n_features_in_, feature_names_in_
        Those of the best estimator.

    See Also
    --------
    CrossValidatedObjective : For a study of one's own.
    head_space, encoder_space, pretraining_space : Spaces for the estimators of this package.

    Notes
    -----
    Before a search goes on, digests of what decides its scores are compared with those in the
    study: the estimator's class and parameters (not `n_jobs`, `verbose`, `memory`), the space,
    the scoring, the folds, `X` and `y`. Scans given as paths count by the path.

    A single fold of some dozen patients tells little, therefore the default pruner waits for the
    second. In simulated searches (50 random trials, five folds, standard deviations of 0.03
    between parameters, 0.05 between folds and 0.04 of what remains) it did without 31 % of the
    fits and lost the best trial in 2 % of the searches; deciding after the first fold did without
    55 % and lost it in 15 %.

    Examples
    --------
    >>> from optuna.distributions import FloatDistribution
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skedema.search import StudySearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> space = {"ccp_alpha": FloatDistribution(1e-4, 0.5, log=True)}
    >>> search = StudySearchCV(DecisionTreeClassifier(), space, n_trials=5, random_state=0)
    >>> search.fit(X, y).predict(X).shape
    (150,)
    >>> list(search.best_params_)
    ['ccp_alpha']
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": [HasMethods(["fit"])],
        "space": "no_validation",
        "n_trials": [Interval(Integral, 1, None, closed="left")],
        "timeout": [Interval(Real, 0, None, closed="neither"), None],
        "scoring": "no_validation",
        "cv": ["cv_object"],
        "refit": ["boolean"],
        "sampler": [BaseSampler, None],
        "pruner": [BasePruner, None],
        "storage": "no_validation",
        "study_name": [str, None],
        "error_score": [StrOptions({"raise"}), Real],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    multimetric_ = False  # as scikit-learn calls a search for several scores at once
    set_callbacks = property(doc="Not there: scikit-learn's callbacks would never be called.")

    @property
    def storage(self) -> Any:
        """As in the parameters."""
        return self.__dict__["storage"]

    @storage.setter
    def storage(self, storage: Any) -> None:
        self.__dict__["storage"] = hidden(storage)

    def __init__(
        self,
        estimator: Any,
        space: Space,
        *,
        n_trials: int = 50,
        timeout: float | None = None,
        scoring: Any = None,
        cv: Any = None,
        refit: bool = True,
        sampler: BaseSampler | None = None,
        pruner: BasePruner | None = None,
        storage: Any = None,
        study_name: str | None = None,
        error_score: float | str = np.nan,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.space = space
        self.n_trials = n_trials
        self.timeout = timeout
        self.scoring = scoring
        self.cv = cv
        self.refit = refit
        self.sampler = sampler
        self.pruner = pruner
        self.storage = storage
        self.study_name = study_name
        self.error_score = error_score
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @all_or_nothing
    def fit(self, X: Any, y: Any = None, **fit_params: Any) -> Self:
        """Search, and fit the best estimator on all samples.

        Parameters
        ----------
        X : table or array-like of shape (n_samples, n_features)
            The samples.
        y : array-like of shape (n_samples,) or None, default=None
            The labels.
        **fit_params
            `groups` goes to the splitter, all others to the estimator's ``fit``; what has a value
            a sample is split like the samples.

        Returns
        -------
        StudySearchCV
            The fitted search.

        Raises
        ------
        ValueError
            When nothing can be searched: the space does not fit the estimator, the study of this
            name is another search's, or no trial has a score.
        ConnectionError
            When the database of `storage` cannot be reached.
        Exception
            When every trial failed: what the first failed with.
        """
        self._validate_params()
        groups = fit_params.pop("groups", None)
        objective = CrossValidatedObjective(
            self.estimator,
            X,
            y,
            self.space,
            scoring=self.scoring,
            cv=self.cv,
            groups=groups,
            fit_params=fit_params,
            n_jobs=self.n_jobs,
            error_score=self.error_score,
        )
        study = self._open(objective)
        self._run(study, objective)
        trials = study.get_trials(deepcopy=False)
        report_failures(trials, self.error_score, objective.first_error)
        self.study_ = study
        self.scorer_ = objective.scorer
        self.n_splits_ = len(objective.splits)
        self.trials_ = trials_frame(trials)
        kept = [trial for trial in trials if counts(trial)]
        self.cv_results_ = cv_results(kept, objective)
        best = study.best_trial
        self.best_index_ = [trial.number for trial in kept].index(best.number)
        self.best_score_ = best.value
        self.best_params_ = self.cv_results_["params"][self.best_index_]
        if self.refit:
            self._refit(X, y, fit_params)
        return self

    def _open(self, objective: CrossValidatedObjective) -> Study:
        name, parts = self.study_name, {}
        if self.storage is not None:  # nobody can go on with a study in memory
            parts = search_parts(objective, self.scoring)
            if name is None:
                seed = self.random_state if isinstance(self.random_state, Integral) else "any"
                drawing = [f"{seed}", type(self.sampler).__name__, type(self.pruner).__name__]
                name = f"skedema-{digest([*parts.values(), *drawing], 'The search')}"
        with quiet():
            study = open_study(open_storage(self.storage), name, parts)
        # One fold tells little; two folds leave no other to wait for.
        warmup = 1 if len(objective.splits) > 2 else 0
        study.pruner = self.pruner or MedianPruner(n_startup_trials=5, n_warmup_steps=warmup)
        return study

    def _run(self, study: Study, objective: CrossValidatedObjective) -> None:
        seed = int(check_random_state(self.random_state).randint(2**31))
        sampler = copy.deepcopy(self.sampler)
        if sampler is None:
            # What others are at says nothing yet: a trial that was killed would be taken for one.
            sampler, seed_of_places = TPESampler(seed=seed, constant_liar=False), seed
        else:
            seed_of_places = None

        until = math.inf if self.timeout is None else time.monotonic() + self.timeout
        with told_plainly(study), quiet(), worker(study) as own:
            missing = max(self.n_trials - _n_finished(study), 0)
            done = self.n_trials - missing
            study.sampler = PlacedSampler(sampler, own, self.n_trials, seed_of_places)
            try:
                with bar("search", "trial", self.n_trials, done=done, shown=self.verbose) as shown:
                    while missing and self._is_its_turn(own, until):
                        if _one_trial(own, objective, shown):
                            missing -= 1
            finally:
                study.sampler = sampler

    def _is_its_turn(self, own: Worker, until: float) -> bool:
        """Wait for the others at the last trials: one that is killed leaves its trial to do."""
        while time.monotonic() < until:
            own.close_abandoned()
            if _n_finished(own.study) >= self.n_trials:
                return False
            if n_taken(own.study) < self.n_trials:
                return True
            time.sleep(_PAUSE)
        return False

    def _refit(self, X: Any, y: Any, fit_params: Mapping[str, Any]) -> None:
        start = time.monotonic()
        self.best_estimator_ = configured(self.estimator, self.best_params_)
        if y is None:
            self.best_estimator_.fit(X, **fit_params)
        else:
            self.best_estimator_.fit(X, y, **fit_params)
        self.refit_time_ = time.monotonic() - start
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = copy.deepcopy(get_tags(self.estimator))
        tags.transformer_tags = inner.transformer_tags
        tags.input_tags = inner.input_tags
        tags.target_tags = inner.target_tags
        return tags


def _n_finished(study: Study) -> int:
    return len(study.get_trials(deepcopy=False, states=FINISHED))


def _one_trial(own: Worker, objective: CrossValidatedObjective, shown: Any) -> bool:
    """Run a trial; gives whether it came to an end of its own, be it an error."""
    try:
        own.study.optimize(
            objective._evaluate, n_trials=1, callbacks=[lambda study, _: show_trial(shown, study)]
        )
    except NotNeeded:
        return False
    except Exception as error:
        if objective.interrupt is not None:  # and the storage was away, to which Optuna writes it
            raise objective.interrupt from None
        if was_cut_off(error) or own.was_closed():  # not the trial's fault, which is drawn again
            return False
        raise
    return True
