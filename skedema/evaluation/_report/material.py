"""What the sections of a report are made of."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing

from skedema._registry import nearest_name
from skedema.clinical.leaks import scan_columns
from skedema.evaluation._report.identifiers import FEWEST, personal_columns
from skedema.frames import Table
from skedema.frames.leniently import read_leniently

NO_MODELS = (
    "The fitted models were not kept: call evaluate with return_estimator=True, its default."
)


class Unavailable(Exception):
    """A section cannot be had; the message says why, and what to do."""


@dataclass(frozen=True)
class Material:
    """An evaluation, and what is wanted of its report.

    Parameters
    ----------
    result : Evaluation
        Whose report it is.
    model : str
        The estimator that is looked into.
    n_cases : int
        Patients of the error gallery.
    n_resamples : int
        Of each bootstrap.
    identifiers : bool
        Whether the page may say who a patient is.
    """

    result: Any
    model: str
    n_cases: int
    n_resamples: int
    identifiers: bool

    @cached_property
    def _read(self) -> tuple[Table, dict[int, str]]:
        if self.result.X is None:
            raise Unavailable(
                "The rows are not part of this evaluation: make it with evaluate, which keeps X."
            )
        return read_leniently(self.result.X)

    @property
    def table(self) -> Table:
        """The rows, with what cannot be read as empty columns."""
        return self._read[0]

    @cached_property
    def scan_positions(self) -> list[int]:
        """Positions of columns of scans."""
        return scan_columns(self.table)

    @cached_property
    def hidden(self) -> list[int]:
        """Positions of columns that the page says nothing of."""
        if self.identifiers:
            return []
        return personal_columns(self.table, list(self._read[1]), self.scan_positions)

    @cached_property
    def shown(self) -> list[int]:
        """Positions of clinical columns that the page may speak of."""
        left_out = {*self.hidden, *self.scan_positions, *self._read[1]}
        return [p for p in range(len(self.table.columns)) if p not in left_out]

    def column_name(self, position: int) -> str:
        """Name a column."""
        keys = self.table.keys
        return f"column {position}" if keys is None else str(keys[position])

    @cached_property
    def hidden_names(self) -> set[str]:
        """Names of the columns that the page says nothing of."""
        return {self.column_name(p) for p in self.hidden}

    def alias(self, name: str) -> str:
        """Name a column, one that the page says nothing of by a number."""
        hidden = [self.column_name(p) for p in self.hidden]
        return f"not shown {1 + hidden.index(name)}" if name in hidden else name

    def category(self, position: int, value: Any) -> str:
        """Write a category, but for one that tells who somebody is since few have it."""
        n = int((self.table.columns[position].values == value).sum())
        return str(value) if self.identifiers or n >= FEWEST else "one that few have"

    def row(self, position: int) -> Any:
        """Give one row of X as a table of one row."""
        return _safe_indexing(self.result.X, [position])

    def rows(self, positions: NDArray[np.intp]) -> Any:
        """Give rows of X as a table."""
        return _safe_indexing(self.result.X, positions)

    @property
    def is_external(self) -> bool:
        """Whether the patients are those of another hospital, in no fold."""
        return bool(self.result.kind == "external")

    @property
    def unseen(self) -> str:
        """How predictions came about, to follow on a noun."""
        return "of patients whom no model had seen" if self.is_external else "out of fold"

    @property
    def labels(self) -> NDArray[Any]:
        """The label, or number, of each row of X that was tested, by position; others None."""
        table = self.result.predictions
        of_model = table[table["estimator"] == self.model]
        labels = np.full(len(self.result.groups), None, dtype=object)
        column = "observed" if self.result.of_numbers else "label"
        labels[of_model["row"].to_numpy()] = of_model[column].to_numpy()
        return labels

    def need_classes(self, instead: str) -> None:
        """Leave a section out that is about classes, and say what there is instead."""
        if self.result.of_numbers:
            raise Unavailable(f"This is told of classes, and numbers are predicted. {instead}")

    @cached_property
    def fold_models(self) -> list[Any]:
        """The models of the estimator that is looked into, each with the rows it did not see."""
        if not self.result.estimators.get(self.model):
            raise Unavailable(NO_MODELS)
        models: list[Any] = self.result.inspection.fold_models(self.model)
        return models

    def of(self, other: Any) -> Material:
        """Give the same for another evaluation, such as that of another hospital."""
        return dataclasses.replace(self, result=other)


def checked_model(result: Any, model: str | None) -> str:
    """Give the name of the estimator that is looked into; the first by default."""
    if model is None:
        return str(result.names[0])
    if model not in result.names:
        raise ValueError(f"There is no estimator {model!r}. {nearest_name(model, result.names)}")
    return model
