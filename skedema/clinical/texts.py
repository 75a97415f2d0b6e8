"""Texts that are something else: an amount, a date, the word of a program for "no value"."""

from __future__ import annotations

import re

from skedema.frames.missing import plain

# What is longer is a sentence, and is spared patterns that go back and forth over it.
_LONGEST = 50
_LONG_UNIT = (
    r"%|‰|°\s?[cf]?|[kmµμun]g|mcg|pg|[dmµμu]l|fl|[mµμunp]?mol|m?osm|m?eq|i\.?u\.?|mmhg|cmh2o|k?pa"
    r"|[mcµμ]m|hu|bpm|hz|msec|sec|min|hrs?|hours?|days?|wks?|weeks?|months?|yrs?|years?|cells"
)
# After a space only: "5 g" is a quantity, "1d" may be a stage. H and L also flag laboratory values.
_SHORT_UNIT = "[dghlmsuy]"
_UNIT = rf"(\s*({_LONG_UNIT})|\s+{_SHORT_UNIT}|\s*{_SHORT_UNIT}(?=/))(\s*/\s*[\w²³.]+)*"
_NUMBER = r"[-+\u2212]?(\d[\d\s.,']*|\.\d+)(e[-+]?\d+)?"
_NUMBER_LIKE = re.compile(
    rf"\s*[<>≤≥~=]*\s*({_NUMBER}({_UNIT})?|\d{{2,3}}\s*/\s*\d{{2,3}})\s*", re.IGNORECASE
)
_MONTH = (
    r"(jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?"
    r"|sept?(ember)?|oct(ober)?|nov(ember)?|dec(ember)?)"
)
_DATE_LIKE = re.compile(
    r"\s*("
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2}))([t\s]+\d{1,2}:\d{2}.*)?"
    rf"|(\d{{1,4}}[-\s/.]+)?{_MONTH}[-\s/.,]+\d{{1,4}}([-\s/.,]+\d{{1,4}})?"
    r"|\d{1,2}:\d{2}(:\d{2})?(\s*[ap]m)?"
    r")\s*",
    re.IGNORECASE,
)
# What other programs write where they had no value.
_NO_VALUE = {"nan", "<na>", "nat", "#n/a", "#na", "#div/0!", "#value!", "#ref!", "#name?", "#num!"}


def is_amount(text: str) -> bool:
    """Tell whether a text is a number as people write, such as ``<0.5`` and ``5 mg``."""
    text = plain(text)
    return len(text) <= _LONGEST and _NUMBER_LIKE.fullmatch(text) is not None


def is_date(text: str) -> bool:
    """Tell whether a text is a date or a time, such as ``1.3.24``, ``3 Mar 2024`` and ``10:35``."""
    text = plain(text)
    return len(text) <= _LONGEST and _DATE_LIKE.fullmatch(text) is not None


def is_no_value(text: str) -> bool:
    """Tell whether a text is what a program writes for no value, such as ``nan``."""
    return plain(text).lower() in _NO_VALUE


def without_style(text: str) -> str:
    """Give what is left of a text without case and what cannot be seen; see `plain`."""
    return plain(plain(text).casefold())
