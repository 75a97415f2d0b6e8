"""Table 1 of a paper: who the patients are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skedema.clinical.leaks import scan_columns
from skedema.evaluation._forms import Form, check_form, in_form
from skedema.evaluation._subgroups import parts_of
from skedema.frames import Column, check_same_rows, find_columns
from skedema.frames.leniently import read_leniently
from skedema.frames.reading import tell_of_words

_MOST_LEVELS = 20
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def table_one(
    X: Any,
    y: Any = None,
    *,
    by: Any = None,
    columns: Iterable[Any] | None = None,
    nonnormal: Iterable[Any] = (),
    categorical: Iterable[Any] = (),
    least: int = 1,
    digits: int = 1,
    form: Form = "frame",
) -> Any:
    """Describe a cohort as Table 1 of a paper does, with what is missing.

    Parameters
    ----------
    X : DataFrame (pandas, polars) or ndarray of shape (n, n_features)
        One row a patient.
    y : array-like of shape (n,) or None, default=None
        Their classes: a column each.
    by : str or array-like of shape (n,), or None, default=None
        Another division than by class: a column of X, or a value for each row, such as site or
        cohort.
    columns : iterable of names or positions, or None, default=None
        Which columns of X, in this order. None is all of them.
    nonnormal : iterable of names or positions, default=()
        Numbers to be described by median and quartiles instead of mean and SD.
    categorical : iterable of names or positions, default=()
        Numbers that are codes of categories, to be counted. Booleans, 0 and 1, and texts are
        counted anyway.
    least : int, default=1
        Categories of fewer patients than this are one, "other": small counts may tell who somebody
        is.
    digits : int, default=1
        After the point.
    form : {"frame", "markdown", "latex", "html"}, default="frame"
        A DataFrame of texts, or a text to be put into a paper or page.

    Returns
    -------
    DataFrame or str
        A row a variable, or a category of one. Columns: how many values are missing, all patients,
        each part with its number of patients in the heading, and, of two parts or more, SMD.

    Raises
    ------
    ValueError
        When both `y` and `by` are given, there is no such column or form, one cannot be read, or
        what comes beside a pandas table stands in another order.

    Warns
    -----
    UserWarning
        Once, when texts such as "NA" stand for missing values.

    Notes
    -----
    Means, SDs, quartiles and percentages are of the values that are there; a scan counts by
    whether there is one.

    **SMD** is the standardised mean difference, without its sign: the difference of means by the
    root of the mean of both variances, of a share ``p (1 - p)`` [1]_, and of several categories the
    Mahalanobis distance between their shares [2]_. Of more than two parts it is the greatest of any
    two. Unlike a p value it does not grow with the number of patients; 0.1 is often taken for
    negligible [1]_.

    **p values** are left out: a table that describes who was seen tests nothing, and significance
    tests in it should be avoided, says STROBE [3]_ (item 14).

    References
    ----------
    .. [1] Austin, P. C. (2009). Balance diagnostics for comparing the distribution of baseline
       covariates between treatment groups in propensity-score matched samples. Statistics in
       Medicine 28, 3083-3107.
    .. [2] Yang, D., Dalton, J. E. (2012). A unified approach to measuring the effect size between
       two groups using SAS. SAS Global Forum 2012, paper 335.
    .. [3] Vandenbroucke, J. P., von Elm, E., Altman, D. G., et al. (2007). Strengthening the
       Reporting of Observational Studies in Epidemiology (STROBE): explanation and elaboration.
       PLoS Medicine 4, e297.

    Examples
    --------
    >>> import pandas as pd
    >>> from skedema.evaluation import table_one
    >>> X = pd.DataFrame({"age": [61, 74, 80, 58], "sex": ["f", "m", "f", None]})
    >>> print(table_one(X, ["edema", "none", "edema", "none"], form="markdown"))
    | variable | missing, n (%) | all (n = 4) | edema (n = 2) | none (n = 2) | SMD |
    | --- | ---: | ---: | ---: | ---: | ---: |
    | age, mean (SD) | 0 (0.0) | 68.2 (10.5) | 70.5 (13.4) | 66.0 (11.3) | 0.36 |
    | sex = f, n (%) | 1 (25.0) | 2 (66.7) | 2 (100.0) | 0 (0.0) | inf |
    | sex = m, n (%) |  | 1 (33.3) | 0 (0.0) | 1 (100.0) |  |
    """
    check_form(form)
    if y is not None and by is not None:
        raise ValueError("Give y or by: a table has one division. by=y is the same as y.")
    check_same_rows(X, y=y, by=by)
    table, wrong = read_leniently(X)
    left_out: list[int] = []
    if isinstance(by, str):
        left_out = find_columns(table, [by], "by")
        division: Any = table.columns[left_out[0]].values
    else:
        division = y if by is None else by
    chosen = [p for p in range(len(table.columns)) if p not in left_out]
    if columns is not None:
        chosen = find_columns(table, list(columns), "columns")
    for position in chosen:
        if position in wrong:
            raise ValueError(f"{wrong[position]} Or leave it out: columns= names the others.")
    tell_of_words(table)
    coded = find_columns(table, list(categorical), "categorical")
    skewed = find_columns(table, list(nonnormal), "nonnormal")
    scans = scan_columns(table)
    cohort = _Cohort(_parts(division, len(table)), digits, least)
    rows: list[tuple[str, list[str]]] = []
    for p in chosen:
        column, name = table.columns[p], str(table.keys[p] if table.keys else p)
        if p in scans:
            there = (~column.missing()).astype(np.float64)
            found = cohort.categories(Column(column.label, there), f"{name}, present")
            missing = cohort.share(column.missing(), cohort.everybody)
            rows += [(text, [missing, *cells[1:]]) for text, cells in found]
        elif column.is_numeric and p not in coded and not _is_yes_or_no(column):
            if np.isinf(column.values).any():
                raise ValueError(
                    f"Column {column.label} is infinite in {table.rows(np.isinf(column.values))}. "
                    "Correct it, or use None if it is not known."
                )
            rows.append(cohort.numbers(column, name, p in skewed))
        else:
            rows += cohort.categories(column, name, _order(X, p))
    index = pd.Index([name for name, _ in rows], name="variable")
    return in_form(pd.DataFrame([cells for _, cells in rows], index, cohort.heads, dtype=str), form)


def _parts(division: Any, n_rows: int) -> list[tuple[str, Bools]]:
    """List everybody, and then each part, with their rows."""
    parts: list[tuple[Any, Bools]] = [("all", np.ones(n_rows, dtype=bool))]
    if division is not None:
        values = np.asarray(division)
        if values.shape != (n_rows,):
            raise ValueError(
                f"y or by has shape {values.shape}, but there are {n_rows} rows: give one value a "
                "row."
            )
        if any(isinstance(value, (float, np.floating)) and value % 1 > 0 for value in values):
            raise ValueError(
                "y or by holds numbers that are no groups, and there would be a column for each of "
                "them. Give ranges, such as pd.cut(y, [0, 5, np.inf]), or leave y out."
            )
        parts += parts_of(values, None)
    return [(str(name), rows) for name, rows in parts]


class _Cohort:
    """Everybody and the parts, of which each variable is described."""

    def __init__(self, parts: Sequence[tuple[str, Bools]], digits: int, least: int) -> None:
        self.parts, self.digits, self.least = [rows for _, rows in parts], digits, least
        self.everybody = self.parts[0]
        self.compared = len(parts) > 2
        sizes = [f"{name} (n = {int(rows.sum())})" for name, rows in parts]
        self.heads = ["missing, n (%)", *sizes, *(["SMD"] if self.compared else [])]

    def numbers(self, column: Column, name: str, skewed: bool) -> tuple[str, list[str]]:
        groups = [column.values[rows & ~column.missing()] for rows in self.parts]
        write = self._quartiles if skewed else self._mean
        moments = [
            (each.mean(keepdims=True), each.var(ddof=1, keepdims=True)[None])
            for each in groups[1:]
            if len(each) > 1
        ]
        cells = [self.share(column.missing(), self.everybody), *map(write, groups)]
        what = "median [Q1, Q3]" if skewed else "mean (SD)"
        return f"{name}, {what}", cells + self._distance(moments)

    def categories(
        self, column: Column, name: str, order: Sequence[Any] = ()
    ) -> list[tuple[str, list[str]]]:
        there = ~column.missing()
        missing = self.share(~there, self.everybody)
        groups = [rows & there for rows in self.parts]
        if _is_yes_or_no(column):
            levels = [(name, column.values == 1)]
            shares = [_shares(levels, rows) for rows in groups[1:] if rows.any()]
        else:
            found = [each for each in parts_of(column.values, None) if (each[1] & there).any()]
            found.sort(key=lambda each: list(order).index(each[0]) if each[0] in order else -1)
            rare = [rows for _, rows in found if (rows & there).sum() < self.least]
            found = [each for each in found if (each[1] & there).sum() >= self.least]
            levels = [(f"{name} = {_level(value)}", rows) for value, rows in found]
            if rare:
                levels.append((f"{name} = other", np.logical_or.reduce(rare)))
            if not levels or len(levels) > _MOST_LEVELS:
                counts = [str(len(set(column.values[rows].tolist()))) for rows in groups]
                return [(f"{name}, different values", [missing, *counts, *self._distance([])])]
            shares = [_shares(levels, rows)[1:] for rows in groups[1:] if rows.any()]
        distance = self._distance([(p, np.diag(p) - np.outer(p, p)) for p in shares])
        described = []
        for text, rows in levels:
            cells = [missing, *(self.share(rows, group) for group in groups), *distance]
            described.append((f"{text}, n (%)", cells))
            missing, distance = "", [""] * len(distance)  # once a variable
        return described

    def share(self, chosen: Bools, among: Bools) -> str:
        count, n = int((chosen & among).sum()), int(among.sum())
        return f"{count} ({100 * count / n:.{self.digits}f})" if n else ""

    def _mean(self, values: Floats) -> str:
        spread = f" ({values.std(ddof=1):.{self.digits}f})" if len(values) > 1 else ""
        return f"{values.mean():.{self.digits}f}{spread}" if len(values) else ""

    def _quartiles(self, values: Floats) -> str:
        if not len(values):
            return ""
        low, middle, high = (
            f"{each:.{self.digits}f}" for each in np.quantile(values, [0.25, 0.5, 0.75])
        )
        return f"{middle} [{low}, {high}]"

    def _distance(self, moments: Sequence[tuple[Floats, Floats]]) -> list[str]:
        """Give the greatest SMD of two parts, from their means and covariances."""
        if not self.compared:
            return []
        found = [_smd(*first, *second) for first, second in combinations(moments, 2)]
        return [f"{max(found):.2f}" if found else ""]


def _smd(mean: Floats, cov: Floats, other_mean: Floats, other_cov: Floats) -> float:
    apart, pooled = mean - other_mean, (cov + other_cov) / 2
    solved = np.linalg.pinv(pooled, hermitian=True) @ apart
    if not np.allclose(pooled @ solved, apart, atol=1e-9):  # nothing varies where they differ
        return float(np.inf)
    return float(np.sqrt(max(float(apart @ solved), 0.0)))


def _shares(levels: Sequence[tuple[str, Bools]], among: Bools) -> Floats:
    counts = np.array([(rows & among).sum() for _, rows in levels], dtype=np.float64)
    return counts / float(among.sum())


def _order(X: Any, position: int) -> list[Any]:
    """Give the categories of a pandas column in their own order."""
    dtype = X.dtypes.iloc[position] if isinstance(X, pd.DataFrame) else None
    return list(dtype.categories) if isinstance(dtype, pd.CategoricalDtype) else []


def _is_yes_or_no(column: Column) -> bool:
    values = set(column.values[~column.missing()].tolist()) if column.is_numeric else set()
    return bool(values) and values <= {0.0, 1.0}


def _level(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
