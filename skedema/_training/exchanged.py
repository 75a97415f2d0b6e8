"""Parts that are given by a name or by default, and so have no parameters to be set."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any

from skedema.encoders import make_encoder
from skedema.fusion import make_fusion
from skedema.refiners import make_refiner

# What makes an object of a name, and what to give where there is none.
_EXCHANGED: dict[str, tuple[Callable[[Any], Any] | None, str]] = {
    "encoder": (make_encoder, "skedema.encoders.CNN()"),
    "fusion": (make_fusion, "skedema.fusion.CrossAttention()"),
    "refiner": (make_refiner, "skedema.refiners.Mixer()"),
    "volume": (None, "skedema.VolumeReader()"),
    "metadata": (None, "skedema.ClinicalTokenizer()"),
}


def refuse_to_reach_into_names(estimator: Any, params: Mapping[str, Any]) -> None:
    """Refuse to set parameters of what is a name or a default, and will be."""
    for name in params:
        outer, _, inner = name.partition("__")
        holder = params.get(outer, getattr(estimator, outer, None))
        if inner and outer in _EXCHANGED and (holder is None or isinstance(holder, str | list)):
            of_list = isinstance(holder, list)
            remedy = _remedy(outer, holder)
            raise ValueError(
                f"{name} cannot be set while {outer}={holder!r}: a "
                f"{'list' if of_list else 'name'} has no parameters. "
                f"Give an object first, such as {outer}={remedy}."
            )


def _remedy(parameter: str, given: Any) -> str:
    """Write the object that a parameter can be given in place of a name, a list or None."""
    make, otherwise = _EXCHANGED[parameter]
    if isinstance(given, list):
        return "skedema.encoders.make_encoder([...])"
    if make is None or not isinstance(given, str):
        return otherwise
    made = make(given)
    kind = type(made)
    within = accumulate(kind.__module__.split("."), "{}.{}".format)
    known = (
        place for place in within if getattr(sys.modules.get(place), kind.__name__, None) is kind
    )
    return f"{next(known, kind.__module__)}.{made!r}"
