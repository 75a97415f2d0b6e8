"""What is odd about the clinical columns of a cohort, before a long fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skedema._told import listening
from skedema.clinical._giveaways import alone
from skedema.clinical.leaks import are_numbers, find_leaks, scan_columns
from skedema.clinical.tokenizer import ClinicalTokenizer
from skedema.frames import Table, check_same_rows, find_scan_columns
from skedema.frames.leniently import read_leniently
from skedema.frames.reading import words_message

if TYPE_CHECKING:
    import pandas as pd

_SCAN, _REFUSED = "scan", "refused"


def check(
    X: Any,
    y: Any = None,
    *,
    image: Any = None,
    trusted_columns: Any = None,
    numbers: bool | None = None,
) -> pd.DataFrame:
    """Look at every clinical column once and say what is odd about it.

    Nothing is changed and no column is refused: a finding is something to look at before a long
    fit, and a column that `fit` would refuse is a finding, too.

    Parameters
    ----------
    X : DataFrame (pandas, polars) or ndarray of shape (n_samples, n_features)
        One row a patient.
    y : array-like of shape (n_samples,) or None, default=None
        The classes, or numbers: see `numbers`. With them, columns that tell the answer are found.
        Patients without a label are left out of that.
    image : str, int, list of these, or None, default=None
        The column of the scans, by name or position; `skedema.scans.check` looks at these. None:
        columns of paths and images are recognised.
    trusted_columns : list of (str or int) or None, default=None
        Columns, by name or position, that are known not to leak.
    numbers : bool or None, default=None
        Whether `y` is numbers, as of a regression, or classes. None: floats that are not all whole
        are numbers, all else is classes; say it of whole numbers, such as days or mRS.

    Returns
    -------
    DataFrame of n_features rows
        The columns

        column : object
            Name, or position where there are no names.
        kind : str
            "numeric", "categorical", "empty" (no value), "scan", or "refused" by `fit`.
        n_missing, n_distinct : int
            Patients without a value, and different values; missing where they were not counted.
        auc : float
            Of the column by itself, where it has a value, in five folds: of few values by the
            share of each class among those with the same one; of measurements by that in the same
            bin or interval, or by their ranks, if that is better. Of several classes that of the
            class which is told worst, or of few values best. NaN without `y`, of numbers, and
            where a class has fewer than 20 patients (15 for few values).
        findings : list of str
            Texts; an empty list when nothing is odd.

    Raises
    ------
    ValueError
        When X is no table of columns, y does not belong to it or holds texts where `numbers` is
        True, or `image` or a trusted column is not there.
    TypeError
        When `trusted_columns` is no list.

    See Also
    --------
    skedema.scans.check : The same for the scans.

    Notes
    -----
    Found are: what `ClinicalTokenizer` refuses or warns of; texts such as "NA" that are read as
    missing values; columns that are empty or the same for all; and what may leak.

    **Identifiers and dates**: names such as id, mrn or patient_no (as words of their own) with
    many values; integers that only rise or only fall from row to row; ten or more of which no two
    are equal in a range where equal ones would be expected (with a chance below one in a million),
    or of eight digits and more; dates and times as numbers, and years.

    **Columns that tell the answer**: an AUC of 0.99 or more, upwards or downwards, by the value or
    by its being missing, in a column of few values with 15 patients on either side, or of
    measurements with 20; measurements only where they are at most one in three columns, since
    otherwise classes are simply far apart. A value that 30 or more patients
    have who are all of one class, where that has at most two thirds of all and chance is below one
    in a million: of so many without an exception up to a tenth may be exceptions among others (the
    rule of three: Hanley and Lippman-Hand, JAMA 1983, 249:1743-1745). Several columns of which any
    means a class, as the kinds of a disease mean the disease. Of numbers, a rank correlation of
    0.99 or more, upwards or downwards, in 20 patients; few values that explain as much of the
    variance in five folds; an AUC of 0.99 by its being missing.

    Figures without a source are chosen. Of more than 10,000 rows so many are drawn to look for
    columns that tell the answer. A column that leaks less than this is not found: whether a value
    was known before the answer was, no figure can say.

    Examples
    --------
    >>> import pandas as pd
    >>> from skedema.clinical import check
    >>> X = pd.DataFrame({"mrn": range(501, 541), "sex": ["f", "m"] * 20})
    >>> table = check(X, y=["yes", "no"] * 20)
    >>> table["findings"][0]
    ['is named like an identifier and holds 40 values in 40 rows']
    >>> table["findings"][1]
    ['has a value of its own for each class of y']
    """
    import pandas as pd

    check_same_rows(X, y=y)
    table, wrong = read_leniently(X)
    scans = scan_columns(table) if image is None else find_scan_columns(table, image)
    target, labelled = _labels(y, len(table))
    numbers = target is not None and are_numbers(target[labelled], numbers)
    found = find_leaks(
        table.take(labelled),
        None if target is None else target[labelled],
        without=[*scans, *wrong],
        trusted=trusted_columns,
        numbers=numbers,
    )
    keys = table.keys or list(range(len(table.columns)))
    rows = []
    for position, column in enumerate(table.columns):
        findings = [words_message(table, position)] if position in table.words else []
        row: dict[str, Any] = {"column": keys[position], "n_missing": int(column.missing().sum())}
        row |= {"n_distinct": None, "auc": np.nan}
        if position in wrong:
            row |= {"kind": _REFUSED, "n_missing": None}
            findings.append(wrong[position])
        elif position in scans:
            row["kind"] = _SCAN
        else:
            row["kind"], of_kind = _look(table.select([position]))
            findings += of_kind
        findings += [leak.reason for leak in found if leak.positions == (position,)]
        findings += [
            str(leak) for leak in found if len(leak.positions) > 1 and position in leak.positions
        ]
        if row["kind"] not in (_SCAN, _REFUSED):
            row["n_distinct"] = column.n_distinct()
            if target is not None and not numbers:
                codes = np.unique(target[labelled], return_inverse=True)[1]
                row["auc"] = alone(table.take(labelled).columns[position], codes)
        if row["n_distinct"] == 1 and len(table) > 1 and not row["n_missing"]:
            findings.append("is the same for all patients, so that it tells nothing")
        rows.append(row | {"findings": findings})
    names = ["column", "kind", "n_missing", "n_distinct", "auc", "findings"]
    return pd.DataFrame(rows, columns=names).astype(dict.fromkeys(names[2:4], "Int64"))


def _look(part: Table) -> tuple[str, list[str]]:
    """Give the kind of a column, and what a fit has to say to it."""
    try:
        with listening() as findings:
            kind = ClinicalTokenizer().fit(part).kinds_[0]
    except (TypeError, ValueError) as error:
        return _REFUSED, [str(error)]
    return kind, findings


def _labels(y: Any, n: int) -> tuple[np.ndarray | None, np.ndarray]:
    """Give labels, and which rows have one."""
    import pandas as pd

    if y is None:
        return None, np.ones(n, dtype=bool)
    labels = np.asarray(y)
    if labels.shape != (n,):
        raise ValueError(f"y has shape {labels.shape}, but X has {n} rows: give one label a row.")
    return labels, ~np.asarray(pd.isna(labels), dtype=bool)
