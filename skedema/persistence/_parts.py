"""The classes that a file may name, under names of our own, and how each is taken apart.

A file holds no path of an import: a name leads to a class by this table, or to the plug-in that is
registered under it. An object is made without its constructor, and gets only attributes that the
table allows: its parameters, fitted ones whose names end in ``_``, and those listed.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

from skedema.persistence._errors import Damaged, Unsupported

_FITTED = re.compile(r"[a-z]\w*_", re.IGNORECASE)
_NO_DEFAULT = inspect.Parameter.empty
_PRIVATE = re.compile(r"_[a-zA-Z]\w*")
#: What scikit-learn's estimators may have besides: what `set_output` was told.
_EVERYWHERE = {"_sklearn_output_config"}


@dataclass(frozen=True)
class Part:
    """How objects of a class are kept.

    Parameters
    ----------
    home : str
        Module and class.
    private : tuple of str
        Private attributes that are kept besides parameters and fitted attributes.
    only : tuple of str or None
        All attributes that are kept, for what is no estimator.
    left : dict
        Attributes that are not kept, and what stands in their place afterwards.
    take, make : callable or None
        Give the fields of an object, and the object of a class and of fields, in another way.
    before : callable or None
        Changes the attributes that are going to be kept.
    after : callable or None
        Completes an object.
    """

    home: str | type
    private: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None
    left: Mapping[str, Any] = field(default_factory=dict)
    take: Callable[[Any], dict[str, Any]] | None = None
    make: Callable[[Any, dict[str, Any]], Any] | None = None
    before: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    after: Callable[[Any], object] | None = None
    plug_in: bool = False

    @property
    def cls(self) -> Any:
        """The class."""
        return _imported(self.home) if isinstance(self.home, str) else self.home

    def fields(self, thing: Any) -> dict[str, Any]:
        """Take an object apart."""
        if self.take is not None:
            return self.take(thing)
        held = {**vars(thing)}
        for name in self.left:
            held.pop(name, None)
        unknown = [name for name in held if not self._allows(type(thing), name)]
        if unknown:
            raise Unsupported(f"its attribute {unknown[0]} is none that a file can hold")
        return held if self.before is None else self.before(held)

    def again(self, fields: dict[str, Any]) -> Any:
        """Put an object together."""
        cls = self.cls
        if self.make is not None:
            return self.make(cls, fields)
        for name in fields:
            if name in self.left or not self._allows(cls, name):
                raise Damaged(f"{cls.__name__} has no attribute {name[:40]!r} here")
        made = cls.__new__(cls)
        vars(made).update({**self._absent(cls), **fields})
        if "n_jobs" in vars(made):
            made.n_jobs = _here(made.n_jobs)
        if self.after is not None:
            self.after(made)
        return made

    def _absent(self, cls: Any) -> dict[str, Any]:
        """Give what stands for attributes that the file has not.

        Those are left out on purpose, or parameters that the version that wrote it did not know.
        """
        if self.only is not None:
            return dict(self.left)
        known = _parameters(cls)
        left = {
            name: value
            for name, value in self.left.items()
            if name in known or name.strip("_") != name
        }
        return {name: value for name, value in known.items() if value is not _NO_DEFAULT} | left

    def _allows(self, cls: Any, name: str) -> bool:
        if self.only is not None:
            return name in self.only
        known = name in self.private or name in _EVERYWHERE or name in _parameters(cls)
        if self.plug_in:
            known = known or _PRIVATE.fullmatch(name) is not None
        return known or _FITTED.fullmatch(name) is not None


def of_arguments(*names: str) -> dict[str, Any]:
    """Say of a `Part` that it is made by its constructor, of attributes of these names."""
    return {
        "take": lambda thing: {name: getattr(thing, name) for name in names},
        "make": lambda cls, fields: cls(**fields),
    }


def _here(n_jobs: Any) -> Any:
    """Give as many processes as a file asks for, at most one a core of this machine."""
    most = os.cpu_count() or 1
    try:
        return most if int(n_jobs) > most else n_jobs  # as joblib does, also of 1e6 and "1000000"
    except (TypeError, ValueError, OverflowError):
        return n_jobs


@cache
def _imported(home: str) -> Any:
    module, _, name = home.partition(":")
    return getattr(import_module(module), name)


@cache
def _parameters(cls: Any) -> dict[str, Any]:
    """Give the parameters of a constructor, and their defaults."""
    given = list(inspect.signature(cls.__init__).parameters.values())[1:]
    named = [each for each in given if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    return {each.name: each.default for each in named}
