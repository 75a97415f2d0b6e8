"""One patient, and what a fitted classifier would say were some of the values others."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.utils.validation import check_is_fitted

from skedema._one_outcome import classes_of, predicts_numbers
from skedema._told import listening, recorded
from skedema._training.fitted_model import FittedModel
from skedema._training.patients import Patients
from skedema.frames import Column, Table, read_table
from skedema.frames.reading import cells_as_column
from skedema.inspection._row import one_row
from skedema.scans.files import looks_like_scan

#: Other values of some variables; None is not known.
Change = Mapping[Any, Any]


class Asked(ABC):
    """A patient, whom a classifier is asked about.

    Attributes
    ----------
    row : DataFrame of one row
        The patient.
    classes : ndarray
        The labels.
    variables : list
        The columns.
    scans : list
        The columns of them that hold scans.
    proba : ndarray of shape (n_classes,)
        What the classifier says of the patient.
    of_members : ndarray of shape (n_members, n_classes)
        What each of its members says.
    """

    clf: Any
    row: pd.DataFrame
    classes: NDArray[Any]
    scans: Sequence[Any] = ()
    proba: NDArray[np.float64]
    of_members: NDArray[np.float64]

    @property
    def variables(self) -> list[Any]:
        return list(self.row.columns)

    @property
    def known(self) -> list[Any]:
        """The columns whose value is known."""
        return [name for name in self.variables if not is_missing(self.row[name].iloc[0])]

    @abstractmethod
    def answers(self, changes: Sequence[Change]) -> NDArray[np.float64]:
        """Give the probabilities of each changed patient, of shape (n_changes, n_classes)."""

    @abstractmethod
    def of_others(self, X: Any) -> NDArray[np.float64]:
        """Give the probabilities of other patients."""


def asked_about(clf: Any, row: Any) -> Asked:
    """Ask a fitted classifier about a patient; its warnings come now, and not again."""
    check_is_fitted(clf)
    clf = getattr(clf, "best_estimator_", clf)  # what a search asks itself
    if isinstance(clf, FittedModel):
        return AskedOurs(clf, row)
    if not predicts_numbers(clf) and not (
        hasattr(clf, "predict_proba") and hasattr(clf, "classes_")
    ):
        raise TypeError(
            f"{type(clf).__name__} gives no probabilities of classes: explain needs a fitted "
            "classifier with predict_proba and classes_."
        )
    return AskedOther(clf, row)


def is_missing(cell: Any) -> bool:
    return not isinstance(cell, np.ndarray) and pd.api.types.is_scalar(cell) and bool(pd.isna(cell))


class AskedOurs(Asked):
    """A classifier of ours: the scan is encoded once, and only the network is asked again."""

    def __init__(self, clf: Any, row: Any) -> None:
        self.clf = clf
        self.classes = classes_of(clf)
        self.row = one_row(clf, row)
        self.table, self.patient = clf._look_at(self.row)
        self.scans = [self.variables[position] for position in clf._columns.images]
        self.proba = self.ask(self.table, self.patient)[0]
        outputs = np.asarray(clf.net_.evaluate(self.patient, clf.net_.module_)[0])
        self.of_members = softmax(np.atleast_2d(outputs).astype(np.float64), axis=-1)

    def answers(self, changes: Sequence[Change]) -> NDArray[np.float64]:
        return self.ask(*self.changed(changes))

    def changed(self, changes: Sequence[Change]) -> tuple[Table, Patients]:
        n = len(changes)
        table = self.table.take(np.zeros(n, dtype=int))
        present = self.patient.present.numpy().repeat(n, axis=0)
        of_scans = present.reshape(n, -1)  # the same numbers
        shell = Table([], table.names, n)
        for position, name in enumerate(self.variables):
            given = [name in change for change in changes]
            if not any(given):
                continue
            if name in self.scans:
                if self.clf._columns.asked:
                    of_scans[given, self.scans.index(name)] = False  # it can only be taken away
                continue
            own = self.table.columns[position]
            cells = [c[name] if g else own.values[0] for c, g in zip(changes, given, strict=True)]
            made = cells_as_column(cells, own.label, shell)
            table.columns[position] = Column(own.label, made.values, own.categorical)
        with listening():
            values = self.clf._clinical.transform(self.clf._columns.clinical_part(table))
        features, volume = self.patient.features, self.patient.volume
        patients = Patients(
            values,
            present,
            dtype=self.patient.dtype,
            features=None if features is None else features.expand(n, *features.shape[1:]),
        )
        assert volume is None  # a prediction goes by features, also those of a trained encoder
        return table, patients

    def of_others(self, X: Any) -> NDArray[np.float64]:
        return self.ask(*self.look_at(X))

    def look_at(self, X: Any) -> tuple[Table, Patients]:
        with listening():
            found: tuple[Table, Patients] = self.clf._look_at(X)
        return found

    def with_scans(self, name: Any, others: Patients) -> NDArray[np.float64] | None:
        """Give the probabilities with a scan of each of the others who have it; None if nobody."""
        own, k = self.patient, self.patient.n_scans
        if others.features is None or not self.clf._columns.asked:
            return None
        which = self.scans.index(name)
        found = others.features.chunk(k, dim=1)[which][others.present.view(-1, k)[:, which]]
        n = len(found)
        if not n:
            return None
        features = [each.expand(n, -1, -1) for each in own.features.chunk(k, dim=1)]
        features[which] = found
        present = own.present.view(1, k).repeat(n, 1)
        present[:, which] = True
        patients = Patients(
            own.clinical.expand(n, -1),
            present.view(n, *own.present.shape[1:]),
            dtype=own.dtype,
            features=torch.cat(features, dim=1),
        )
        return self.ask(self.table.take(np.zeros(n, dtype=int)), patients)

    def ask(self, table: Table, patients: Patients) -> NDArray[np.float64]:
        double = copy.copy(self.clf)
        double._look_at = lambda _: (table, patients)
        return np.asarray(double.predict_proba(None), dtype=np.float64)


class AskedOther(Asked):
    """Any other classifier, which is given whole rows, with NaN for what is not known."""

    def __init__(self, clf: Any, row: Any) -> None:
        self.clf = clf
        self.classes = classes_of(clf)
        self.named = hasattr(clf, "feature_names_in_")
        self.row = self._read(row)
        self.scans = [name for name in self.row if looks_like_scan(self.row[name].iloc[0])]
        self.proba = self._ask(self.row)[0]
        self.of_members = self.proba[None]

    def _read(self, row: Any) -> pd.DataFrame:
        if isinstance(row, Mapping):
            frame = pd.DataFrame([row])
        elif isinstance(row, pd.Series):
            frame = row.to_frame().T.infer_objects()
        else:
            frame = _frame(row)
        if len(frame) != 1:
            raise ValueError(
                f"One patient is explained, and there are {len(frame)} rows. Give one of them: "
                "X.iloc[[0]], X.iloc[0], or a dict of its values."
            )
        if not self.named:
            return frame
        names = list(self.clf.feature_names_in_)
        lacking = [name for name in names if name not in frame.columns]
        if lacking:
            raise ValueError(
                f"The patient has no value in {', '.join(map(repr, lacking))}, which the "
                "classifier was fitted with; None says that it is not known."
            )
        return frame[names]

    def answers(self, changes: Sequence[Change]) -> NDArray[np.float64]:
        columns = {}
        for name in self.variables:
            own = self.row[name]
            cells = [change.get(name, own.iloc[0]) for change in changes]
            columns[name] = _as_dtype(cells, own.dtype)
        frame = pd.DataFrame(columns, index=range(len(changes)))
        try:
            with recorded():  # what is odd is said once, of the patient as he is
                return self._ask(frame)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{type(self.clf).__name__} could not be asked about this patient with values "
                f"missing or changed: {error}\nTo explain a classifier that takes no missing "
                "values, put an imputer before it: make_pipeline(SimpleImputer(), classifier)."
            ) from error

    def of_others(self, X: Any) -> NDArray[np.float64]:
        frame = _frame(X)
        return self._ask(frame[self.variables] if self.named else frame)

    def _ask(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        given = frame if self.named else frame.to_numpy()
        return np.asarray(self.clf.predict_proba(given), dtype=np.float64)


def _frame(X: Any) -> pd.DataFrame:
    """Give a table of any kind to those who know pandas only; a list is one row."""
    if isinstance(X, pd.DataFrame):
        return X
    table = read_table(np.atleast_2d(np.asarray(X)) if isinstance(X, list | np.ndarray) else X)
    frame = table.to_pandas()
    return frame if table.names else frame.set_axis(range(frame.shape[1]), axis=1)


def _as_dtype(cells: list[Any], dtype: Any) -> pd.Series:
    """Make a column of the patient's dtype, which has room for missing values."""
    if isinstance(dtype, pd.CategoricalDtype):
        known = {each for each in cells if not is_missing(each)} - set(dtype.categories)
        return pd.Series(pd.Categorical(cells, [*dtype.categories, *sorted(known, key=str)]))
    if pd.api.types.is_bool_dtype(dtype) and None not in cells:
        return pd.Series(cells, dtype=dtype)
    if pd.api.types.is_numeric_dtype(dtype):
        return pd.Series([np.nan if is_missing(each) else float(each) for each in cells])
    made = pd.Series(cells, dtype=object)
    return made.where(made.notna(), np.nan)


def reference_table(X: Any, variables: Sequence[Any]) -> Table:
    """Read other patients, with the columns in the order of `variables`."""
    table = read_table(X)
    if table.keys is None:
        return table
    lacking = [name for name in variables if name not in table.keys]
    if lacking:
        raise ValueError(
            f"reference=(X, y): X has no column {', '.join(map(repr, lacking))}, which the patient "
            "has."
        )
    return table.select([table.keys.index(name) for name in variables])
