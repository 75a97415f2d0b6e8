"""Which of a patient's values moved the prediction, and by how much."""

from __future__ import annotations

from collections.abc import Callable
from math import comb
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from skedema.inspection._asked import Asked

#: Up to so many known variables all coalitions are asked for, at most 1,024.
MOST_EXACT = 10
#: Probabilities of 0 and 1 have no log-odds: they count as so far away.
SMALLEST = 1e-6

#: Which variables are known, one row a coalition; to what each is worth, one row each.
Worth = Callable[[NDArray[np.bool_]], NDArray[np.float64]]


def contributions(
    asked: Asked, k: int, *, n_permutations: int, random_state: np.random.RandomState
) -> pd.DataFrame:
    """Give the Shapley value of each variable, in the order of the columns.

    The worth of a coalition is what the classifier says when its variables are known and all others
    are missing. What is missing anyway moves nothing.

    Returns
    -------
    DataFrame
        By variable: ``value``, ``log_odds``, ``probability``, ``std_error`` of the log-odds (0
        where all coalitions were asked). ``attrs["nothing_known"]`` is the probability of class `k`
        where nothing is known.
    """
    known = asked.known

    def worth(members: NDArray[np.bool_]) -> NDArray[np.float64]:
        changes = [
            {name: None for name, there in zip(known, row, strict=True) if not there}
            for row in members
        ]
        probability = asked.answers(changes)[:, k]
        return np.column_stack([log_odds(probability), probability])

    if len(known) <= MOST_EXACT:
        values, errors = exact(worth, len(known))
    else:
        values, errors = sampled(worth, len(known), n_permutations, random_state)
    nothing = float(worth(np.zeros((1, len(known)), dtype=bool))[0, 1])
    table = pd.DataFrame(
        0.0,
        index=pd.Index(asked.variables, name="variable"),
        columns=["log_odds", "probability", "std_error"],
    )
    table.loc[known, ["log_odds", "probability"]] = values
    table.loc[known, "std_error"] = errors[:, 0]
    cells = [shown(asked, name) for name in asked.variables]
    table.insert(0, "value", np.array([*cells, None], dtype=object)[:-1])  # None stays None
    table.attrs["nothing_known"] = nothing
    return table


def shown(asked: Asked, name: Any) -> Any:
    """Give a value as it is; of a scan, that there is one, since a path may name the patient."""
    if name not in asked.known:
        return None
    return "scan" if name in asked.scans else plain(asked.row[name].iloc[0])


def plain(value: Any) -> Any:
    """Take a number or a text out of numpy, which writes it otherwise."""
    return value.item() if isinstance(value, np.generic) else value


def log_odds(probability: Any) -> NDArray[np.float64]:
    inside = np.clip(np.asarray(probability, dtype=np.float64), SMALLEST, 1 - SMALLEST)
    return np.asarray(logit(inside))


def exact(worth: Worth, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give Shapley values by all coalitions: Lundberg and Lee (2017), equation 8."""
    members = (np.arange(2**n)[:, None] >> np.arange(n)) % 2 == 1
    values = worth(members)
    size = members.sum(axis=1)
    found = np.zeros((n, values.shape[1]))
    for player in range(n):
        without = np.flatnonzero(~members[:, player])
        share = 1 / (n * np.array([comb(n - 1, each) for each in size[without]]))
        found[player] = share @ (values[without + 2**player] - values[without])
    return found, np.zeros_like(found)


def sampled(
    worth: Worth, n: int, n_permutations: int, rng: np.random.RandomState
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimate Shapley values by permutations, each forwards and backwards, with standard errors.

    Strumbelj and Kononenko (2014), algorithm 1; pairs of a permutation and its reverse after
    Mitchell et al., "Sampling permutations for Shapley value estimation" (JMLR 23, 2022), section
    3. Within a permutation the steps add up to the whole, so that the estimates do.
    """
    orders = [rng.permutation(n) for _ in range(n_permutations)]
    ranks = np.array([np.argsort(each) for order in orders for each in (order, order[::-1])])
    steps = np.arange(n + 1)
    members = ranks[:, None, :] < steps[None, :, None]  # (permutations, steps, variables)
    flat, place = np.unique(members.reshape(-1, n), axis=0, return_inverse=True)
    values = worth(flat)[place.ravel()].reshape(len(ranks), n + 1, -1)
    gains = np.diff(values, axis=1)
    of_each = np.take_along_axis(gains, ranks[:, :, None], axis=1)
    pairs = of_each.reshape(n_permutations, 2, n, -1).mean(axis=1)
    return pairs.mean(axis=0), pairs.std(axis=0, ddof=1) / np.sqrt(n_permutations)
