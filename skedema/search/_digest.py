"""What a search is, so that it goes on from its own trials only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.distributions import distribution_to_json

from skedema._caching.meaning import digest
from skedema.search.objective import CrossValidatedObjective


def search_parts(objective: CrossValidatedObjective, scoring: Any) -> dict[str, str]:
    """Digest all that decides the scores of a search; gives the digests by what they are of.

    They are the same in other processes and later sessions, whatever `n_jobs`, `verbose` and
    `memory` are. A scan given as a path counts by the path. What cannot be digested is a TypeError.
    """
    space: Any = objective.space
    if isinstance(space, Mapping):
        space = {name: distribution_to_json(space[name]) for name in space}
    parts = {
        "estimator": objective.estimator,
        "space": space,
        "scoring": scoring,
        "cv": objective.splits,
        "fit_params": objective.fit_params,
        "X": objective.X,
        "y": objective.y,
    }
    return {name: digest(part, name) for name, part in parts.items()}
