"""The clinical side of a model: from a table's clinical columns to one number a token."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from skedema.clinical import ClinicalTokenizer
from skedema.encoders import is_transformer
from skedema.frames import Table


class ClinicalSide:
    """What a model learns of clinical columns, of which there may be none.

    Parameters
    ----------
    metadata : transformer or None
        As the classifier's parameter.
    warn_unusual : bool, default=True
        For a tokenizer that is not given.

    Attributes
    ----------
    metadata : transformer or None
        After `fit` the fitted one; None where there is no clinical column.
    variables : list of str
        After `fit`, the names of the tokens.
    """

    def __init__(self, metadata: Any, *, warn_unusual: bool = True) -> None:
        self.metadata = metadata
        self.warn_unusual = warn_unusual
        self.variables: list[str] = []
        self._dtypes: dict[Any, Any] = {}

    def fit(
        self,
        part: Table,
        labels: np.ndarray,
        weight: np.ndarray,
        positions: Sequence[int] | None = None,
    ) -> ClinicalSide:
        """Fit the transformer; columns without names are called by their `positions`."""
        if not part.columns:
            self.metadata = None
            return self
        metadata = self.metadata
        if metadata is None:
            metadata = ClinicalTokenizer(warn_unusual=self.warn_unusual)
        if not is_transformer(metadata):
            raise TypeError(
                f"metadata must be a transformer such as ClinicalTokenizer(), got {metadata!r}."
            )
        self.metadata = clone(metadata)
        weighted = has_fit_parameter(self.metadata, "sample_weight")
        given = self._given(part)
        if not isinstance(given, Table):
            self._dtypes = dict(given.dtypes)
        self.metadata.fit(given, labels, **({"sample_weight": weight} if weighted else {}))
        self.variables = self._names(
            part, range(len(part.columns)) if positions is None else positions
        )
        return self

    def transform(self, part: Table, *, warn: bool = False) -> np.ndarray:
        """Give the values, NaN for missing, and `warn` of those unlike all that `fit` saw."""
        (values,) = self.by_parts(part, None, warn=warn)
        return values

    def by_parts(self, part: Table, size: int | None, *, warn: bool) -> Iterator[np.ndarray]:
        """Transform `size` patients at a time, None for all, and `warn` once after the last.

        Transformers of others are given all at once, since they might look at rows together.
        """
        metadata = self.metadata
        if metadata is None:
            yield np.empty((len(part), 0))
        elif isinstance(metadata, ClinicalTokenizer):
            metadata = copy.copy(metadata)
            metadata.warn_unusual &= warn
            yield from metadata._by_parts(part, size)
        else:
            yield self._checked(metadata.transform(self._given(part)), len(part))

    def _checked(self, output: Any, n_patients: int) -> np.ndarray:
        if hasattr(output, "toarray"):
            output = output.toarray()
        values = np.array(output, dtype=np.float64)  # a copy: what pandas gives is read-only
        if values.ndim != 2 or len(values) != n_patients or np.isinf(values).any():
            raise ValueError(
                f"metadata={type(self.metadata).__name__} must give one row of finite numbers (or "
                f"NaN for missing) a patient; got shape {values.shape} for {n_patients} patients."
            )
        return values

    @property
    def n_categories(self) -> list[int]:
        """Number of categories of each token, 0 for a numeric one."""
        none = [0] * len(self.variables)
        return [int(n) for n in getattr(self.metadata, "n_categories_", none)]

    def _given(self, part: Table) -> Any:
        if isinstance(self.metadata, ClinicalTokenizer):
            return part
        frame = part.to_pandas()
        # A column without any value has lost its kind, and a transformer of texts refuses numbers.
        lost = [name for name in frame if frame[name].isna().all() and name in self._dtypes]
        return frame.astype({name: self._dtypes[name] for name in lost})

    def _names(self, part: Table, positions: Sequence[int]) -> list[str]:
        if isinstance(self.metadata, ClinicalTokenizer):
            return part.names or [f"x{p}" for p in positions]
        if hasattr(self.metadata, "get_feature_names_out"):
            return [str(name) for name in self.metadata.get_feature_names_out()]
        width = np.shape(self.metadata.transform(part.to_pandas()))[1]
        return [f"x{k}" for k in range(width)]
