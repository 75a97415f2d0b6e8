"""What a cluster's worker is sent, and what it sends back."""

from __future__ import annotations

import pickle
import traceback
from dataclasses import dataclass
from typing import Any

import cloudpickle

from skedema._each._lost import LostTaskError


def packed(thing: Any) -> bytes:
    """Pickle what may be of a notebook; bytes are what no cluster looks into."""
    return bytes(cloudpickle.dumps(thing, protocol=5))


@dataclass(frozen=True)
class Failed:
    """An error of a task itself: sent back, so that only what fails otherwise is tried again."""

    error: Exception
    text: str


def do(call: Any, own: bytes) -> Any:
    """Do a task with the arguments that are its own; an error is given back."""
    try:
        return call(*pickle.loads(own))
    except Exception as error:
        return Failed(error, traceback.format_exc())


class RemoteTracebackError(Exception):
    """Where in a worker an error was raised, as text."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def checked(result: Any) -> Any:
    """Give what a task gave, or raise its error."""
    if isinstance(result, Failed):
        raise result.error from RemoteTracebackError(result.text)
    return result


def lost(cluster: str, name: str) -> LostTaskError:
    """Make the error of a task whose workers were lost again and again."""
    return LostTaskError(
        f"The workers of {cluster} that did {name} were lost again and again; all other tasks were "
        "finished. Usually memory did not suffice: give each worker more of it, and one thread."
    )
