"""Named plug-ins: one registry a kind, filled by the package, by callers and by entry points."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from importlib.metadata import entry_points
from typing import Any

_LISTED = 20


def nearest_name(name: str, known: Iterable[str]) -> str:
    """Return a sentence that helps with a misspelt name.

    Parameters
    ----------
    name : str
        What was asked for.
    known : iterable of str
        What there is.

    Returns
    -------
    str
        "Did you mean 'x'? Known: ..." or "Known: ...".
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    shown = ", ".join(map(repr, names[:_LISTED])) or "none"
    more = f", ... ({len(names)} in all)" if len(names) > _LISTED else ""
    return f"{hint}Known: {shown}{more}."


class Registry:
    """Names for plug-ins of one kind.

    Parameters
    ----------
    kind : str
        What the plug-ins are, for messages, such as "encoder".
    group : str
        The entry-point group whose members belong to the registry as well. A member is
        imported when it is first asked for.
    """

    def __init__(self, kind: str, group: str) -> None:
        self.kind = kind
        self.group = group
        self._factories: dict[str, Callable[[], Any]] = {}

    def register(self, name: str, factory: Callable[[], Any]) -> None:
        """Add a plug-in.

        Parameters
        ----------
        name : str
            The name users will write.
        factory : callable
            Called without arguments, gives a plug-in with its default parameters; usually the
            plug-in's class.

        Raises
        ------
        TypeError
            When `name` is not a text or `factory` cannot be called.
        ValueError
            When another plug-in has the name.
        """
        if not isinstance(name, str) or not name:
            raise TypeError(f"The name of the {self.kind} must be a text, got {name!r}.")
        if not callable(factory):
            raise TypeError(
                f"{self.kind} {name!r}: register its class or a function that makes it, "
                f"not an object of type {type(factory).__name__}."
            )
        if self._factories.get(name, factory) is not factory:
            raise ValueError(
                f"There is a {self.kind} named {name!r} already; register yours under another name."
            )
        self._factories[name] = factory

    def names(self) -> list[str]:
        """List the known names.

        Returns
        -------
        list of str
            Sorted, those of installed entry points included.
        """
        installed = {point.name for point in entry_points(group=self.group)}
        return sorted(installed | set(self._factories))

    def make(self, name: str) -> Any:
        """Make the plug-in of a name, with its default parameters.

        Parameters
        ----------
        name : str
            A registered name.

        Returns
        -------
        object
            The plug-in.

        Raises
        ------
        ValueError
            When nothing has the name; the message holds the nearest one.
        """
        if name in self._factories:
            return self._factories[name]()
        for point in entry_points(group=self.group):
            if point.name == name:
                return point.load()()
        raise ValueError(f"Unknown {self.kind} {name!r}. {nearest_name(name, self.names())}")
