"""Networks of images, made again of their settings alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from skedema.encoders.slices.backbone import LIBRARIES, RANDOM
from skedema.persistence._errors import Damaged


def without_places(held: dict[str, Any]) -> dict[str, Any]:
    """Leave out where files lie on the machine where an encoder was fitted."""
    backbone = os.fspath(held["backbone"])
    library, _, name = backbone.partition(":")
    place = name if library in LIBRARIES else backbone
    held["backbone"] = "" if library not in LIBRARIES or Path(place).is_dir() else backbone
    if held["weights"] not in (None, RANDOM):
        held["weights"] = ""
    return held


def taken(network: Any) -> dict[str, Any]:
    """Take a network of slices apart."""
    fields = {name: getattr(network, name) for name in ("backbone", "size", "pool", "origin")}
    for name in ("mean", "std"):
        fields[name] = getattr(network, name).flatten().tolist()
    return fields | {"n_slices": network.grid[2]}


def made(cls: Any, fields: dict[str, Any]) -> Any:
    """Make a backbone with random weights; nothing is read or fetched."""
    try:
        return cls(**fields)
    except (ImportError, ValueError) as error:
        raise Damaged(f"its network of images cannot be made again: {error}") from error
