"""Other patients, with their labels, whom one is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skedema._training.patients import Patients
from skedema.frames import Table, check_same_rows, listed
from skedema.inspection._asked import Asked, AskedOurs, reference_table
from skedema.inspection._interval import Calibration


@dataclass(frozen=True)
class Reference:
    """Other patients as a classifier sees them.

    Parameters
    ----------
    table : Table
        Their values, in the order of the patient's columns.
    labels : ndarray of shape (n,)
        Their labels.
    codes : ndarray of int of shape (n,)
        Positions of the labels among the classes.
    proba : ndarray of shape (n, n_classes)
        Their probabilities.
    patients : Patients or None
        What a network of ours is given of them.
    """

    table: Table
    labels: NDArray[Any]
    codes: NDArray[np.intp]
    proba: NDArray[np.float64]
    patients: Patients | None

    @property
    def calibration(self) -> Calibration:
        return Calibration(self.proba, self.codes, np.ones(len(self.codes)))


def read_reference(asked: Asked, given: Any) -> Reference:
    """Read ``reference=(X, y)``, and ask the classifier about them."""
    try:
        X, y = given
    except (TypeError, ValueError) as error:
        raise ValueError(
            "reference must be a pair (X, y): a table of other patients with the columns of fit, "
            f"and their labels; got {type(given).__name__}."
        ) from error
    check_same_rows(X, y=y)
    table, labels = reference_table(X, asked.variables), np.asarray(y)
    if labels.shape != (len(table),):
        raise ValueError(
            f"reference=(X, y): X has {len(table)} rows and y is of shape {labels.shape}; a label "
            "is needed for each."
        )
    codes = np.array([_code(asked.classes, label) for label in labels], dtype=np.intp)
    if (codes < 0).any():
        raise ValueError(
            f"reference=(X, y): y has labels that the classifier does not know: "
            f"{listed(np.unique(labels[codes < 0]).tolist())}."
        )
    if isinstance(asked, AskedOurs):
        read, patients = asked.look_at(X)
        return Reference(table, labels, codes, asked.ask(read, patients), patients)
    return Reference(table, labels, codes, asked.of_others(X), None)


def _code(classes: NDArray[Any], label: Any) -> int:
    hits = np.flatnonzero(classes == label)
    return int(hits[0]) if len(hits) else -1
