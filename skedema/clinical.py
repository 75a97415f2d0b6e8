"""ClinicalTokenizer: a table of clinical variables as numbers that a token layer can embed."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from skedema.frames import Column, Table, find_column, listing, match_columns, read_table
from skedema.scans import looks_like_scan

NUMERIC, CATEGORICAL, EMPTY = "numeric", "categorical", "empty"

# Beyond this many distinct texts, more than one for every two patients reads as free text.
_MANY_CATEGORIES = 20
_CLIP = 3.0
_LARGEST = 1e6
_NUMBER = r"[-+]?(\d[\d\s.,']*|\.\d+)([eE][-+]?\d+)?"
_NUMBER_LIKE = re.compile(rf"\s*[<>≤≥~=]*\s*{_NUMBER}\s*%?\s*")
_DATE_LIKE = re.compile(
    r"\s*(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2}))([T\s]+\d{1,2}:\d{2}.*)?\s*"
)


class ClinicalTokenizer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Turn clinical variables into one number a variable, ready to become one token each.

    Numeric and boolean variables are centred on their median and divided by their interquartile
    range, then bounded smoothly, so that heavy-tailed laboratory values and typing errors neither
    dominate nor overflow. Text and category columns become the codes 0, 1, ... of their
    categories. **Missing values stay NaN**: the model owns a learnable embedding for each
    variable's absence, so nothing is imputed.

    Parameters
    ----------
    categorical_features : "from_dtype" or sequence of (str or int), default="from_dtype"
        Which columns hold categories. ``"from_dtype"``: text and category columns. A sequence of
        names or positions adds number-coded categories, such as a site or a scanner code.

    Attributes
    ----------
    kinds_ : list of str
        ``"numeric"``, ``"categorical"`` or ``"empty"`` (no value was seen in `fit`) a column.
    categories_ : list of (list of str or None)
        The categories of each categorical column, in the order of their codes.
    n_categories_ : ndarray of int of shape (n_features_in_,)
        0 for a column that is not categorical.
    center_, scale_ : ndarray of shape (n_features_in_,)
        Median, and the factor of the deviation from it, of each numeric column; 0 and 1 elsewhere.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Their names, if all are text.

    Notes
    -----
    A numeric value x becomes ``z / sqrt(1 + (z / 3)**2)`` with ``z = (x - median) / (q75 - q25)``;
    where the quartiles coincide, ``z = 2 (x - median) / (max - min)``; 0 for a constant. This is
    robust scaling with smooth clipping of Holzmüller, Grinsztajn and Steinwart, "Better by
    default" (NeurIPS 2024, arXiv 2407.04491), section 3. Quantiles are those of the inverted
    distribution function, so that an integer weight equals a repeated row.

    Examples
    --------
    >>> import pandas as pd
    >>> from skedema import ClinicalTokenizer
    >>> X = pd.DataFrame({"sodium": [128.0, 140.0, None], "sex": ["f", "m", "f"]})
    >>> ClinicalTokenizer().fit_transform(X)
    array([[ 0.  ,  0.  ],
           [ 0.95,  1.  ],
           [  nan,  0.  ]])
    """

    def __init__(self, *, categorical_features: str | Sequence[str | int] = "from_dtype") -> None:
        self.categorical_features = categorical_features

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> ClinicalTokenizer:
        """Learn the kind, the scale and the categories of every column.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            The clinical variables.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Rows of weight 0 count as absent.

        Returns
        -------
        ClinicalTokenizer
            The fitted transformer.

        Raises
        ------
        ValueError
            When a column holds infinities, dates, numbers mixed with text, text that reads as
            numbers, or what looks like identifiers, free text or paths of scans.
        TypeError
            When a cell is neither a number nor a text.
        """
        table = read_table(X)
        weight = _check_sample_weight(
            sample_weight, np.empty((len(table), 1)), ensure_non_negative=True
        )
        if not weight.any():
            raise ValueError("sample_weight must hold at least one weight that is not zero.")
        declared = self._declared(table)
        kept = weight > 0
        n_columns = len(table.columns)
        self.kinds_: list[str] = []
        self.categories_: list[list[str] | None] = []
        self.center_ = np.zeros(n_columns)
        self.scale_ = np.ones(n_columns)
        for position, column in enumerate(table.columns):
            kind = _kind(column, position in declared, table)
            present = kept & ~column.missing()
            if not present.any():
                kind = EMPTY
            self.kinds_.append(kind)
            self.categories_.append(None)
            if kind == NUMERIC:
                self.center_[position], self.scale_[position] = _robust_scale(
                    column.values[present], weight[present]
                )
            elif kind == CATEGORICAL:
                self.categories_[position] = sorted(set(_keys(column.values[present])))
        self.n_categories_ = np.array([len(c or ()) for c in self.categories_])
        self.n_features_in_ = n_columns
        if table.names is not None:
            self.feature_names_in_ = np.array(table.names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Give every variable its number.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            The clinical variables, matched by name where there are names.

        Returns
        -------
        ndarray of float64 of shape (n_samples, n_features)
            Scaled values and category codes; NaN for missing.

        Raises
        ------
        ValueError
            When columns are missing or extra, or a numeric column holds text or infinities.

        Warns
        -----
        UserWarning
            Once a call, when values cannot be known to the model and are treated as missing:
            categories not seen in `fit`, and variables that had no value at all in `fit`.
        """
        check_is_fitted(self)
        table = match_columns(
            read_table(X),
            list(self.feature_names_in_) if hasattr(self, "feature_names_in_") else None,
            self.n_features_in_,
            type(self).__name__,
        )
        codes = np.full((len(table), self.n_features_in_), np.nan)
        unknown: list[str] = []
        for position, (column, kind) in enumerate(zip(table.columns, self.kinds_, strict=True)):
            present = ~column.missing()
            if kind == NUMERIC:
                values = _numbers(column, table)
                codes[:, position] = self._scaled(values, position)
            elif kind == CATEGORICAL:
                _refuse_odd_cells(column, table)
                keys = pd.Index(self.categories_[position], dtype=object)
                found = keys.get_indexer(pd.Index(_keys(column.values[present]), dtype=object))
                codes[present, position] = np.where(found < 0, np.nan, found)
                if (found < 0).any():
                    new = sorted({str(v) for v in column.values[present][found < 0]})
                    unknown.append(f"{column.label}: {listing([repr(v) for v in new])}")
            elif present.any():
                unknown.append(f"{column.label}: no value was seen in fit")
        if unknown:
            warnings.warn(
                f"Treated as missing, since fit did not see them: {'; '.join(unknown)}.",
                UserWarning,
                stacklevel=2,
            )
        return codes

    def _scaled(self, values: np.ndarray, position: int) -> np.ndarray:
        with np.errstate(over="ignore"):
            deviation = np.clip(
                values - self.center_[position], -np.finfo(float).max, np.finfo(float).max
            )
            z = np.clip(deviation * self.scale_[position], -_LARGEST, _LARGEST)
        return np.asarray(z / np.hypot(1.0, z / _CLIP))

    def _declared(self, table: Table) -> set[int]:
        asked = self.categorical_features
        if isinstance(asked, str):
            if asked == "from_dtype":
                return set()
            raise ValueError(
                f"categorical_features={asked!r} must be 'from_dtype' or a list of columns, such "
                f"as [{asked!r}]."
            )
        return {find_column(table, column, "categorical_features") for column in asked}

    def __sklearn_tags__(self) -> Any:
        # input_tags.string stays False although text columns are welcome: scikit-learn's checks
        # ask whoever sets it to accept any object as a cell, and an odd cell is an error here.
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _kind(column: Column, declared: bool, table: Table) -> str:
    """Decide what a column holds, or say why it holds nothing that a model can use."""
    _refuse_odd_cells(column, table)
    if declared or column.categorical:
        return CATEGORICAL
    if column.is_numeric:
        _numbers(column, table)
        return NUMERIC
    present = np.flatnonzero(~column.missing())
    texts = [column.values[i] for i in present]
    is_text = np.array([isinstance(t, str) for t in texts], dtype=bool)
    if not is_text.all():
        raise ValueError(
            f"Column {column.label} mixes numbers with text; the text stands in "
            f"{table.rows(present[is_text])}: {_quoted(texts, is_text)}. {_numeric_remedy(column)}"
        )
    number_like = np.array([bool(_NUMBER_LIKE.fullmatch(t)) for t in texts], dtype=bool)
    date_like = np.array([bool(_DATE_LIKE.fullmatch(t)) for t in texts], dtype=bool)
    if date_like.mean() > 0.5:
        raise ValueError(
            f"Column {column.label} holds dates or times as text, such as "
            f"{_quoted(texts, date_like)}. Parse it with pd.to_datetime and give a duration in "
            "hours since an event that matters instead."
        )
    if number_like.mean() > 0.5:
        raise ValueError(
            f"Column {column.label} holds numbers as text, such as {_quoted(texts, number_like)} "
            f"in {table.rows(present[number_like])}. {_numeric_remedy(column)}"
        )
    n_distinct = len(set(texts))
    if n_distinct > max(_MANY_CATEGORIES, len(texts) / 2):
        raise ValueError(
            f"Column {column.label} holds {n_distinct} different texts for {len(texts)} patients, "
            f"such as {_quoted(texts, is_text)}: identifiers or free text. Drop the column, or "
            f"make it a category on purpose: df[{column.label}].astype('category')."
        )
    return CATEGORICAL


def _numbers(column: Column, table: Table) -> np.ndarray:
    """Return the float64 values of a numeric column, all finite or NaN."""
    values = column.values
    if not column.is_numeric:
        present = ~column.missing()
        if column.categorical:
            numeric = pd.to_numeric(pd.Series(values, dtype=object), errors="coerce").to_numpy(
                dtype=np.float64
            )
        else:
            numeric = np.array(
                [np.nan if v is None or isinstance(v, str) else _float(v) for v in values]
            )
        bad = present & np.isnan(numeric)
        if bad.any():
            raise ValueError(
                f"Column {column.label} is numeric, but {table.rows(bad)} hold other things: "
                f"{listing([repr(v) for v in values[bad]])}. {_numeric_remedy(column)}"
            )
        values = numeric
    infinite = np.isinf(values)
    if infinite.any():
        raise ValueError(
            f"Column {column.label} holds inf (infinity) in {table.rows(infinite)}. Use NaN for a "
            "value that is missing, or the limit of detection for one out of range."
        )
    return values


def _float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan


def _refuse_odd_cells(column: Column, table: Table) -> None:
    if column.is_numeric:
        return
    present = ~column.missing()
    scans = np.array([looks_like_scan(v) for v in column.values], dtype=bool) & present
    if scans.sum() * 2 > present.sum():
        raise ValueError(
            f"Column {column.label} looks like scans, such as "
            f"{_quoted(list(column.values), scans)}: it is no clinical variable. Set "
            f"image={column.label} on the classifier, or drop the column where another one "
            "holds the scan."
        )
    scalar = np.array(
        [
            isinstance(v, (str, bytes)) or np.isscalar(v) or v is None or pd.api.types.is_number(v)
            for v in column.values
        ],
        dtype=bool,
    )
    if not scalar.all():
        kind = type(column.values[~scalar][0]).__name__
        raise TypeError(
            f"Column {column.label} holds a {kind} in {table.rows(~scalar)}. A clinical value "
            "is a number or a text; as for float(), the argument must be a string or a real number."
        )
    blank = np.array([isinstance(v, str) and not v.strip() for v in column.values], dtype=bool)
    if blank.any():
        raise ValueError(
            f"Column {column.label} holds blank text in {table.rows(blank)}. Use None for a "
            f"missing value: df[{column.label}].replace(r'^\\s*$', None, regex=True)."
        )


def _numeric_remedy(column: Column) -> str:
    return (
        "Clean it up (a decimal comma, '<0.5', a unit) and convert it: "
        f"pd.to_numeric(df[{column.label}], errors='coerce') makes what is no number a missing "
        f"value. If the column holds codes, say so: df[{column.label}].astype('category')."
    )


def _quoted(values: Sequence[Any], selected: np.ndarray) -> str:
    chosen = list(dict.fromkeys(repr(v) for v, s in zip(values, selected, strict=True) if s))
    return listing(chosen[:3])


def _keys(values: np.ndarray) -> list[str]:
    """Name categories so that 1, 1.0 and "1" are the same: dtypes drift between tables."""
    return [_key(v) for v in values]


def _key(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _robust_scale(values: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Weighted median and 1 / interquartile range; see the notes of the class."""
    q25, median, q75 = np.quantile(values, [0.25, 0.5, 0.75], weights=weight, method="inverted_cdf")
    with np.errstate(over="ignore", divide="ignore"):
        width = q75 - q25
        if width == 0:
            width = values.max() / 2 - values.min() / 2
        scale = 1 / width
    # 0 for a constant, and for a range too wide or too narrow for a float64.
    return float(median), float(scale) if np.isfinite(scale) else 0.0
