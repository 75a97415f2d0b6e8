"""Values and names as people write them after ``--set`` and in TOML files."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from typing import Any

from skedema.cli._codes import UsageError

_WORDS = {"true": True, "false": False, "none": None, "null": None}
# What is a table in TOML and an object in Python.
_OBJECTS = ("encoder", "fusion", "metadata", "refiner", "volume")


def read_value(text: str) -> Any:
    """Read a Python literal, or true, false, none in any case; all else is text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return _WORDS.get(text.strip().lower(), text)


def read_settings(texts: list[str]) -> dict[str, Any]:
    """Read ``name=value`` of each text; the last of one name counts."""
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise UsageError(f"--set {text}: write NAME=VALUE, such as --set encoder__depth=4.")
        found[name.strip()] = read_value(value)
    return found


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Join nested tables by ``__``, as scikit-learn names nested parameters."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, Mapping) and (prefix or name in _OBJECTS):
            found |= flat(value, f"{prefix}{name}__")
        else:
            found[prefix + name] = read_value(value) if isinstance(value, str) else value
    return found


def toml(options: Mapping[str, Any], tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Write options, and tables of them, so that they are read back the same."""
    lines = [f"{_key(name)} = {_toml_value(value)}" for name, value in options.items()]
    for table, values in tables.items():
        if values:
            lines += ["", f"[{table}]"]
            lines += [f"{_key(name)} = {_toml_value(value)}" for name, value in values.items()]
    return "\n".join(lines).strip() + "\n"


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() else json.dumps(name)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_toml_value, value))}]"
    # TOML has no None and no tuples: what is read by `read_value` is written as its text.
    text = value if isinstance(value, str) else repr(value)
    return json.dumps(text, ensure_ascii=False)
