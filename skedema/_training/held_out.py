"""What a fit knows of patients by networks that did not learn from them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skedema._training.net import FusionNet
from skedema._training.patients import Patients


@dataclass(frozen=True)
class HeldOut:
    """Predictions of training patients by networks that did not learn from them.

    Parameters
    ----------
    proba : ndarray of float64 of shape (n_patients, n_classes)
        Probabilities, each of the member that left the patient out.
    y : ndarray of shape (n_patients,)
        Labels.
    sample_weight : ndarray of float64 of shape (n_patients,)
        As given to `fit`.
    """

    proba: NDArray[np.float64]
    y: NDArray[np.generic]
    sample_weight: NDArray[np.float64]

    def __repr__(self) -> str:
        return f"<HeldOut: {len(self.y)} patients>"


@dataclass(frozen=True)
class HeldOutNumbers:
    """As `HeldOut`, of numbers.

    Parameters
    ----------
    predicted : ndarray of float64 of shape (n_patients,)
        Each of the member that left the patient out.
    quantiles : ndarray of float64 of shape (n_patients, n_quantiles) or None
        Likewise, of ``loss="quantile"``.
    y, sample_weight : ndarray of float64 of shape (n_patients,)
        As given to `fit`.
    """

    predicted: NDArray[np.float64]
    quantiles: NDArray[np.float64] | None
    y: NDArray[np.float64]
    sample_weight: NDArray[np.float64]

    def __repr__(self) -> str:
        return f"<HeldOutNumbers: {len(self.y)} patients>"


def ask_who_left_out(net: FusionNet, watched: Patients) -> NDArray[np.float64]:
    """Predict patients by the networks that did not learn from them, who alone are `asked`."""
    plain = replace(watched, weight=None)
    predicted = net.evaluate(plain, lambda **inputs: net.kind.predictions(net.module_(**inputs)))
    return predicted.astype(np.float64)


def digest_of(*groups: Patients) -> bytes | None:
    """Tell whether a fit that goes on has the groups of patients that the last one had.

    None, which is equal to nothing, where scans are read as they are due.
    """
    found = hashlib.blake2b(digest_size=16)
    for patients in groups:
        if patients.volume is not None:
            return None
        for values in (patients.clinical, patients.present, patients.target, patients.features):
            if values is not None:
                found.update(values.cpu().numpy().tobytes())
    return found.digest()
