"""Features of scans, each computed once however often a model asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from threading import Lock, RLock, local
from typing import Any, ClassVar, NamedTuple, Protocol
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor, nn

from skedema._caching.cache import Cache
from skedema._caching.identity import module_identity
from skedema._device import full_float32, on_device
from skedema._each import bar, n_processes
from skedema._elsewhere import encoded_elsewhere, goes_elsewhere
from skedema._pace import Pace
from skedema._volumes import Volumes
from skedema.modules.fused import as_tokens
from skedema.modules.mirror import mirrored
from skedema.scans import VolumeReader
from skedema.scans._content import kept_as
from skedema.scans.cache import reading

#: Bytes of features that are kept: 256 MiB. These are 700,000 scans at 96 numbers each, or 1,386
#: at the 48,384 numbers of all the default encoder's tokens.
DEFAULT_MAX_BYTES = 2**28

# Features on disk outlive the code that made them: raise this when an encoder gives other numbers.
_ENCODING = 1
_AT_ONCE = 256  # views
_this_thread = local()


class View(NamedTuple):
    """A scan, by its row, as it is or mirrored left to right."""

    row: int
    mirror: bool


class FittedEncoder(Protocol):
    """What turns scans into features, each by itself."""

    #: Whether it computes them; if not, it makes them of features that it asks for.
    computes: ClassVar[bool]

    def recipe(self) -> str | None:
        """Tell all that features depend on but the scan; None where that cannot be told."""

    def encode(self, volumes: Volumes, views: Sequence[View], keep: bool) -> Iterator[np.ndarray]:
        """Give the features of one view after the other, those of a scan together.

        Whether to `keep` volumes tells if they are going to be asked for again.
        """


def by_row(views: Sequence[View]) -> tuple[np.ndarray, Iterator[tuple[int, Iterator[View]]]]:
    """Give the rows of views that stand together, and the views of each."""
    rows = np.array(list(dict.fromkeys(view.row for view in views)), dtype=int)
    return rows, groupby(views, key=lambda view: view.row)


def _tokens(module: nn.Module, volume: Tensor) -> Tensor:
    return as_tokens(module(volume))


@dataclass(frozen=True)
class ModuleEncoder:
    """A torch module, and the reader of its volumes.

    Parameters
    ----------
    module : Module
        In evaluation mode. It stays where it is; on another device a copy computes.
    reader : VolumeReader
        How scans are read for it.
    device : torch.device
        Where to compute.
    settings : tuple
        What else decides, each told by its text.
    dtype : torch.dtype
        Of the volumes.
    function : callable
        From the module and a volume (1, C, X, Y, Z) to (1, ...); features are what is within.
    """

    module: nn.Module
    reader: VolumeReader
    device: torch.device
    settings: tuple[object, ...]
    dtype: torch.dtype = torch.float32
    function: Callable[[Any, Tensor], Tensor] = _tokens
    computes: ClassVar[bool] = True

    def recipe(self) -> str | None:
        weights = module_identity(self.module)
        if weights is None:
            return None
        # Kinds of device differ in last bits, and so may versions of torch.
        versions = self.device.type, f"torch {torch.__version__}", reading(self.reader)
        return ", ".join(map(str, (weights, *self.settings, *versions)))

    def apply(self, batch: Tensor) -> Tensor:
        """Encode volumes (B, C, X, Y, Z) at once; gradients go through."""
        with full_float32(self.device):
            module = on_device(self.module, self.device)
            return self.function(module, batch.to(self.device, self.dtype))

    def encode(self, volumes: Any, views: Sequence[View], keep: bool) -> Iterator[np.ndarray]:
        if goes_elsewhere(volumes, len(views)):
            of_rows = [list(of_row) for _, of_row in by_row(views)[1]]
            return encoded_elsewhere(self.encode_here, volumes, of_rows)
        return self.encode_here(volumes, views, keep)

    def encode_here(self, volumes: Any, views: Sequence[View], keep: bool) -> Iterator[np.ndarray]:
        """Encode one by one: in a batch, the last bits would depend on the others."""
        module = on_device(self.module, self.device)
        rows, of_rows = by_row(views)
        for volume, (_, of_row) in zip(volumes.stream(rows, keep=keep), of_rows, strict=True):
            batch = torch.tensor(volume[None], dtype=self.dtype, device=self.device)
            for view in of_row:
                with torch.inference_mode(), full_float32(self.device):
                    encoded = self.function(module, mirrored(batch) if view.mirror else batch)
                yield encoded[0].cpu().numpy()


@dataclass(frozen=True)
class DerivedEncoder:
    """Features that are made of those of another encoder, which are kept as well.

    Parameters
    ----------
    source : FittedEncoder
        It computes what features are made of.
    derive : callable
        From the features of a view to these.
    digest : str
        What else decides.
    symmetric : bool
        Whether a mirrored scan has the same features, so that it need not be looked at.
    keep : bool
        Whether the source is another one in each fold, so that volumes are asked for again.
    derive_all : callable
        As `derive`, for a batch as a tensor; gradients go through.
    """

    source: ModuleEncoder
    derive: Callable[[np.ndarray], np.ndarray]
    digest: str
    symmetric: bool
    keep: bool
    derive_all: Callable[[Tensor], Tensor]
    computes: ClassVar[bool] = False

    def apply(self, batch: Tensor) -> Tensor:
        """Encode volumes (B, C, X, Y, Z) at once; gradients go through."""
        return self.derive_all(self.source.apply(batch))

    def recipe(self) -> str | None:
        recipe = self.source.recipe()
        return None if recipe is None else f"{recipe}, {self.digest}"

    def encode(self, volumes: Volumes, views: Sequence[View], keep: bool) -> Iterator[np.ndarray]:
        asked = [View(view.row, view.mirror and not self.symmetric) for view in views]
        for start in range(0, len(asked), _AT_ONCE):  # they may be large
            some = asked[start : start + _AT_ONCE]
            for found in features.get(self.source, volumes, some, keep and self.keep):
                yield self.derive(found)


def has_own_way(estimator: object, base: type) -> bool:
    """Tell whether a subclass makes features otherwise than the `base` that hands itself over."""
    names = ("transform", "transform_mirrored", "features_digest")
    return any(getattr(type(estimator), name) is not getattr(base, name) for name in names)


class FeatureCache:
    """Features that were computed.

    The key of a feature is its scan (`scan_key`: a file that was written anew is another scan) and
    the recipe of its encoder. With a `memory` features are also on disk, there by the content of
    the file. Safe to use from several threads: what two of them ask for at once is computed once.

    Parameters
    ----------
    max_bytes : int, default=2**28
        Bytes of features to keep between calls, the least recently used dropped first. A call
        gives all that it is asked for, even where that is more.

    Attributes
    ----------
    n_encoded : int
        How many views of scans were encoded so far (not found in memory or on disk). What an
        encoder asks of another one on the way is part of it.
    """

    def __init__(self, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.n_encoded = 0
        self._kept: Cache[np.ndarray] = Cache("features", _ENCODING, max_bytes, kept_as)
        self._locks: WeakValueDictionary[str, Any] = WeakValueDictionary()
        self._choosing = Lock()

    def get(
        self, encoder: FittedEncoder, volumes: Volumes, views: Sequence[View], keep: bool
    ) -> list[np.ndarray]:
        """Give the features of views, encoding those that are not known.

        Each is kept as soon as it is there, so that an interrupt loses one scan's work.
        """
        recipe = encoder.recipe()
        if recipe is None:
            with _outermost(encoder) as counts:
                self.n_encoded += len(views) * counts
                encoded = encoder.encode(volumes, views, keep)
                return list(_shown(encoded, len(views), volumes, encoder))
        keys = [(volumes.keys[view.row], _recipe_of(view, recipe)) for view in views]
        found = self._kept.find(keys)
        if len(found) < len(set(keys)):
            with self._lock_of(recipe):
                found |= self._kept.find([key for key in keys if key not in found], volumes.memory)
                missing = {k: view for k, view in zip(keys, views, strict=True) if k not in found}
                if missing:
                    found |= self._encoded(encoder, volumes, missing, keep)
        return [found[key] for key in keys]

    def known(self, encoder: FittedEncoder, volumes: Volumes) -> set[int]:
        """Tell of which rows features are at hand, in memory or on disk."""
        recipe = encoder.recipe()
        if recipe is None:
            return set()
        found = self._kept.known([(key, recipe) for key in volumes.keys.values()], volumes.memory)
        return {row for row, key in volumes.keys.items() if (key, recipe) in found}

    def keep(
        self, encoder: FittedEncoder, volumes: Volumes, views: Sequence[View], made: Sequence[Any]
    ) -> None:
        """Keep features that were made elsewhere of what the encoder makes them of."""
        recipe = encoder.recipe()
        if recipe is not None:
            for view, feature in zip(views, made, strict=True):
                key = volumes.keys[view.row], _recipe_of(view, recipe)
                self._put(key, view, feature, volumes)

    def clear(self) -> None:
        """Forget all features; `n_encoded` stays."""
        self._kept.clear()

    @property
    def max_bytes(self) -> int:
        """Bytes of features to keep."""
        return self._kept.max_bytes

    @property
    def nbytes(self) -> int:
        """Bytes of features held now."""
        return self._kept.nbytes

    def _encoded(
        self, encoder: FittedEncoder, volumes: Volumes, missing: dict[Any, View], keep: bool
    ) -> dict[Any, np.ndarray]:
        found = {}
        with _outermost(encoder) as counts:
            encoded = encoder.encode(volumes, list(missing.values()), keep)
            shown = _shown(encoded, len(missing), volumes, encoder)
            for (key, view), feature in zip(missing.items(), shown, strict=True):
                self.n_encoded += counts
                found[key] = feature
                self._put(key, view, feature, volumes)
        return found

    def _put(self, key: Any, view: View, feature: np.ndarray, volumes: Volumes) -> None:
        # A file that was written anew meanwhile is not what the key tells.
        if volumes.scans.key(view.row) == key[0]:
            self._kept.put(key, feature, volumes.memory)

    def _lock_of(self, recipe: str) -> Any:
        with self._choosing:  # re-entrant: an encoder may be made of another with its recipe
            return self._locks.setdefault(recipe, RLock())

    def __reduce__(self) -> tuple[type[FeatureCache], tuple[int]]:
        return type(self), (self._kept.max_bytes,)


def features_of(
    encoder: FittedEncoder,
    volumes: Volumes,
    rows: np.ndarray,
    mirrored: Sequence[bool] = (False,),
    *,
    keep: bool = False,
) -> list[np.ndarray]:
    """Give the features of scans, each computed once however often it is asked for.

    Parameters
    ----------
    encoder : FittedEncoder
        What computes them.
    volumes : Volumes
        Of a group of patients.
    rows : ndarray of int of shape (n,)
        Which of them, at least one; they have a scan.
    mirrored : sequence of bool, default=(False,)
        How each scan is looked at: as it is, or mirrored left to right. It is read once for all.
    keep : bool, default=False
        Whether volumes are kept in memory, since they are going to be asked for again.

    Returns
    -------
    list of ndarray of shape (n, ...)
        New arrays, one for each way.
    """
    views = [View(row, mirror) for row in rows.tolist() for mirror in mirrored]
    found = features.get(encoder, volumes, views, keep)
    return [np.stack(found[k :: len(mirrored)]) for k in range(len(mirrored))]


def _recipe_of(view: View, recipe: str) -> str:
    return f"{recipe}, mirrored left to right" if view.mirror else recipe


@contextmanager
def _outermost(encoder: FittedEncoder) -> Iterator[bool]:
    """Tell whether features are computed, and not within the computing of others."""
    if not encoder.computes:
        yield False
        return
    outermost = not getattr(_this_thread, "encodes", False)
    _this_thread.encodes = True
    try:
        yield outermost
    finally:
        _this_thread.encodes = not outermost


def _shown(
    encoded: Iterable[np.ndarray], n: int, volumes: Volumes, encoder: FittedEncoder
) -> Iterator[np.ndarray]:
    """Show progress, and say so if it takes long; a single one needs neither."""
    if n < 2 or not encoder.computes:
        yield from encoded
        return
    pace = Pace(f"encoding {n} scans", n, partial(_remedies, volumes))
    with bar("encoding scans", "scan", n, shown=volumes.verbose) as progress:
        for feature in encoded:
            progress.update()
            pace.step()
            yield feature


def _remedies(volumes: Volumes) -> list[str]:
    """Say how scans are encoded in less time, or once for all."""
    found, n_most = [], n_processes(-1, len(volumes))
    if n_most > n_processes(volumes.n_jobs, len(volumes)):
        found.append(f"n_jobs={n_most} reads scans in {n_most} processes.")
    if volumes.memory is None:
        found.append('memory="a folder" keeps what was read and encoded for later runs.')
    return found


#: The cache of this process.
features = FeatureCache()
