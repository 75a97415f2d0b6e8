"""What a trial draws: decided by its place in the search, not by what was drawn before it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from skedema.search._workers import PLACE, close_abandoned, counts, sign


class PlacedSampler(BaseSampler):
    """A sampler whose random state is set before each trial, by the trial's place.

    Places are 0, 1, 2, ...; each is held by one trial that counts or is running. A trial takes
    the first that is free: that of a trial that was killed, or the next one. So a search that goes
    on draws what it would have drawn, and two workers never draw alike.

    `inner` draws. The seeds of the places come from its random states, or from `seed`. `own` is the
    name of the worker.
    """

    def __init__(self, inner: BaseSampler, study: Study, own: str, seed: int | None) -> None:
        self.inner = inner
        self.study = study
        self.own = own
        self.states = list(_random_states(inner, set()))
        self.seeds = [int(state.randint(2**31)) if seed is None else seed for state in self.states]

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        close_abandoned(self.study, self.own, begun=trial.number)
        place = self._take_place(trial)
        for state, seed in zip(self.states, self.seeds, strict=True):
            (own,) = np.random.SeedSequence([seed, place]).generate_state(1)
            state.seed(int(own))
        self.inner.before_trial(study, trial)

    def _take_place(self, trial: FrozenTrial) -> int:
        while True:
            place = _first_free(_held(self.study, trial.number))
            sign(self.study, trial, self.own, place)
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
