"""Named plug-ins: one registry a kind, filled by the package, by callers and by entry points."""

from __future__ import annotations

import difflib
import os
import pickle
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache, lru_cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Any

_LISTED = 20

# A registration: the group of the registry, the name, and what makes the plug-in, pickled.
Registration = tuple[str, str, bytes]

_registries: dict[str, Registry] = {}


def nearest_name(name: str, choices: Iterable[str]) -> str:
    """Help with a misspelt name: "Did you mean 'x'? Known: ..." or "Known: ..."."""
    names = sorted(choices)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    shown = ", ".join(map(repr, names[:_LISTED])) or "none"
    more = f", ... ({len(names)} in all)" if len(names) > _LISTED else ""
    return f"{hint}Known: {shown}{more}."


class Registry:
    """Names for plug-ins of one kind, such as "encoder".

    Members of the entry-point group belong to the registry as well. A member is imported when it is
    first asked for.

    `version` counts what was registered, for what is kept of the names.
    """

    def __init__(self, kind: str, group: str) -> None:
        self.kind = kind
        self.group = group
        self.version = 0
        self._factories: dict[str, Callable[[], Any]] = {}
        _registries[group] = self

    def register(self, name: str, factory: Callable[[], Any]) -> None:
        """Add a plug-in by what makes it, without arguments and so with its default parameters.

        That is usually its class. A name that is no text, or taken, is an error.
        """
        if not isinstance(name, str) or not name:
            raise TypeError(f"The name of the {self.kind} must be a text, got {name!r}.")
        if not callable(factory):
            raise TypeError(
                f"{self.kind} {name!r}: register its class or a function that makes it, "
                f"not an object of type {type(factory).__name__}."
            )
        taken = self._factories.get(name, factory)
        # A notebook cell that is run again defines its class anew: the same thing, not a clash.
        if taken is not factory and _home(taken) != _home(factory):
            raise ValueError(
                f"The {self.kind} {name!r} exists already; register yours under another name."
            )
        self._factories[name] = factory
        self.version += 1

    def names(self) -> list[str]:
        """List the names, sorted, those of installed entry points included."""
        installed = _installed(self.group).names
        return sorted(installed | set(self._factories))

    def make(self, name: str) -> Any:
        """Make the plug-in of a name, with its default parameters.

        An error for an unknown name holds the nearest one. Two different plug-ins of one name, and
        an installed package that cannot be imported or offers no factory, are errors that say so.
        """
        found: dict[str, Callable[[], Any]] = {}
        if name in self._factories:
            found["registered in this process"] = self._factories[name]
        for point in _installed(self.group).select(name=name):
            found[_describe(point)] = self._load(point)
        factories = list(found.values())
        if not factories:
            raise ValueError(f"Unknown {self.kind} {name!r}. {nearest_name(name, self.names())}")
        if any(factory is not factories[0] for factory in factories):
            raise ValueError(
                f"There are {len(found)} plug-ins for {self.kind} {name!r}: {'; '.join(found)}. "
                f"Give the object instead of its name, or uninstall a package."
            )
        return factories[0]()

    def _load(self, point: EntryPoint) -> Callable[[], Any]:
        """Import what an installed package offers, or say which package is broken."""
        try:
            factory: Callable[[], Any] = point.load()
        except Exception as error:
            raise ImportError(
                f"{self.kind} {point.name!r}, {_describe(point)}, cannot be imported: "
                f"{type(error).__name__}: {error}. Mend or uninstall that package."
            ) from error
        if not callable(factory):
            raise TypeError(
                f"{self.kind} {point.name!r}, {_describe(point)}, must lead to a class or a "
                f"function, not to an object of type {type(factory).__name__}."
            )
        return factory


def registered() -> list[Registration]:
    """Give what was registered from outside of the package, to take it to another process."""
    from joblib import wrap_non_picklable_objects  # brings numpy, which a `--help` does without

    found = []
    for group, registry in _registries.items():
        for name, factory in registry._factories.items():
            if not _home(factory)[0].startswith("skedema."):
                with suppress(Exception):  # what cannot go along is missed where it is asked for
                    whole = wrap_non_picklable_objects([factory], keep_wrapper=False)
                    found.append((group, name, pickle.dumps(whole)))
    return found


def register_again(registrations: Iterable[Registration]) -> None:
    """Register what was `registered` in another process, as far as it can be found here."""
    for each in registrations:
        with suppress(Exception):
            _register_again(*each)


@cache  # once, not for each task
def _register_again(group: str, name: str, factory: bytes) -> None:
    _registries[group].register(name, *pickle.loads(factory))


def _installed(group: str) -> EntryPoints:
    """Give what installed packages have in a group of entry points."""
    return _entry_points(group, tuple((folder, _changed(folder)) for folder in sys.path))


@lru_cache  # to look into hundreds of packages takes longer than to read a small scan
def _entry_points(group: str, folders: tuple[tuple[str, int | None], ...]) -> EntryPoints:
    return entry_points(group=group)


def _changed(folder: str) -> int | None:
    """Tell when a package was last installed into a folder or taken away, in ns."""
    try:
        return os.stat(folder or ".").st_mtime_ns
    except OSError:
        return None


def _describe(point: EntryPoint) -> str:
    package = "an unnamed package" if point.dist is None else f"package {point.dist.name!r}"
    return f"entry point '{point.name} = {point.value}' of {package}"


def _home(factory: Callable[[], Any]) -> tuple[str, str]:
    return getattr(factory, "__module__", ""), getattr(factory, "__qualname__", repr(factory))
