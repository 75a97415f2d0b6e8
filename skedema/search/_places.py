"""What a trial draws: decided by its place in the search, not by what was drawn before it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from skedema.search._postgres import alone
from skedema.search._workers import PLACE, Worker, counts, running_trials

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


class NotNeeded(Exception):
    """A trial was begun that is one too many."""


class PlacedSampler(BaseSampler):
    """A sampler whose random state is set before each trial, by the trial's place.

    Places are 0, 1, 2, ...; each is held by one trial that counts or is running. A trial takes
    the first that is free: that of a trial that was killed, or the next one. So a search that goes
    on draws what it would have drawn, and two workers never draw alike.

    `inner` draws. The seeds of the places come from its random states, or from `seed`. `own` is the
    worker, `n_trials` how many are asked for: one beyond, begun at the same time as the last by
    another worker, is closed again.
    """

    def __init__(self, inner: BaseSampler, own: Worker, n_trials: int, seed: int | None) -> None:
        self.inner = inner
        self.study = own.study
        self.own = own
        self.n_trials = n_trials
        self.states = list(_random_states(inner, set()))
        self.seeds = [int(state.randint(2**31)) if seed is None else seed for state in self.states]

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        with alone(self.study):
            self.own.close_abandoned(begun=trial.number)
            place = self._take_place(trial)
            if n_taken(self.study, before=trial.number) >= self.n_trials:
                self.own.close(trial)
                raise NotNeeded("Others are at the last trials.")
        for state, seed in zip(self.states, self.seeds, strict=True):
            (own,) = np.random.SeedSequence([seed, place]).generate_state(1)
            state.seed(int(own))
        self.inner.before_trial(study, trial)

    def _take_place(self, trial: FrozenTrial) -> int:
        while True:
            place = _first_free(_held(self.study, trial.number))
            self.own.sign(trial, place)
            # Of two that began at the same time and did not see each other, the first keeps it.
            others = _holding(self.study, trial.number)
            if all(each.number > trial.number or _place(each) != place for each in others):
                return place

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self.inner.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self.inner.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self.inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        self.inner.after_trial(study, trial, state, values)


def n_taken(study: Study, before: int | None = None) -> int:
    """Count the trials that are finished, and those that run, of these the ones `before` a number.

    A trial that failed takes none: it is made up for.
    """
    running = [each for each in running_trials(study) if before is None or each.number < before]
    return len(study.get_trials(deepcopy=False, states=FINISHED)) + len(running)


def _held(study: Study, number: int) -> set[int]:
    """Give the places that the others hold.

    Trials before it that do not state theirs, just begun or of an earlier version, hold the first
    ones that are free, in their order.
    """
    others = _holding(study, number)
    held = {place for each in others if (place := _place(each)) is not None}
    for each in others:
        if _place(each) is None and each.number < number:
            held.add(_first_free(held))
    return held


def _holding(study: Study, number: int) -> list[FrozenTrial]:
    trials = (each for each in study.get_trials(deepcopy=False) if each.number != number)
    return [each for each in trials if counts(each) or each.state is TrialState.RUNNING]


def _place(trial: FrozenTrial) -> int | None:
    return trial.user_attrs.get(PLACE)


def _first_free(held: set[int]) -> int:
    return next(place for place in range(len(held) + 1) if place not in held)


def _random_states(thing: Any, seen: set[int]) -> Iterator[np.random.RandomState]:
    """Find the random states of a sampler, and of the samplers in it; Optuna cannot set them."""
    for value in vars(thing).values():
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, np.random.RandomState):
            yield value
        elif isinstance(value, BaseSampler):
            yield from _random_states(value, seen)
        elif isinstance(state := getattr(value, "rng", None), np.random.RandomState):
            yield state
