"""JSON as skedema writes it, and nothing else that other parsers would let pass."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from skedema.persistence._errors import Damaged

_MAX_DIGITS = 40


def dump(value: Any) -> bytes:
    """Write plain values."""
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False
    ).encode("utf-8", "surrogatepass")


def parse(data: bytes | memoryview, what: str) -> Any:
    """Read plain values: no name twice, no NaN or Infinity, no endless number."""
    text = _text(bytes(data), what)
    try:
        return json.loads(
            text,
            object_pairs_hook=lambda pairs: _unique(pairs, what),
            parse_constant=lambda name: _refuse(f"{what} holds {name}, which is no JSON"),
            parse_int=lambda digits: _int(digits, what),
        )
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{what} is no JSON ({type(error).__name__})") from error


def _text(data: bytes, what: str) -> str:
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise Damaged(f"{what} is no UTF-8") from error


def _unique(pairs: list[tuple[str, Any]], what: str) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Damaged(f"{what} has a name twice")
    return found


def _int(digits: str, what: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise Damaged(f"{what} holds a number of {len(digits)} digits")
    return int(digits)


def _refuse(text: str) -> NoReturn:
    raise Damaged(text)
