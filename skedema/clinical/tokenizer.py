"""ClinicalTokenizer: a table of clinical variables as numbers that a token layer can embed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skedema._all_or_nothing import all_or_nothing
from skedema._told import tell
from skedema.clinical.categories import category_keys, learn_categories, spellings
from skedema.clinical.scales import robust_scale
from skedema.clinical.suspicions import warn_of_empty, warn_of_joined, warn_of_unusual
from skedema.clinical.usual import Usual, learn_usual
from skedema.clinical.variables import (
    CATEGORICAL,
    EMPTY,
    NUMERIC,
    check_cells,
    read_numbers,
    refuse_merged_codes,
    variable_kind,
)
from skedema.frames import Table, find_column, listed, match_columns, read_table
from skedema.frames.weights import read_weights

#: The most that a scaled value can be.
CLIP = 3.0
#: The most that it is before it is bounded.
LARGEST = 1e6


@dataclass(frozen=True)
class _Seen:
    """By position of the column: texts `fit` had not, and rows and values unlike all it had."""

    unknown: dict[int, set[str]]
    odd: dict[int, list[tuple[np.ndarray, np.ndarray]]]


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
        Positions count the columns that the tokenizer is given: in a classifier, all but the
        scan's.
    warn_unusual : bool, default=True
        Whether `fit` warns of numbers that are far from all others or look like a code for a
        missing value (-9, 999), and `transform` of those that are far from what `fit` saw.

    Attributes
    ----------
    kinds_ : list of str
        ``"numeric"``, ``"categorical"`` or ``"empty"`` (no value was seen in `fit`) a column.
    categories_ : list of (list of str or None)
        The categories of each categorical column, in the order of their codes. Texts that differ in
        case, blanks or characters that cannot be seen are one category, and so are 1, 1.0, True,
        "1.0", "01" and "true"; it is named as it is written most often.
    n_categories_ : ndarray of int of shape (n_features_in_,)
        0 for a column that is not categorical.
    center_, scale_ : ndarray of shape (n_features_in_,)
        Median, and the factor of the deviation from it, of each numeric column; 0 and 1 elsewhere.
    low_, high_ : ndarray of shape (n_features_in_,)
        The smallest and the largest value of each numeric column, but for those that `fit` warns
        of; NaN elsewhere.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Their names, if all are text.

    Notes
    -----
    A numeric value x becomes ``z / sqrt(1 + (z / 3)**2)`` with ``z = (x - median) / (q75 - q25)``.
    This is robust scaling with smooth clipping of Holzmüller, Grinsztajn and Steinwart, "Better by
    default" (RealMLP; NeurIPS 2024, arXiv 2407.04491), section 3, but for columns whose quartiles
    coincide: there they divide by half the range, which one typing error changes, and here z is
    ``2 (x - median) / m`` with the median distance m of all values that are not the median, the
    same for a variable of 0 and 1. A constant becomes 0. Quantiles are those of the inverted
    distribution function, so that an integer weight equals a repeated row.

    A value is far from all others where it is at least three times as large, and where the gap
    before it would come up in three of a thousand columns with a tail as heavy as a power law; so
    laboratory values over several decades (log-normal) are not. Fewer than ten values do not tell.

    Examples
    --------
    >>> import pandas as pd
    >>> from skedema import ClinicalTokenizer
    >>> X = pd.DataFrame({"sodium": [128.0, 140.0, None], "sex": ["f", "m", "f"]})
    >>> ClinicalTokenizer().fit_transform(X).round(2)
    array([[0.  , 0.  ],
           [0.95, 1.  ],
           [ nan, 0.  ]])
    """

    def __init__(
        self,
        *,
        categorical_features: str | Sequence[str | int] = "from_dtype",
        warn_unusual: bool = True,
    ) -> None:
        self.categorical_features = categorical_features
        self.warn_unusual = warn_unusual

    @all_or_nothing
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

        Warns
        -----
        UserWarning
            Once a call, when categories that differ in case, blanks, unseen characters or how a
            number is written count as one; once a call for columns without any
            value; and, with `warn_unusual`, once a call for numbers far from all others or such as
            -9 and 999, which look as if they stood for a missing value.
        """
        table = read_table(X)
        weight = read_weights(sample_weight, table)
        declared = self._declared(table)
        kept = weight > 0
        n_columns = len(table.columns)
        self.kinds_: list[str] = []
        self.categories_: list[list[str] | None] = []
        self.center_ = np.zeros(n_columns)
        self.scale_ = np.ones(n_columns)
        self.low_ = np.full(n_columns, np.nan)
        self.high_ = np.full(n_columns, np.nan)
        self._usual: dict[int, Usual] = {}
        joined: list[str] = []
        for position, column in enumerate(table.columns):
            kind = variable_kind(column, position in declared, table)
            present = kept & ~column.missing()
            if not present.any():
                kind = EMPTY
            self.kinds_.append(kind)
            self.categories_.append(None)
            if kind == NUMERIC:
                values = column.values[present]
                self.center_[position], self.scale_[position] = robust_scale(
                    values, weight[present]
                )
                self._usual[position] = usual = learn_usual(values)
                self.low_[position], self.high_[position] = usual.low, usual.high
            elif kind == CATEGORICAL:
                categories, twins = learn_categories(column.values[present], weight[present])
                self.categories_[position] = categories
                if twins:
                    joined.append(f"{', and '.join(twins)} of column {column.label}")
        warn_of_joined(joined)
        self._warn_of_fit(table, kept)
        self.n_categories_ = np.array([len(c or ()) for c in self.categories_])
        self.n_features_in_ = n_columns
        self._keys = table.keys
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
            categories not seen in `fit`, and variables that had no value at all in `fit`. With
            `warn_unusual`, once a call for numbers far from those that `fit` saw.
        """
        check_is_fitted(self)
        (codes,) = self._by_parts(X, None)
        return codes

    def _by_parts(self, X: Any, size: int | None) -> Iterator[np.ndarray]:
        """Transform `size` rows at a time, None for all; warn of all together after the last."""
        table = match_columns(read_table(X), self._keys, self.n_features_in_, type(self).__name__)
        seen = _Seen(unknown=defaultdict(set), odd=defaultdict(list))
        read = self._read_columns(table)  # what is wrong is said of all rows, before any is done
        n = len(table)
        for start in range(0, n, size or n):
            yield self._codes_of(read, slice(start, min(start + (size or n), n)), seen)
        self._warn_of_transform(table, seen)

    def _codes_of(self, read: list[np.ndarray], rows: slice, seen: _Seen) -> np.ndarray:
        """Give every variable of some rows its number, and add what `fit` had not."""
        codes = np.full((rows.stop - rows.start, self.n_features_in_), np.nan)
        for position, whole in enumerate(read):
            kind, values = self.kinds_[position], whole[rows]
            if kind == NUMERIC:
                codes[:, position] = self._scaled(values, position)
                if self.warn_unusual:
                    usual = self._usual[position]
                    odd = np.flatnonzero(usual.is_code(values) | usual.is_far(values))
                    if len(odd):
                        seen.odd[position].append((odd + rows.start, values[odd]))
                continue
            present = ~np.asarray(pd.isna(values), dtype=bool)
            if kind == CATEGORICAL:
                codes[present, position], new = self._codes(values[present], position)
            if present.any() and (kind != CATEGORICAL or new):
                seen.unknown[position] |= new if kind == CATEGORICAL else set()
        return codes

    def _read_columns(self, table: Table) -> list[np.ndarray]:
        """Give the cells of each column, once all are what a column of its kind may hold."""
        read = []
        for column, kind in zip(table.columns, self.kinds_, strict=True):
            if kind == NUMERIC:
                read.append(read_numbers(column, table))
                continue
            check_cells(column, table)
            if kind == CATEGORICAL:
                refuse_merged_codes(column, table)
            read.append(column.values)
        return read

    def _warn_of_transform(self, table: Table, seen: _Seen) -> None:
        parts = []
        for position, texts in sorted(seen.unknown.items()):
            what = listed(sorted(texts)) if texts else "no value was seen in fit"
            parts.append(f"{table.columns[position].label}: {what}")
        if parts:
            tell(f"Treated as missing, since fit did not see them: {'; '.join(parts)}.")
        odd = []
        for position, found in sorted(seen.odd.items()):
            rows, values = (np.concatenate(each) for each in zip(*found, strict=True))
            odd.append((table.columns[position].label, self._usual[position], values, rows))
        warn_of_unusual(odd, table, seen=False)

    def _warn_of_fit(self, table: Table, kept: np.ndarray) -> None:
        empty = [c.label for c, k in zip(table.columns, self.kinds_, strict=True) if k == EMPTY]
        warn_of_empty(empty)
        if self.warn_unusual:
            odd = []
            for position, usual in self._usual.items():
                column = table.columns[position]
                rows = np.flatnonzero(kept & np.isin(column.values, list(usual.odd)))
                odd.append((column.label, usual, column.values[rows], rows))
            warn_of_unusual(odd, table, seen=True)

    def _scaled(self, values: np.ndarray, position: int) -> np.ndarray:
        with np.errstate(over="ignore"):
            deviation = np.clip(
                values - self.center_[position], -np.finfo(float).max, np.finfo(float).max
            )
            z = np.clip(deviation * self.scale_[position], -LARGEST, LARGEST)
        return np.asarray(z / np.hypot(1.0, z / CLIP))

    def _codes(self, values: np.ndarray, position: int) -> tuple[list[float], set[str]]:
        """Codes of categories, NaN for the new ones; and the new ones."""
        categories = np.array(self.categories_[position], dtype=object)
        code_of_key = {key: float(code) for code, key in enumerate(category_keys(categories))}
        cells = values.tolist()
        distinct = np.fromiter(dict.fromkeys(cells), dtype=object)  # each is looked up once
        keys = category_keys(distinct)
        codes = [code_of_key.get(key, np.nan) for key in keys]
        texts = spellings(distinct)
        new = {t for t, key in zip(texts, keys, strict=True) if key not in code_of_key}
        code_of = dict(zip(distinct.tolist(), codes, strict=True))
        return [code_of[cell] for cell in cells], new

    def _declared(self, table: Table) -> set[int]:
        asked = self.categorical_features
        if isinstance(asked, str) and asked == "from_dtype":
            return set()
        if isinstance(asked, (str, bytes)) or not np.iterable(asked):
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
