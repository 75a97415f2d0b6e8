"""Damage to tables of patients: refused, noticed, or without effect; never silently wrong.

A table is a sample of rows of the real cohort (with SKEDEMA_REAL_DATA) or of a simulated one, with
a bounded set of clinical columns; one mutation changes a clean table in `fit` or in `predict`. Each
kind of mutation says by itself what has to come of it:

refused     ValueError or TypeError that names the column (or says "X" and "y" for rows)
noticed     a warning that names the column
harmless    no warning is due: the predictions are those of the clean table, to 1e-7

A mutation may allow several. Whatever else comes is a silent fault (no error, no warning, other
predictions), a false alarm (a warning on what is equal to the clean table) or another exception.
"""

import datetime
import decimal
import os
import tempfile
import warnings
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
from joblib import Parallel, delayed

from skedema import AttentionMixerClassifier

_CHUNK = 100
_REAL = ("age", "sex", "n_slices", "fracture_yes_no")
_SPELLINGS = (None, np.nan, pd.NA, float("nan"), pd.NaT, "NA", "N/A", "n/a", "NULL", "null", "None")
_SENTINELS = (-9, -99, -999, 9999, 88888)


def fuzz_tables(n_tables: int, n_jobs: int, seed: int) -> None:
    """Print what became of each kind of mutation."""
    with tempfile.TemporaryDirectory() as folder:
        sources = whole_tables(Path(folder))
    starts = range(0, n_tables, _CHUNK)
    results = Parallel(n_jobs=n_jobs)(
        delayed(attack)(sources, start, min(_CHUNK, n_tables - start), seed) for start in starts
    )
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for found, _ in results:
        for name, count in found.items():
            counts[name] += count
    ends = ("refused", "noticed", "harmless", "silent", "false alarm", "otherwise")
    print(f"{'mutation':<24}" + "".join(f"{end:>13}" for end in ("tables", *ends)))
    for name in [*MUTATIONS, "all"]:
        row = sum(counts.values(), Counter()) if name == "all" else counts[name]
        shown = (row.total(), *(row[end] for end in ends))
        print(f"{name:<24}" + "".join(f"{number:>13}" for number in shown))
    for line in sorted({text for _, odd in results for text in odd})[:40]:
        print(f"    {line}")


def whole_tables(folder: Path) -> list[tuple[pd.DataFrame, np.ndarray]]:
    """Give clean tables and labels."""
    from skedema.datasets import make_head_ct_cohort

    small = {"shape": (8, 8, 8), "spacing": (26, 26, 26)}
    cohort = make_head_ct_cohort(200, folder, random_state=0, **small)
    simulated = cohort.frame.drop(columns=["scan", "anti_xa"]).reset_index(drop=True)
    tables = [(simulated, cohort.target.to_numpy())]
    home = os.environ.get("SKEDEMA_REAL_DATA")
    if home:
        real = pd.read_csv(Path(home, "ct_ich", "cohort.csv"))
        tables.append((real[list(_REAL)], real["ich"].to_numpy()))
    return tables


def attack(sources, start: int, n_tables: int, seed: int):
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    odd = []
    names = list(MUTATIONS)
    for number in range(start, start + n_tables):
        rng = np.random.default_rng([seed, number])
        name = names[number % len(names)]
        frame, labels = sources[int(rng.integers(len(sources)))]
        rows = rng.permutation(len(frame))[: int(rng.integers(40, 81))]
        X, y = frame.iloc[rows].reset_index(drop=True), pd.Series(labels[rows])
        if rng.random() < 0.5:
            X = X.set_axis([f"P{i:03}" for i in rows])
        y.index = X.index
        end, what = outcome(MUTATIONS[name], X, y, rng)
        counts[name][end] += 1
        if end in ("silent", "false alarm", "otherwise"):
            odd.append(f"{name}, table {number}: {end}: {what}")
    return dict(counts), odd


