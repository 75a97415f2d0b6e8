"""Columns that say who a patient is, or when they came: identifiers, counters, dates as numbers."""

from __future__ import annotations

import re

import numpy as np

from skedema.clinical.categories import category_keys
from skedema.frames import Column

# Words that no clinical variable has in its name.
_WORDS = {
    *("id", "ids", "uid", "uuid", "guid", "mrn", "ssn", "accession", "identifier", "pseudonym"),
    *("patientid", "subjectid", "participantid", "personid", "caseid", "studyid", "recordid"),
    *("scanid", "examid", "visitid", "encounterid", "hospitalid"),
}
# Words that mean an identifier when they are the whole name...
_ALONE = {
    *("index", "idx", "row", "record", "patient", "subject", "participant", "case"),
    *("number", "no", "nr"),
}
# ... or when one of the first follows one of the second: "body_mass_index" and "no_of_lesions" do
# not count things of this kind.
_COUNTERS = {"index", "idx", "no", "nr", "num", "number", "code", "key"}
_COUNTED = {
    *("patient", "subject", "participant", "person", "case", "record", "row", "file", "serial"),
    *("scan", "exam", "study", "visit", "encounter", "hospital", "admission", "registration"),
}
# From so many values on something can be told from their order; below, an identifier has to have
# another one for each patient to be called one by its name.
_ENOUGH = 10
# A quarter as many values as rows: patients with up to four rows each.
_ROWS_A_PATIENT = 4
# What would happen by chance in one of a million columns is not taken for chance.
_CHANCE = 1e-6
# An integer of eight digits is no measurement: nothing is known to one part in ten millions.
_NO_MEASUREMENT = 10_000_000
_NO_INTEGER = 1e18  # beyond, every float64 is a whole number
_FIRST_YEAR, _LAST_YEAR = 1900, 2100
# 1990 to 2035 in days since the end of 1899, as spreadsheets count.
_FIRST_DAY, _LAST_DAY = 32_874, 49_674
# 2001 to 2038 in seconds since the start of 1970, as computers count, or their thousandths.
_FIRST_SECOND, _LAST_SECOND = 1e9, 2.15e9


def identifying(name: object, column: Column) -> str | None:
    """Say why a column seems to tell who a patient is, or when they came; None where none does."""
    present = column.values[~column.missing()]
    if not column.is_numeric:
        n_distinct = len(set(category_keys(present)))
        return _named(name, n_distinct, len(present))
    if len(present) < 2 or (present != np.floor(present)).any():
        return None
    if np.abs(present).max() > _NO_INTEGER:
        return None
    distinct = np.unique(present)
    if len(distinct) < 2:
        return None
    return (
        _named(name, len(distinct), len(present))
        or _dated(present, distinct)
        or (_counted(present) if len(distinct) == len(present) >= _ENOUGH else None)
    )


def is_identifier_name(name: str) -> bool:
    """Tell whether a name is one of identifiers, such as ``id``, ``PatientID`` and ``patient_no``.

    Words that have these letters in them, such as ``acid`` and ``lipid``, are not.
    """
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    words = [word.rstrip("0123456789") for word in re.split(r"[\W_]+", apart.lower())]
    words = [word for word in words if word]
    if not _WORDS.isdisjoint(words) or (len(words) == 1 and words[0] in _ALONE):
        return True
    return len(words) > 1 and words[-1] in _COUNTERS and words[-2] in _COUNTED


def _named(name: object, n_distinct: int, n: int) -> str | None:
    if not isinstance(name, str) or not is_identifier_name(name):
        return None
    if n_distinct < _ENOUGH and not (n_distinct == n > 2):
        return None
    if n_distinct * _ROWS_A_PATIENT < n:
        return None
    return f"is named like an identifier and holds {n_distinct} values in {n} rows"


def _dated(present: np.ndarray, distinct: np.ndarray) -> str | None:
    low, high = float(distinct[0]), float(distinct[-1])
    days = _is_date(distinct // 10_000, distinct // 100 % 100, distinct % 100)
    if low >= _FIRST_YEAR * 10_000 and days:
        return "holds dates as numbers (year, month, day)"
    if _is_date(distinct % 10_000, distinct // 10_000 % 100, distinct // 1_000_000):
        return "holds dates as numbers (day, month, year)"
    coarse = np.gcd.reduce(distinct.astype(np.int64))
    for unit, factor in (("seconds", 1.0), ("milliseconds", 1e3)):
        within = low >= _FIRST_SECOND * factor and high <= _LAST_SECOND * factor
        # Counts of cells are rounded to powers of ten, times to minutes, hours or days.
        if within and (coarse < 1_000_000 or coarse % 60 == 0):
            return f"holds times as numbers ({unit} since 1970)"
    if len(present) < _ENOUGH:
        return None
    if _is_date(distinct // 100, distinct % 100, np.ones_like(distinct)):
        return "holds dates as numbers (year, month)"
    if low >= _FIRST_YEAR and high <= _LAST_YEAR:
        return f"holds years, from {low:.0f} to {high:.0f}"
    if low >= _FIRST_DAY and high <= _LAST_DAY and coarse % 10:
        return "holds dates as numbers (days of a spreadsheet)"
    return None


def _is_date(year: np.ndarray, month: np.ndarray, day: np.ndarray) -> bool:
    return bool(
        ((year >= _FIRST_YEAR) & (year <= _LAST_YEAR)).all()
        and ((month >= 1) & (month <= 12)).all()
        and ((day >= 1) & (day <= 31)).all()
    )


def _counted(present: np.ndarray) -> str | None:
    """Look at integers of which each patient has another one, as patients have a number."""
    steps = np.diff(present)
    if (steps > 0).all() or (steps < 0).all():
        way = "increasing" if steps[0] > 0 else "decreasing"
        return f"holds strictly {way} integers, as if rows had been counted"
    n, width = len(present), float(present.max() - present.min()) + 1
    # That n draws out of `width` values are all different is likeliest where all values are equally
    # likely; then it is width! / (width - n)! / width ** n.
    if np.log1p(-np.arange(n) / width).sum() < np.log(_CHANCE):
        return (
            f"holds {n} integers within a range of {width:.0f}, no two of them equal, as if "
            "patients had been numbered"
        )
    if np.abs(present).min() >= _NO_MEASUREMENT and (present % 10 != 0).any():
        return f"holds {n} integers of eight digits and more, no two of them equal"
    return None
