"""Whether the slices of a series go together: the few that do not are named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from skedema.scans.dicom._series import ONE_SERIES
from skedema.scans.dicom._slice import Slice
from skedema.scans.dicom._words import some
from skedema.scans.errors import ScanError

#: What must be equal, up to a tolerance: as it is called, how it is got.
_NUMBERS: tuple[tuple[str, Callable[[Slice], Any], float], ...] = (
    ("matrix sizes (rows, columns)", lambda one: one.shape, 0.0),
    ("pixel spacings (mm)", lambda one: one.spacing, 1e-3),
    ("orientations", lambda one: one.orientation, 2e-3),
)

#: Identifiers that one series shares; those whom a list of files given by the user overrules.
_UIDS: tuple[tuple[str, Callable[[Slice], str]], ...] = (
    ("studies (StudyInstanceUID)", lambda one: one.study),
    ("series (SeriesInstanceUID)", lambda one: one.series),
    ("frames of reference (FrameOfReferenceUID)", lambda one: one.space),
)


def check_alike(slices: Sequence[Slice], listed: bool) -> list[str]:
    """Check that slices are of one patient, study, frame of reference, matrix and orientation.

    An error names the slices that differ from most. Where the user listed the files, identifiers
    may differ, with a warning.
    """
    for what, of, tolerance in _NUMBERS:
        usual = _usual([tuple(np.round(of(one), 3)) for one in slices], slices)
        odd = [s for s in slices if not np.allclose(of(s), of(usual), rtol=0, atol=tolerance)]
        if odd:
            shown = [np.asarray(of(each)).tolist() for each in (odd[0], usual)]
            raise ScanError(
                f"{_few(odd)}: mixed {what}: {shown[0]}, and {shown[1]} in {usual.label}; "
                f"{ONE_SERIES}"
            )
    odd, usual = _others(slices, lambda one: one.patient)
    if odd:
        raise ScanError(
            f"{_few(odd)}: mixed patients (PatientID), another than {usual.label}; "
            "give the list of files of one patient"
        )
    told = []
    for what, of in _UIDS:
        odd, usual = _others(slices, of)
        if not odd:
            continue
        if not listed:
            raise ScanError(
                f"{_few(odd)}: mixed {what}, another than {usual.label}; give the list of files "
                "of one series, of all of them if they do belong together"
            )
        told.append(
            f"mixed {what}, in {some([one.label for one in odd])} another than in "
            f"{usual.label}; read as one series, as the list of files says"
        )
    return told


def _others(slices: Sequence[Slice], of: Callable[[Slice], str]) -> tuple[list[Slice], Slice]:
    """Give the slices whose identifier is not the usual one, where they state one."""
    stated = [one for one in slices if of(one)] or list(slices)
    usual = _usual([of(one) for one in stated], stated)
    return [one for one in stated if of(one) != of(usual)], usual


def _usual(keys: Sequence[Any], slices: Sequence[Slice]) -> Slice:
    most = Counter(keys).most_common(1)[0][0]
    return slices[keys.index(most)]


def _few(odd: Sequence[Slice]) -> str:
    return odd[0].label + (f" and {len(odd) - 1} more" if len(odd) > 1 else "")
