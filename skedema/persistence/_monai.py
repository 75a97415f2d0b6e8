"""Networks of MONAI, as far as they are made of numbers alone."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from torch import nn

from skedema._extras import how_to_install
from skedema.persistence._errors import Damaged, Unsupported

_FROM_ELSEWHERE = re.compile("pretrain|url|path|file|dir|weights|checkpoint", re.IGNORECASE)
_OF_TRAINING = re.compile("use_checkpoint|gradient_checkpoint|dropout_path")


def taken(encoder: Any) -> dict[str, Any]:
    """Give the parameters of an encoder whose network reads nothing when it is made."""
    held: dict[str, Any] = encoder.get_params(deep=False)
    _check(held)
    return held


def made(cls: Any, held: dict[str, Any]) -> Any:
    """Make the encoder again, if its network reads nothing when it is made."""
    try:
        _check(held)
    except Unsupported as error:
        raise Damaged(f"it holds an encoder of MONAI, and {error}") from error
    return cls(**held)


def _check(held: Mapping[str, Any]) -> None:
    name, given = str(held["name"]), dict(held.get("arguments") or {})
    try:
        factory = getattr(import_module("monai.networks.nets"), name, None)
    except ImportError as error:
        raise Unsupported(
            f"without MONAI nobody can tell what its network reads: {how_to_install('monai')}"
        ) from error
    home = getattr(factory, "__module__", "")
    if not home.startswith("monai.networks.nets.") or not _is_network(factory, name):
        raise Unsupported(f"MONAI has no network {name[:80]!r}")
    for argument, value in {**_defaults(factory), **given}.items():
        text = str(argument)
        if value and _FROM_ELSEWHERE.search(text) and not _OF_TRAINING.match(text):
            raise Unsupported(
                f"its argument {text} reads weights from elsewhere, and only networks that are "
                f"made of numbers alone can be made again: give {text}=False in its arguments, "
                "and fit anew"
            )


def _is_network(factory: Any, name: str) -> bool:
    """Tell networks, and functions that make one, from those that help to."""
    if inspect.isclass(factory):
        return issubclass(factory, nn.Module)
    return inspect.isfunction(factory) and "_" not in name


def _defaults(factory: Any) -> dict[str, Any]:
    """Give what a network is made with where nobody says otherwise."""
    parameters = inspect.signature(factory).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not each.empty}
