"""How an encoder, a torch module or a transformer, turns scans into features."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from skedema._caching.identity import identity
from skedema._device import full_float32, on_device
from skedema._features import recipe_of, recipe_of_mirrored
from skedema._scan_column import Scans, Volumes
from skedema.modules.fused import as_tokens
from skedema.modules.mirror import mirrored
from skedema.scans import ScanError, VolumeReader

_AT_ONCE = 16  # scans a call of a transformer that promises not to mix them


class Encoding(Protocol):
    """An encoder and what its features depend on."""

    def recipe(self) -> str | None:
        """Tell all that features depend on but the scan; None where that cannot be told."""

    def encode(self, volumes: Volumes, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Give the features of one scan after the other, each by itself."""

    def as_tokens(self, features: np.ndarray) -> np.ndarray:
        """Bring the features of n scans into the shape (n, T, E)."""


class ModuleEncoding:
    """A torch module that encodes volumes: ``(1, C, X, Y, Z) -> (1, T, E)`` or ``(1, E)``.

    Parameters
    ----------
    module : Module
        It stays where it is; elsewhere a copy computes.
    device : torch.device
        Where to compute.
    dtype : torch.dtype
        Of volumes and features.
    keep : bool
        Whether volumes are kept in memory, since they are going to be asked for again.
    mirror : bool, default=False
        Whether scans are encoded mirrored left to right.
    """

    def __init__(
        self,
        module: nn.Module,
        device: torch.device,
        dtype: torch.dtype,
        reader: VolumeReader,
        *,
        keep: bool,
        mirror: bool = False,
    ) -> None:
        self.module = module.eval()
        self.device = device
        self.dtype = dtype
        self.reader = reader
        self.keep = keep
        self.mirror = mirror

    def recipe(self) -> str | None:
        recipe = recipe_of(self.module, self.reader, self.device, self.dtype)
        return recipe_of_mirrored(recipe) if self.mirror else recipe

    def encode(self, volumes: Volumes, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Encode scans one by one: in a batch, the last bits would depend on the others."""
        module = on_device(self.module, self.device)
        for volume in volumes.stream(rows, keep=self.keep):
            with torch.inference_mode(), full_float32(self.device):
                batch = torch.tensor(volume[None], dtype=self.dtype, device=self.device)
                if self.mirror:
                    batch = mirrored(batch)
                encoded = as_tokens(module(batch))[0].cpu().numpy()
            yield encoded

    def as_tokens(self, features: np.ndarray) -> np.ndarray:
        return features


class TransformerEncoding:
    """A scikit-learn transformer from scans to features.

    One with a method ``features_digest`` says thereby what its features depend on, and that those
    of a scan are the same to the bit whichever others it is given with. One that can show scans
    mirrored has a method ``transform_mirrored``, which is otherwise as ``transform``.

    Parameters
    ----------
    transformer : transformer
        Fitted.
    keep : bool
        Whether volumes are kept in memory, since they are going to be asked for again. For one
        that tells by ``volume_`` how it reads scans.
    mirror : bool, default=False
        Whether scans are encoded mirrored left to right.
    """

    def __init__(self, transformer: Any, *, keep: bool, mirror: bool = False) -> None:
        self.transformer = transformer
        self.mirror = mirror
        self.keep = keep
        self.digest = getattr(transformer, "features_digest", None)

    def recipe(self) -> str | None:
        found: str | None = identity(self.transformer) if self.digest is None else self.digest()
        return recipe_of_mirrored(found) if self.mirror else found

    def encode(self, volumes: Volumes, rows: np.ndarray) -> Iterator[np.ndarray]:
        scans, at_once = volumes.scans, 1 if self.digest is None else _AT_ONCE
        for start in range(0, len(rows), at_once):
            group = rows[start : start + at_once]
            if self.keep and volumes.reader is not None:
                for _ in volumes.stream(group, keep=True):
                    pass
            try:
                yield from self._transform(scans.cells[group])
            except ScanError:
                for row in group:
                    self._refuse(scans, row)
                raise

    def as_tokens(self, features: np.ndarray) -> np.ndarray:
        """Make each scan's features one token."""
        return features[:, None, :].astype(np.float64)

    def _transform(self, cells: np.ndarray) -> np.ndarray:
        name = "transform_mirrored" if self.mirror else "transform"
        features = getattr(self.transformer, name)(cells)
        if hasattr(features, "toarray"):
            features = features.toarray()
        matrix = np.asarray(features)
        if matrix.ndim != 2 or len(matrix) != len(cells) or matrix.dtype.kind not in "fiub":
            raise ValueError(
                "An encoder that is a transformer turns n scans into numbers of shape (n, dim); "
                f"{type(self.transformer).__name__} gave {matrix.dtype} of shape {matrix.shape} "
                f"for {len(cells)}."
            )
        return matrix if matrix.dtype in (np.float32, np.float64) else matrix.astype(np.float64)

    def _refuse(self, scans: Scans, row: int) -> None:
        """Raise the error of one scan with the row that the user knows it by."""
        try:
            self._transform(scans.cells[row : row + 1])
        except ScanError as error:
            text = re.sub(r"^row 0: ", "", str(error))
            raise ScanError(f"{scans.table.rows(np.array([row]))}: {text}") from error
