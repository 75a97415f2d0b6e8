"""Why a model says of one patient what it says."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from skedema._told import listening
from skedema._torch_state import own_torch_state
from skedema.inspection._asked import Asked, AskedOurs, asked_about
from skedema.inspection._contributions import contributions, plain
from skedema.inspection._explain_scan import explain_scan
from skedema.inspection._explanation import Explanation
from skedema.inspection._flips import flips
from skedema.inspection._interval import Calibration, interval_table
from skedema.inspection._missing import missing
from skedema.inspection._neighbours import neighbours
from skedema.inspection._reference import Reference, read_reference
from skedema.inspection._values import values_taken


@own_torch_state()
def explain(
    clf: Any,
    row: Any,
    *,
    target: Any = None,
    reference: Any = None,
    scan: bool | str | int = False,
    n_neighbours: int = 5,
    n_permutations: int = 50,
    random_state: Any = 0,
) -> Explanation:
    """Explain what a fitted classifier says of one patient.

    All of it describes the model, and none of it the patient's illness: what moved a probability
    need not have caused anything, and what would flip a prediction is not what would help. How to
    read each part is told in ``docs/one-patient.md``.

    Parameters
    ----------
    clf : AttentionMixerClassifier, or another classifier
        Fitted. Another one is a classifier with ``predict_proba`` that takes missing values, such
        as a pipeline with an imputer, or boosting.
    row : dict, Series, or table of one row
        The patient, with the columns of `fit`.
    target : object, default=None
        The class that is spoken of, out of ``clf.classes_``. None: of two classes the second, of
        more the most probable.
    reference : tuple (X, y), default=None
        Other patients and their labels, for the values that variables take, for the nearest of
        them, and, where the fit kept no held-out predictions, for the interval, which needs
        patients whom the classifier has not learned from.
    scan : bool, str or int, default=False
        Whether to look where in the scan, by `explain_scan`, which takes seconds to a minute. Of
        several scans, the column of the one that is looked into.
    n_neighbours : int, default=5
        How many patients of `reference` are told.
    n_permutations : int, default=50
        How many pairs of orders are drawn for the contributions of more than ten known variables;
        of up to ten, all coalitions are asked for.
    random_state : int, RandomState instance or None, default=0
        Decides the orders.

    Returns
    -------
    Explanation
        To print, to draw, or to write as a page.

    Raises
    ------
    NotFittedError
        If the classifier is not fitted.
    TypeError
        If it gives no probabilities.
    ValueError
        If `row` is not one patient, `target` is no class, `reference` is no pair of patients and
        labels that the classifier knows, or the classifier takes no missing values.
    ScanError
        If a scan cannot be read.

    Warns
    -----
    UserWarning
        As ``clf.predict_proba(row)``, and nothing of the values that are tried.

    See Also
    --------
    AttentionMixerClassifier.attention : Which variables the scan attended to.

    Notes
    -----
    Contributions are Shapley values (Strumbelj and Kononenko, "Explaining prediction models and
    individual predictions with feature contributions", Knowledge and Information Systems 41, 2014;
    Lundberg and Lee, "A unified approach to interpreting model predictions", NIPS 2017) of a game
    in which a variable that does not play is missing. The model has learned what to say then, so
    that no value is drawn for it from other patients.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from skedema import AttentionMixerClassifier
    >>> from skedema.inspection import explain
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"sodium": rng.normal(138, 5, 80), "gcs": rng.integers(3, 16, 80)})
    >>> y = (X["sodium"] + rng.normal(0, 3, 80) < 136).astype(int)
    >>> clf = AttentionMixerClassifier(random_state=0).fit(X, y)
    >>> found = explain(clf, {"sodium": 128, "gcs": None})
    >>> found.contributions["log_odds"].idxmax()
    'sodium'
    >>> found.missing.index.tolist()
    ['gcs']
    """
    for name, number in (("n_neighbours", n_neighbours), ("n_permutations", n_permutations)):
        least = 2 if name == "n_permutations" else 1
        if not isinstance(number, Integral) or number < least:
            raise ValueError(f"{name}={number!r}: give a whole number, {least} or more.")
    asked = asked_about(clf, row)
    k = _position(asked, target)
    others = None if reference is None else read_reference(asked, reference)
    taken = values_taken(asked, None if others is None else others.table)
    interval, about_interval = _interval(asked, others)
    column = _column_of(asked, scan)
    looked = _about_scan(asked, column) if scan is not False else None
    remarks = [about_interval, _about_values(asked, taken), looked]
    return Explanation(
        probability=pd.Series(
            asked.proba, index=pd.Index(asked.classes, name="class"), name="probability"
        ),
        target=plain(asked.classes[k]),
        interval=interval,
        contributions=contributions(
            asked,
            k,
            n_permutations=n_permutations,
            random_state=check_random_state(random_state),
        ),
        flips=flips(asked, k, taken),
        missing=missing(asked, k, taken, _scans(asked, others)),
        neighbours=_neighbours(asked, others, k, n_neighbours),
        scan=_where(asked, k, column),
        remarks=tuple(filter(None, remarks)),
        model=type(clf).__name__,
    )


def _position(asked: Asked, target: Any) -> int:
    if target is None:
        return 1 if len(asked.classes) == 2 else int(asked.proba.argmax())
    hits = np.flatnonzero(asked.classes == target)
    if not len(hits):
        raise ValueError(f"target={target!r} is no class; there are {asked.classes.tolist()}.")
    return int(hits[0])


def _interval(asked: Asked, others: Reference | None) -> tuple[pd.DataFrame | None, str]:
    held = getattr(asked.clf, "held_out_", None) if isinstance(asked, AskedOurs) else None
    if held is not None:
        codes = np.searchsorted(asked.classes, held.y)
        calibration = Calibration(held.proba, codes, held.sample_weight)
        of = "training patients, each by a network that did not learn from them"
    elif others is not None:
        calibration = others.calibration
        of = "patients of reference, who must not be those of the fit"
    else:
        return None, (
            "There is no interval: the fit kept no predictions of patients whom it did not learn "
            "from. Several members do (n_members=4), and so does reference=(X, y) with patients "
            "who were not learned from."
        )
    table = interval_table(asked.of_members, asked.proba, asked.classes, calibration)
    n = len(calibration.codes)
    if table is None:
        return None, (
            f"There is no interval: among {n} {of}, fewer than ten have a class, or lack it. Give "
            "reference=(X, y) with more patients who were not learned from."
        )
    return table, f"The interval comes from the predictions of {n} {of}."


def _about_values(asked: Asked, taken: dict[Any, Any]) -> str | None:
    unknown = [str(name) for name in asked.variables if name not in (*asked.scans, *taken)]
    if not unknown:
        return None
    return (
        f"Which values {', '.join(unknown)} can take is not known, so no other was tried: give "
        "reference=(X, y)."
    )


def _column_of(asked: Asked, scan: Any) -> Any:
    """Give the column of the scan that is looked into; None for none."""
    if scan is False or not asked.scans:
        return None
    if scan is True and len(asked.scans) == 1:
        return asked.scans[0]
    if scan is True or scan not in asked.scans:
        raise ValueError(
            f"scan={scan!r}: say which scan is looked into, scan="
            f"{' or '.join(map(repr, asked.scans))}."
        )
    return scan


def _about_scan(asked: Asked, column: Any) -> str | None:
    if column is None:
        return "There is no place in a scan to tell: the model has no scans."
    return None if column in asked.known else "There is no scan to look into: it is missing."


def _where(asked: Asked, k: int, column: Any) -> Any:
    if column is None or column not in asked.known:
        return None
    several = len(asked.scans) > 1
    with listening():  # said once, of the patient as he is
        return explain_scan(
            asked.clf,
            asked.row,
            image=column if several else None,
            target=plain(asked.classes[k]),
        )


def _scans(asked: Asked, others: Reference | None) -> dict[Any, Any]:
    """Give the probabilities with the scans of others in the place of each that is missing."""
    if others is None or others.patients is None or not isinstance(asked, AskedOurs):
        return {}
    lacking = [name for name in asked.scans if name not in asked.known]
    found = {name: asked.with_scans(name, others.patients) for name in lacking}
    return {name: proba for name, proba in found.items() if proba is not None}


def _neighbours(asked: Asked, others: Reference | None, k: int, n: int) -> pd.DataFrame | None:
    if others is None or others.patients is None or not isinstance(asked, AskedOurs):
        return None
    own = asked.patient
    return neighbours(asked.clf, own, others.patients, others.labels, others.proba[:, k], n)
