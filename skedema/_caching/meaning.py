"""Digests of what people give, equal in other processes and later sessions where it is the same."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator

# How something is computed and shown, not what.
_FREE = {
    *("n_jobs", "verbose", "memory", "remote", "max_bytes"),
    *("checkpoint_dir", "checkpoint_minutes"),
}


def digest(thing: object, name: str) -> str:
    """Digest a thing by what it means.

    Parameters
    ----------
    thing : object
        An estimator counts by its class, the code of that, and its parameters, other than those
        of where and how it computes (`n_jobs`, `memory`, `checkpoint_dir` and the like); a frozen
        one by what it has learned; a table by its columns; a scan given as a path by the path; a
        function by its code.
    name : str
        What it is, for the message.

    Returns
    -------
    str
        32 hexadecimal digits.

    Raises
    ------
    TypeError
        When it cannot be pickled.
    """
    from skedema._caching.identity import identity  # brings torch, which evaluation does without

    try:
        found = identity(_plain(thing))
    except RecursionError:
        found = None
    if found is None:
        raise TypeError(
            f"{name} cannot be told from others in a later session, since it holds something that "
            "cannot be pickled. It can be used without a storage."
        )
    return found[:32]


def _plain(thing: Any, *, fitted: bool = False) -> Any:  # noqa: C901 - a kind of thing a branch
    """Turn a thing into tuples and arrays that are equal where it means the same."""
    if thing is None or thing is pd.NA or thing is pd.NaT:
        return None
    if isinstance(thing, (bool, int, float, complex, str, bytes)):
        return thing
    if isinstance(thing, os.PathLike):
        # A scan at an address states what it is; its path is that of a copy, which it would fetch.
        return getattr(thing, "meaning", None) or os.fspath(thing)
    if isinstance(thing, np.generic):
        return thing.item()
    if isinstance(thing, np.ndarray):
        return _values(thing, fitted)
    if isinstance(thing, Mapping):
        items = [(str(key), _plain(thing[key], fitted=fitted)) for key in thing]
        return ("mapping", *sorted(items, key=lambda item: item[0]))
    if isinstance(thing, (set, frozenset)):  # their order differs from process to process
        return ("set", *sorted(repr(_plain(each)) for each in thing))
    if isinstance(thing, (list, tuple)):
        return ("sequence", *(_plain(each, fitted=fitted) for each in thing))
    if isinstance(thing, FrozenEstimator):
        return ("frozen", _plain(thing.estimator, fitted=True))
    if hasattr(thing, "get_params") and not isinstance(thing, type):
        return _estimator(thing, fitted)
    columns = _columns(thing)
    if columns is not None:
        return ("table", *((name, _values(values, fitted)) for name, values in columns))
    return thing


def _values(values: np.ndarray, fitted: bool) -> Any:
    if values.dtype.kind in "OT":
        cells = (None if _is_nan(cell) else _plain(cell, fitted=fitted) for cell in values.flat)
        return ("objects", values.shape, *cells)
    return np.ascontiguousarray(values)


def _is_nan(cell: Any) -> bool:
    return isinstance(cell, float) and np.isnan(cell)


def _estimator(estimator: Any, fitted: bool) -> Any:
    if fitted and hasattr(estimator, "features_digest"):
        features = estimator.features_digest()
        if features is not None:  # its state holds the seconds of its training as well
            return (type(estimator), features)
    content = estimator.__getstate__() if fitted else estimator.get_params(deep=False)
    kept = {k: v for k, v in content.items() if k not in _FREE and k != "_sklearn_version"}
    return (type(estimator), _plain(kept, fitted=fitted))


def _columns(thing: Any) -> list[tuple[str, np.ndarray]] | None:
    """List the columns of a table or series; rows count by their order, not by an index."""
    if isinstance(thing, pd.Series):
        return [("", np.asarray(thing))]
    if isinstance(thing, pd.DataFrame):  # names may be repeated, or no text
        return [(repr(name), np.asarray(thing.iloc[:, k])) for k, name in enumerate(thing.columns)]
    table = nw.from_native(thing, eager_only=True, allow_series=True, pass_through=True)
    if isinstance(table, nw.Series):
        return [("", table.to_numpy())]
    if isinstance(table, nw.DataFrame):
        return [(repr(name), table[name].to_numpy()) for name in table.columns]
    return None
