"""Features of scans, each computed once however often a model asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import RLock, local
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import nn

from skedema._caching.cache import Cache
from skedema._caching.identity import module_identity
from skedema._each import bar
from skedema._scan_column import Scans
from skedema.scans import VolumeReader
from skedema.scans._content import kept_as
from skedema.scans.cache import reading

#: Bytes of features that are kept: 256 MiB, those of 700,000 scans at 96 numbers each.
DEFAULT_MAX_BYTES = 2**28

# Features on disk outlive the code that made them: raise this when an encoder gives other numbers.
_ENCODING = 1
_this_thread = local()


class FeatureCache:
    """Features that were computed, the least recently used dropped first.

    The key of a feature is its scan (`scan_key`: a file that was written anew is another scan) and
    a recipe, a text that tells all that the numbers depend on: reader, weights, precision. With a
    `memory` features are also on disk, there by the content of the file. Safe to use from several
    threads: what two of them ask for at once is computed once.

    Parameters
    ----------
    max_bytes : int, default=2**28
        Bytes of features to keep between calls. A call gives all that it is asked for, even where
        that is more.

    Attributes
    ----------
    n_encoded : int
        How many scans were encoded so far (not found in memory or on disk).
    """

    def __init__(self, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.n_encoded = 0
        self._kept: Cache[np.ndarray] = Cache("features", _ENCODING, max_bytes, kept_as)
        self._locks: WeakValueDictionary[str, Any] = WeakValueDictionary()
        self._choosing = RLock()

    def get(
        self,
        scans: Scans,
        rows: np.ndarray,
        recipe: str | None,
        encode: Callable[[np.ndarray], Iterable[np.ndarray]],
        *,
        memory: Path | None = None,
        verbose: int = 0,
    ) -> np.ndarray:
        """Give the features of scans, computing those that are not kept.

        Each is kept as soon as it is there, so that an interrupt loses one scan's work.

        Parameters
        ----------
        scans : Scans
            A group of patients.
        rows : ndarray of int of shape (n,)
            Which of them, at least one; they have a scan.
        recipe : str or None
            All that features depend on but the scan; None to compute them in any case.
        encode : callable
            From rows to the features of each, one after the other. They do not depend, in any
            bit, on which others are asked for.
        memory : path or None, default=None
            Where features are also kept on disk: in the folder ``skedema/features`` of it.
        verbose : int, default=0
            Above 0, shows how many scans are left, on standard error.

        Returns
        -------
        ndarray of shape (n, ...)
            A new array.

        Raises
        ------
        ScanError
            If a scan cannot be read; the message names row and file.
        """
        if recipe is None:
            self.n_encoded += len(rows)
            return np.stack(list(_shown(encode(rows), len(rows), verbose)))
        keys = [(scans.key(row), recipe) for row in rows]
        found = self._kept.find(keys)
        if len(found) < len(set(keys)):
            with self._lock_of(recipe):
                found |= self._kept.find([key for key in keys if key not in found], memory)
                missing = {key: row for key, row in zip(keys, rows, strict=True)}
                missing = {key: row for key, row in missing.items() if key not in found}
                todo = np.array(list(missing.values()), dtype=int)
                encoded = _shown(encode(todo), len(todo), verbose) if missing else iter(())
                for (key, row), feature in zip(missing.items(), encoded, strict=True):
                    # An encoder that keeps features itself has counted already.
                    self.n_encoded += self._kept.peek(key) is None
                    found[key] = feature
                    # A file that was written anew meanwhile is not what the key tells.
                    if scans.key(row) == key[0]:
                        self._kept.put(key, feature, memory)
        return np.stack([found[key] for key in keys])

    def clear(self) -> None:
        """Forget all features; `n_encoded` stays."""
        self._kept.clear()

    @property
    def nbytes(self) -> int:
        """Bytes of features held now."""
        return self._kept.nbytes

    def _lock_of(self, recipe: str) -> Any:
        with self._choosing:
            return self._locks.setdefault(recipe, RLock())

    def __reduce__(self) -> tuple[type[FeatureCache], tuple[int]]:
        return type(self), (self._kept.max_bytes,)


def _shown(encoded: Iterable[np.ndarray], n: int, verbose: int) -> Iterator[np.ndarray]:
    """Show progress, unless an outer call does so already."""
    if not verbose or getattr(_this_thread, "shows", False):
        yield from encoded
        return
    _this_thread.shows = True
    try:
        with bar("encoding scans", "scan", n) as progress:
            for feature in encoded:
                progress.update()
                yield feature
    finally:
        _this_thread.shows = False


def recipe_of(
    module: nn.Module, reader: VolumeReader, device: torch.device, *settings: object
) -> str | None:
    """Tell all that the features of a torch module depend on besides the scan.

    Parameters
    ----------
    module : Module
        In evaluation mode.
    reader : VolumeReader
        How scans are read for it.
    device : torch.device
        Where it computes; kinds of device differ in last bits, and so may versions of torch.
    *settings : object
        What else decides, each told by its text.

    Returns
    -------
    str or None
        None where the module cannot be pickled.
    """
    weights = module_identity(module)
    if weights is None:
        return None
    parts = [weights, *settings, device.type, f"torch {torch.__version__}", reading(reader)]
    return ", ".join(map(str, parts))


def recipe_of_mirrored(recipe: str | None) -> str | None:
    """Tell what the features of scans that are mirrored left to right depend on."""
    return None if recipe is None else f"{recipe}, mirrored left to right"


#: The cache of this process.
features = FeatureCache()