def outcome(mutation, X: pd.DataFrame, y: pd.Series, rng: np.random.Generator) -> tuple[str, str]:
    """Say what became of one damaged table."""
    try:
        given, later, labels, column, due, reference = mutation(X, y, rng)
    except LookupError:
        return "harmless", "the table has no such column"
    clean_fit, clean, weight = reference or (X, X, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = learned(clean_fit, y, weight).predict_proba(clean)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = learned(given, labels).predict_proba(later)
        except (ValueError, TypeError) as error:
            named = repr(column) in str(error) or column == "y"
            right = named and "refused" in due
            return ("refused" if right else "otherwise"), f"{type(error).__name__}: {error}"
        except Exception as error:
            return "otherwise", f"{type(error).__name__}: {error}"
    messages = [str(w.message) for w in caught]
    noticed = [m for m in messages if repr(column) in m]
    equal = found.shape == expected.shape and np.allclose(found, expected, rtol=0, atol=1e-7)
    if noticed and "noticed" in due:
        return "noticed", ""
    if messages:
        return "false alarm", messages[0]
    if equal and "harmless" in due:
        return "harmless", ""
    return "silent", f"column {column!r}, {'equal' if equal else 'other'} predictions"


def learned(X, y, weight=None) -> AttentionMixerClassifier:
    # One network from which nothing is hidden: rows given twice or in another order change nothing.
    one = {"n_members": 1, "input_dropout": 0.0}
    clf = AttentionMixerClassifier(max_epochs=2, dim=8, n_heads=2, random_state=0, **one)
    return clf.fit(X, y, sample_weight=weight)


# --- mutations: (table of fit, table of predict, labels, column, what is due, and what the
# predictions have to equal: tables of fit and predict and weights, None for the clean table)


def pick(X: pd.DataFrame, rng, kind: str) -> str:
    wanted = {
        "number": [c for c in X if X[c].dtype.kind in "if" and X[c].nunique() >= 10],
        "text": [c for c in X if X[c].dtype.kind not in "bif"],
        "any": list(X),
    }[kind]
    if not wanted:
        raise LookupError
    return wanted[int(rng.integers(len(wanted)))]


def with_cell(X: pd.DataFrame, column: str, row: int, value) -> pd.DataFrame:
    """Set one cell, whatever the dtype."""
    cells = X[column].tolist()
    cells[row] = value
    missing = [None if not isinstance(v, str) and pd.isna(v) else v for v in cells]
    numeric = all(v is None or isinstance(v, (int, float)) for v in missing)
    big = any(isinstance(v, int) and abs(v) > 2**53 for v in missing)
    series = pd.Series(missing, index=X.index, dtype=float if numeric and not big else object)
    return X.assign(**{column: series})


def some_row(X: pd.DataFrame, column: str, rng) -> int:
    return int(rng.choice(np.flatnonzero(X[column].notna())))


def typing_error(X, y, rng):
    """100 or 1,000 times the largest value: far beyond any tail."""
    column = pick(X, rng, "number")
    wrong = float(X[column].max()) * float(rng.choice([100, 1000]))
    bad = with_cell(X, column, some_row(X, column, rng), wrong)
    return (bad, bad, y, column, {"noticed"}, None)


def comma_lost(X, y, rng):
    """Ten times a value: noticed where that is ten times the largest, else nearly harmless.

    Independent of the package's rule: the other patients' predictions, without this row's value,
    may move by 0.02 at most.
    """
    column = pick(X, rng, "number")
    row = some_row(X, column, rng)
    bad = with_cell(X, column, row, float(X[column].iloc[row]) * 10)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        moved = np.delete(learned(bad, y).predict_proba(X) - learned(X, y).predict_proba(X), row, 0)
    if any(repr(column) in str(w.message) for w in caught):
        return (bad, bad, y, column, {"noticed"}, None)
    if np.abs(moved).max() > 0.02:
        return (bad, bad, y, column, {"noticed"}, None)
    return (X, X, y, column, {"harmless"}, None)


def typing_error_later(X, y, rng):
    column = pick(X, rng, "number")
    wrong = float(X[column].max()) * float(rng.choice([100, 1000]))
    return (X, with_cell(X, column, 0, wrong), y, column, {"noticed"}, None)


def sentinel(X, y, rng):
    column = pick(X, rng, "number")
    bad = with_cell(X, column, some_row(X, column, rng), float(rng.choice(_SENTINELS)))
    return (bad, bad, y, column, {"noticed"}, None)


def sentinel_later(X, y, rng):
    column = pick(X, rng, "number")
    later = with_cell(X, column, 3, float(rng.choice(_SENTINELS)))
    return (X, later, y, column, {"noticed"}, None)


def unit(X, y, rng):
    """A whole column in another unit, by a power of two, is the same column."""
    column = pick(X, rng, "number")
    bad = X.assign(**{column: X[column] * 0.25})
    return (bad, bad, y, column, {"harmless"}, None)


def unit_later(X, y, rng):
    column = pick(X, rng, "number")
    return (X, X.assign(**{column: X[column] * 1e4}), y, column, {"noticed"}, None)


def order_of_columns(X, y, rng):
    later = X[list(rng.permutation(X.columns))]
    return (X, later, y, "", {"harmless"}, None)


def swapped_columns(X, y, rng):
    """Text where numbers were, and numbers where text was."""
    one, other = pick(X, rng, "number"), pick(X, rng, "text")
    later = X.rename(columns={one: other, other: one})
    return (X, later, y, one, {"refused"}, None)


def shuffled_labels(X, y, rng):
    labels = y.sample(frac=1, random_state=int(rng.integers(1000)))
    due = {"harmless"} if labels.index.equals(y.index) else {"refused"}
    return (X, X, labels, "y", due, None)


def container(X, y, rng):
    kind = str(rng.choice(["polars", "objects", "nullable", "rows", "category", "array"]))
    table = X.reset_index(drop=True)
    cells = table.astype(object).where(table.notna(), None)
    if kind == "polars":
        given = pl.DataFrame({c: cells[c].tolist() for c in cells}, strict=False)
    elif kind == "objects":
        given = cells
    elif kind == "nullable":
        given = table.convert_dtypes()
    elif kind == "category":
        given = table.astype({c: "category" for c in table if table[c].dtype.kind not in "bif"})
    else:
        given = cells.to_numpy() if kind == "array" else cells.to_numpy().tolist()
    return (given, given, y.to_numpy(), "", {"harmless"}, None)


def duplicated_rows(X, y, rng):
    """A row that is there twice is a row of weight 2."""
    twice = rng.permutation(len(X))[:10]
    rows = np.concatenate([np.arange(len(X)), twice])
    weight = np.bincount(rows).astype(float)
    return (X.iloc[rows], X, y.iloc[rows], "", {"harmless"}, (X, X, weight))


def decimals(X, y, rng):
    column = pick(X, rng, "number")
    cells = [None if pd.isna(v) else decimal.Decimal(repr(float(v))) for v in X[column]]
    bad = X.assign(**{column: pd.Series(cells, index=X.index, dtype=object)})
    return (bad, bad, y, column, {"harmless"}, None)


def spelling_of_missing(X, y, rng):
    column = pick(X, rng, "any")
    row, spelled = int(rng.integers(len(X))), _SPELLINGS[int(rng.integers(len(_SPELLINGS)))]
    cells = X[column].astype(object).tolist()
    cells[row] = spelled
    bad = X.assign(**{column: pd.Series(cells, index=X.index, dtype=object)})
    clean = with_cell(X, column, row, None)
    due = {"noticed"} if isinstance(spelled, str) else {"harmless"}
    return (bad, bad, y, column, due, (clean, clean, None))


def look_alike(X, y, rng):
    """A text in other case, or with blanks or characters that cannot be seen, is the same."""
    column = pick(X, rng, "text")
    row = some_row(X, column, rng)
    text = X[column].iloc[row]
    marks = (" ", "\u200b", "\ufeff", "\x00", "\u00ad", "\u00a0")
    mark = marks[int(rng.integers(len(marks)))]
    changed = [text.swapcase(), text + mark, mark + text][int(rng.integers(3))]
    bad = with_cell(X, column, row, changed)
    if rng.random() < 0.5:
        return (bad, bad, y, column, {"noticed"}, None)
    return (X, bad, y, column, {"harmless"}, None)


def infinity(X, y, rng):
    column = pick(X, rng, "number")
    bad = with_cell(X, column, 3, float(rng.choice([np.inf, -np.inf])))
    given = (bad, X) if rng.random() < 0.5 else (X, bad)
    return (*given, y, column, {"refused"}, None)


def huge_integer(X, y, rng):
    column = pick(X, rng, "number")
    huge = int(10 ** int(rng.integers(16, 400))) + 1
    bad = with_cell(X, column, 3, huge)
    given, due = (
        ((bad, X), {"refused"}) if rng.random() < 0.5 else ((X, bad), {"refused", "noticed"})
    )
    return (*given, y, column, due, None)


def date(X, y, rng):
    column = pick(X, rng, "any")
    day = datetime.date(1950 + int(rng.integers(70)), 3, 1)
    bad = X.assign(**{column: pd.Series([day] * len(X), index=X.index, dtype=object)})
    if rng.random() < 0.5:
        bad = X.assign(**{column: [f"{day:%d.%m.%Y}"] * len(X)})
        return (bad, bad, y, column, {"refused"}, None)
    given = (bad, X) if rng.random() < 0.5 else (X, bad)
    return (*given, y, column, {"refused"}, None)


def number_as_text(X, y, rng):
    column = pick(X, rng, "number")
    cells = [None if pd.isna(v) else str(v).replace(".", ",") for v in X[column]]
    bad = X.assign(**{column: pd.Series(cells, index=X.index, dtype=object)})
    given = (bad, bad) if rng.random() < 0.5 else (X, bad)
    return (*given, y, column, {"refused"}, None)


def word_among_numbers(X, y, rng):
    column = pick(X, rng, "number")
    bad = with_cell(X, column, 3, str(rng.choice(["unknown", "<5", "12 mg", "?"])))
    given = (bad, bad) if rng.random() < 0.5 else (X, bad)
    return (*given, y, column, {"refused"}, None)


def empty_column(X, y, rng):
    column = pick(X, rng, "any")
    bad = X.assign(**{column: None})
    return (bad, bad, y, column, {"noticed"}, None)


def new_category(X, y, rng):
    column = pick(X, rng, "text")
    later = with_cell(X, column, 3, "elsewhere")
    return (X, later, y, column, {"noticed"}, None)


def column_lost(X, y, rng):
    column = pick(X, rng, "any")
    return (X, X.drop(columns=column), y, column, {"refused"}, None)


def column_twice(X, y, rng):
    column = pick(X, rng, "any")
    bad = pd.concat([X, X[[column]]], axis=1)
    return (bad, bad, y, column, {"refused"}, None)


def nothing(X, y, rng):
    """The clean table itself: no warning may come."""
    return (X, X, y, "", {"harmless"}, None)


MUTATIONS = {
    function.__name__: function
    for function in (
        *(nothing, typing_error, comma_lost, typing_error_later, sentinel, sentinel_later, unit),
        *(unit_later, order_of_columns, swapped_columns, shuffled_labels, container, decimals),
        *(spelling_of_missing, look_alike, infinity, huge_integer, date, number_as_text),
        *(word_among_numbers, empty_column, new_category, column_lost, column_twice),
        duplicated_rows,
    )
}
