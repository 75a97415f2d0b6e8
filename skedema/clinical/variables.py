"""What a clinical column holds: numbers, categories, or nothing that a model can use."""

from __future__ import annotations

import decimal
import math
import numbers
import re
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from skedema.clinical.texts import is_amount, is_date, is_no_value
from skedema.frames.missing import plain
from skedema.frames.reading import LARGEST_EXACT
from skedema.frames.table import Column, Table, listed, masked
from skedema.scans import looks_like_scan
from skedema.scans.errors import SEVERAL_SCANS
from skedema.scans.files import scan_name

NUMERIC, CATEGORICAL, EMPTY = "numeric", "categorical", "empty"

# Beyond this many distinct texts, more than one for every two patients reads as free text; and so
# does another text for every patient, from as many patients on as cannot well be chance.
_MANY_CATEGORIES, _ALL_DISTINCT = 20, 10
# Numbers and dates as text: more than half of the patients, or more than so many different ones.
_FEW_VALUES = 5

_TRUTH = {"true": 1.0, "false": 0.0}

_NO_NAME = re.compile(r"'Unnamed: \d+'")  # how pandas.read_csv calls a column without a name


def variable_kind(column: Column, declared: bool, table: Table) -> str:
    """Decide what a column to learn from holds, NUMERIC or CATEGORICAL.

    Or say why it holds nothing that a model can use: infinities, dates, numbers mixed with text,
    text that reads as numbers, what looks like identifiers, free text or scans. `declared` is
    whether the user says that it holds categories.
    """
    check_cells(column, table)
    if column.is_numeric and not declared:
        _refuse_row_numbers(column)
        return NUMERIC
    if not (column.is_numeric or declared or column.categorical):
        _refuse_long_numbers(column, table)
        _refuse_disguised(column, table)
    refuse_merged_codes(column, table)
    return CATEGORICAL


def refuse_merged_codes(column: Column, table: Table) -> None:
    """Refuse number-coded categories that a float64 has merged before they came here."""
    if not column.is_numeric:
        return
    long = np.abs(column.values) > LARGEST_EXACT
    if long.any():
        raise ValueError(
            f"Column {column.label} holds codes beyond 2**53 as decimals in {table.rows(long)}, "
            "where neighbours are the same number. Read them as text or integers: "
            f"pd.read_csv(path, dtype={{{column.label}: 'str'}}), or 'Int64'."
        )


def check_cells(column: Column, table: Table) -> None:
    """Refuse cells that are no clinical value, whatever the kind of the column.

    These are infinities, scans, blank text, text that stands for "no value", and what is neither a
    number nor a text.
    """
    if column.is_numeric:
        _refuse_infinite(column, column.values, table)
        return
    label, cells = column.label, column.values
    kinds = {type(v) for v in cells} - {type(None)}
    odd = {
        kind
        for kind in kinds
        if not issubclass(kind, (str, numbers.Real, np.bool_, decimal.Decimal))
        and not (column.categorical and issubclass(kind, pd.Interval))  # of pandas.cut
    }
    # Whatever can be is asked of each distinct text once.
    only_text = kinds <= {str}
    distinct = dict.fromkeys(cells if only_text else (v for v in cells if isinstance(v, str)))
    distinct.pop(None, None)
    scans = {text for text in distinct if looks_like_scan(text)}
    is_scan = np.zeros(len(cells), dtype=bool)
    if scans or odd:
        is_scan = _where(
            cells,
            lambda v: v in scans if isinstance(v, str) else type(v) in odd and looks_like_scan(v),
        )
    if is_scan.any():
        # An address shows neither a password nor what signs it.
        named = (scan_name(cell) if isinstance(cell, str) else cell for cell in cells[is_scan])
        raise ValueError(
            f"Column {label} looks like scans in {table.rows(is_scan)}, such as "
            f"{listed(named, 3)}: it is no clinical variable. Set image={label} on the "
            f"classifier, or image=[..., {label}] if it names a column of scans already, with "
            "encoder=None for a model without scans; or drop the column from the table. "
            + SEVERAL_SCANS
        )
    if odd:
        is_odd = _where(cells, lambda v: type(v) in odd)
        raise TypeError(
            f"Column {label} holds {type(cells[is_odd][0]).__name__} in {table.rows(is_odd)}: "
            f"{listed(cells[is_odd], 3)}. A clinical value is a number or a text; as for float(), "
            "the argument must be a string or a real number. Make a column of each number in it, "
            "decode bytes with .str.decode('utf-8'), or drop the column."
        )
    blank = {text for text in distinct if not plain(text)}
    if blank:
        raise ValueError(
            f"Column {label} holds blank text in {table.rows(_where(cells, blank.__contains__))}. "
            f"Use None for a missing value: df[{label}].replace(r'^\\s*$', None, regex=True)."
        )
    no_value = {text for text in distinct if is_no_value(text)}
    if no_value:
        raise ValueError(
            f"Column {label} holds {listed(no_value, 3)} as text in "
            f"{table.rows(_where(cells, no_value.__contains__))}, which is how programs write that "
            f"there is no value. Use None for it: df[{label}].replace({sorted(no_value)}, None)."
        )
    if not only_text:
        _refuse_infinite(column, [v if isinstance(v, float) else 0.0 for v in cells], table)


