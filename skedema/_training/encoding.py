"""A scikit-learn transformer from scans to features, as an encoder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, ClassVar

import numpy as np

from skedema._caching.identity import identity
from skedema._features import View, by_row
from skedema._volumes import Volumes
from skedema.scans import ScanError


@dataclass(frozen=True)
class TransformerEncoder:
    """A fitted transformer, which is given one scan at a time.

    One with a method ``features_digest`` says thereby what its features depend on. One that can
    show scans mirrored has a method ``transform_mirrored``, which is otherwise as ``transform``.
    One that reads by ``volume_`` finds volumes in memory that are asked for more than once.
    """

    transformer: Any
    computes: ClassVar[bool] = True

    def recipe(self) -> str | None:
        digest = getattr(self.transformer, "features_digest", None)
        return identity(self.transformer) if digest is None else digest()

    def encode(self, volumes: Volumes, views: Sequence[View], keep: bool) -> Iterator[np.ndarray]:
        rows, of_rows = by_row(views)
        again = volumes.reader is not None and (keep or len(rows) < len(views))
        read = volumes.stream(rows, keep=True) if again else repeat(None)
        for _, (row, of_row) in zip(read, of_rows, strict=False):
            for view in of_row:
                with volumes.scans.named(row):
                    feature = self._transform(volumes.scans.cells[[row]], view.mirror)
                yield feature

    def _transform(self, cells: np.ndarray, mirror: bool) -> np.ndarray:
        name = "transform_mirrored" if mirror else "transform"
        try:
            features = getattr(self.transformer, name)(cells)
        except ScanError as error:
            raise ScanError(re.sub(r"^row 0: ", "", str(error))) from error
        if hasattr(features, "toarray"):
            features = features.toarray()
        matrix = np.asarray(features)
        if matrix.ndim != 2 or len(matrix) != len(cells) or matrix.dtype.kind not in "fiub":
            raise ValueError(
                "An encoder that is a transformer turns n scans into numbers of shape (n, dim); "
                f"{type(self.transformer).__name__} gave {matrix.dtype} of shape {matrix.shape} "
                f"for {len(cells)}."
            )
        kept = matrix.dtype in (np.float32, np.float64)
        return np.asarray(matrix[0], dtype=None if kept else np.float64)
