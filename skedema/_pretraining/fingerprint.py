"""What makes a run what it is, so that no run goes on from the checkpoint of another."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
from torch import nn

from skedema._caching.digest import digest
from skedema._pretraining.loop import Training
from skedema.scans.cache import reading

# May differ between a run and its continuation. `volume` is told by what it comes to.
_FREE = {
    "volume",
    "pool",
    "memory",
    "device",
    "n_jobs",
    "warm_start",
    "checkpoint_dir",
    "checkpoint_minutes",
    "check",
    "verbose",
}


def fingerprint(
    params: Mapping[str, Any], training: Training, start: nn.Module | None
) -> dict[str, str]:
    """Say in words what decides a run; equal for runs that come to the same weights.

    A `random_state` that is no integer may be any: the checkpoint knows the seed. `start` is the
    network that the run goes on from, if it does not begin anew.
    """
    found = {name: _text(value) for name, value in params.items() if name not in _FREE}
    if not isinstance(params["random_state"], Integral):
        found["random_state"] = "any"
    views = training.augmentation
    found["augment"] = "None" if views is None else repr(views.get_params())
    found["volume"] = reading(training.start.reader)
    found["scans"] = f"{len(training.source)} with digest {training.source.digest()[:16]}"
    if start is not None:
        weights = (value.cpu().contiguous().numpy() for value in start.state_dict().values())
        found["start"] = f"weights with digest {digest(*weights)[:16]}"
    return found


def _text(value: Any) -> str:
    return repr(value.item() if isinstance(value, np.generic) else value)
