"""What a page may not say of a patient: columns, labels and paths that tell who it is."""

from __future__ import annotations

import re

from skedema.clinical._identifiers import is_identifier_name
from skedema.clinical.leaks import find_leaks
from skedema.clinical.texts import is_date
from skedema.frames import Column, Table

# Words of columns that say who somebody is or where they live, beside those of identifiers.
_PERSONAL = {
    *("name", "names", "surname", "forename", "firstname", "lastname", "fullname", "initials"),
    *("birth", "birthday", "birthdate", "dob", "born", "date", "datetime", "timestamp"),
    *("address", "street", "city", "zip", "postcode", "postal", "phone", "mobile", "email", "mail"),
    *("comment", "comments", "path", "file", "filename", "folder", "url", "uri"),
    *("nachname", "vorname", "geburtsdatum", "geburtstag", "geboren", "geb", "datum", "plz", "ort"),
    *("wohnort", "strasse", "straße", "anschrift", "telefon", "tel", "arzt", "hausarzt", "fallnr"),
    *(
        "zimmer",
        "bemerkung",
        "bemerkungen",
        "befund",
        "nom",
        "prenom",
        "prénom",
        "nombre",
        "cognome",
    ),
}
# Texts of several kinds, each of fewer patients than this, are no categories of a finding.
_SEVERAL_TEXTS, _FEW_EACH = 5, 4
#: A category of fewer patients is not written down by itself: it may tell who somebody is.
FEWEST = 5


def personal_columns(table: Table, refused: list[int], scans: list[int]) -> list[int]:
    """List the positions of columns that may tell who a patient is, or when they came.

    Those that cannot be read, such as dates, are among them, and those of scans are not.
    """
    keys = table.keys or [None] * len(table.columns)
    clinical = [p for p in range(len(table.columns)) if p not in {*scans, *refused}]
    found = {*refused}
    found |= {p for leak in find_leaks(table, without=[*scans, *refused]) for p in leak.positions}
    found |= {p for p in clinical if _is_personal(keys[p]) or _is_free_text(table.columns[p])}
    return sorted(found)


def _is_personal(name: object) -> bool:
    if not isinstance(name, str):
        return False
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    words = {word.rstrip("0123456789") for word in re.split(r"[\W_]+", apart.lower())}
    if any(word.endswith("name") for word in words):
        return True
    return is_identifier_name(name) or not _PERSONAL.isdisjoint(words)


def _is_free_text(column: Column) -> bool:
    if column.is_numeric:
        return False
    present = len(column.values) - int(column.missing().sum())
    texts = [value for value in column.values[~column.missing()] if isinstance(value, str)]
    if 2 * sum(map(is_date, texts)) > len(texts):
        return True
    n = column.n_distinct()
    return n >= _SEVERAL_TEXTS and n * _FEW_EACH > present
