"""Texts that stand for a missing value, whoever read the file."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

# What pandas.read_csv takes for missing by default and people write as a word (`na_values` in its
# documentation); so a table means the same when another program has read it. Its other defaults,
# such as "nan" and "#N/A", come from programs and are refused where they are found.
_WORDS = {"NA", "N/A", "n/a", "NULL", "null", "None"}


def plain(text: str) -> str:
    """Give a text without what cannot be seen: codings of a character, blanks, controls.

    In the composed form of compatible characters (NFKC of Unicode Standard Annex 15), without
    control and format characters (general categories Cc and Cf: NUL, zero-width space, byte order
    mark), and with single blanks within.
    """
    if not (text.isascii() and text.isprintable()):
        text = unicodedata.normalize("NFKC", text)
        text = "".join(
            c for c in text if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf")
        )
    return " ".join(text.split())


def means_missing(texts: Iterable[str]) -> set[str]:
    """Find the texts that stand for a missing value."""
    return {text for text in texts if plain(text) in _WORDS}
