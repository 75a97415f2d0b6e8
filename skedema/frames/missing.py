"""Texts that stand for a missing value, whoever read the file."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterable

# What pandas.read_csv takes for missing by default and people write as a word (`na_values` in its
# documentation); so a table means the same when another program has read it. Its other defaults,
# such as "nan" and "#N/A", come from programs and are refused where they are found.
_WORDS = {"NA", "N/A", "n/a", "NULL", "null", "None"}


def plain(text: str) -> str:
    """Give a text without what cannot be seen: codings of a character, blanks, controls.

    Parameters
    ----------
    text : str
        Any.

    Returns
    -------
    str
        In the composed form of compatible characters (NFKC of Unicode Standard Annex 15), without
        control and format characters (general categories Cc and Cf: NUL, zero-width space, byte
        order mark), and with single blanks within.
    """
    if not (text.isascii() and text.isprintable()):
        text = unicodedata.normalize("NFKC", text)
        text = "".join(
            c for c in text if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf")
        )
    return " ".join(text.split())


def means_missing(texts: Iterable[str]) -> set[str]:
    """Find the texts that stand for a missing value.

    Parameters
    ----------
    texts : iterable of str
        Cells.

    Returns
    -------
    set of str
        Those of them.
    """
    return {text for text in texts if plain(text) in _WORDS}


def warn_of_missing(found: list[str]) -> None:
    """Warn once of texts that were taken for missing values.

    Parameters
    ----------
    found : list of str
        What was found where, a column each.

    Warns
    -----
    UserWarning
        When there are such.
    """
    if found:
        warnings.warn(
            f"Taken as missing values, as pandas.read_csv does: {'; '.join(found)}. Where such a "
            "text is a finding of its own, give it another name, such as 'nothing'.",
            UserWarning,
            stacklevel=4,
        )
