"""How many members a network has, and which patients each of them leaves out.

Of some hundred patients none can be spared to watch when to stop. A member leaves out a part of
them, and another member another part, so that everyone is learned from and everyone is watched, as
in a cross-validation; in prediction all members are asked. Such networks are the cross-validation
committees of Parmanto, Munro and Doyle, "Improving committee diagnosis with resampling techniques"
(NIPS 1995).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from skedema._training.patients import Patients
from skedema._training.target import Target

# "auto": members, and the numbers of patients and of those in each group from which on there are
# several. More patients than the last can spare a part that watches a single network.
_MEMBERS, _FROM, _IN_GROUP, _TO = 4, 40, 10, 500


def count_members(n_members: int | str, target: Target, trained: bool) -> int:
    """Decide how many members learn such a target.

    An encoder that is `trained` with the network learns from everyone, so that nobody would be left
    out: there is one member. Of a class with a single patient one member would learn nothing.
    """
    sizes = target.sizes
    if n_members != "auto":
        if trained and n_members != 1:
            raise ValueError(
                f"n_members={n_members} needs an encoder that is not trained with the classifier, "
                "which would learn from those whom a member leaves out. Use fine_tune=False, or "
                "n_members=1."
            )
        if n_members != 1 and (sizes == 1).any():
            one, several = target.kind.group
            raise ValueError(
                f"n_members={n_members} needs two patients of each {one}, since a member leaves "
                f"one out; the {several} have {sizes.tolist()}. Use n_members=1."
            )
        return int(n_members)
    are_enough = not trained and _FROM <= len(target.values) <= _TO and sizes.min() >= _IN_GROUP
    return _MEMBERS if are_enough else 1


def shared_out(
    patients: Patients, strata: np.ndarray, n_members: int, seed: int
) -> tuple[Patients, Patients]:
    """Give those to learn from and those to watch, with a weight for each member.

    Both are everyone: a patient is learned from by all members but one, and watched by that one;
    only these are asked, and the others have a weight of 0. The parts have the same share of each
    of the `strata`, as far as numbers allow.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(patients))
    by_stratum = shuffled[np.argsort(strata[shuffled], kind="stable")]
    part = np.empty(len(patients), dtype=int)
    part[by_stratum] = np.arange(len(patients)) % n_members
    left_out = torch.as_tensor(part[:, None] == np.arange(n_members))
    weight = patients.weight[:, None]
    learned, watched = weight * ~left_out, weight * left_out
    tiny = torch.finfo(weight.dtype).tiny
    learned = learned / learned.mean(dim=0).clamp_min(tiny)
    return (
        replace(patients, weight=learned, asked=~left_out),
        replace(patients, weight=watched * n_members, asked=left_out),
    )