def read_numbers(column: Column, table: Table) -> np.ndarray:
    """Read a column that was numeric in `fit`: finite numbers, or NaN for missing."""
    values = column.values
    if not column.is_numeric:
        # Categories may be numbers in fact; other text is for the user to read as numbers.
        values = np.array([_as_number(v, column.categorical) for v in column.values])
        bad = ~column.missing() & np.isnan(values)
        if bad.any():
            raise ValueError(
                f"Column {column.label} is numeric, but there are other things in "
                f"{table.rows(bad)}: {listed(column.values[bad])}. {_numeric_remedy(column)}"
            )
    _refuse_infinite(column, values, table)
    return values


def _refuse_disguised(column: Column, table: Table) -> None:
    """Refuse text that is something else: numbers, dates, identifiers, free text."""
    label, cells = column.label, column.values
    counts = Counter(cells)
    counts.pop(None, None)
    texts = [v for v in counts if isinstance(v, str)]
    if len(texts) < len(counts):
        is_text = _where(cells, lambda v: isinstance(v, str))
        raise ValueError(
            f"Column {label} mixes numbers with text; the text stands in {table.rows(is_text)}: "
            f"{listed(texts, 3)}. {_numeric_remedy(column)}"
        )
    total = sum(counts.values())

    def too_many(found: list[str]) -> bool:
        return sum(counts[t] for t in found) * 2 > total or len(found) > _FEW_VALUES

    dates = [t for t in texts if is_date(t)]
    if too_many(dates):
        raise ValueError(
            f"Column {label} holds dates or times as text, written {_forms(dates)}, in "
            f"{table.rows(_where(cells, set(dates).__contains__))}. Parse it with pd.to_datetime "
            "and give a duration in hours since an event that matters instead."
        )
    amounts = [t for t in texts if is_amount(t)]
    if too_many(amounts):
        raise ValueError(
            f"Column {label} holds numbers as text, such as {listed(amounts, 3)} in "
            f"{table.rows(_where(cells, set(amounts).__contains__))}. {_numeric_remedy(column)}"
        )
    n_distinct = len(texts)
    all_distinct = n_distinct == total >= _ALL_DISTINCT
    if all_distinct or n_distinct > max(_MANY_CATEGORIES, total / 2):
        raise ValueError(
            f"Column {label} holds {n_distinct} different texts for {total} patients, "
            f"written {_forms(texts)}: identifiers or free text. Drop the column, "
            f"or make it a category on purpose: {_on_purpose(column)}."
        )


def _refuse_long_numbers(column: Column, table: Table) -> None:
    """Refuse whole numbers that a float64 merges, where they are to be measurements."""
    long = _where(column.values, lambda v: isinstance(v, numbers.Integral) and _is_long(v))
    if long.any():
        raise ValueError(
            f"Column {column.label} holds integers beyond 2**53, written "
            f"{_forms(column.values[long])}, in {table.rows(long)}: identifiers, "
            "or typing errors. Drop the column, make what is wrong None, or make it a category on "
            f"purpose: {_on_purpose(column)}."
        )


def _is_long(value: Any) -> bool:
    return abs(int(value)) > LARGEST_EXACT


def _refuse_row_numbers(column: Column) -> None:
    """Refuse the index that ``DataFrame.to_csv`` writes without a name."""
    values = column.values
    if (
        _NO_NAME.fullmatch(column.label)
        and len(values) > 1
        and (values == np.floor(values)).all()
        and len(np.unique(values)) == len(values)
    ):
        raise ValueError(
            f"Column {column.label} holds the row numbers that a file was saved with. Drop it, or "
            "read the file with pd.read_csv(path, index_col=0)."
        )


def _refuse_infinite(column: Column, values: Any, table: Table) -> None:
    infinite = np.isinf(np.asarray(values, dtype=np.float64))
    if infinite.any():
        raise ValueError(
            f"Column {column.label} holds inf (infinity) in {table.rows(infinite)}. Use NaN for a "
            "value that is missing, or the limit of detection for one out of range."
        )


def _forms(values: Iterable[Any]) -> str:
    """Show how values are written; of a hundred thousand long ones, the first thousand tell."""
    return listed(map(masked, islice(values, 1000)), 3)


def _where(cells: np.ndarray, is_so: Callable[[Any], bool]) -> np.ndarray:
    return np.array([v is not None and is_so(v) for v in cells], dtype=bool)


def _numeric_remedy(column: Column) -> str:
    return (
        "Clean it up (a decimal comma, '<0.5', a unit) and convert it: "
        f"pd.to_numeric(df[{column.label}], errors='coerce') makes what is no number a missing "
        f"value. If the column holds codes, say so: {_on_purpose(column)}."
    )


def _on_purpose(column: Column) -> str:
    return (
        f"df[{column.label}].astype('category'), or "
        f"ClinicalTokenizer(categorical_features=[{column.label}])"
    )


def _as_number(value: Any, parse: bool) -> float:
    if isinstance(value, str) and (truth := _TRUTH.get(plain(value).lower())) is not None:
        return truth
    if value is None or (isinstance(value, str) and not parse):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
