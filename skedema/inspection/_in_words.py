"""An explanation in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

_SHOWN = 8  # variables that moved most
NO_FLIP = "No single value that was tried would change the prediction."


def number(value: Any) -> str:
    """Write a value as short as it is true: 3.0 as 3, and others with four digits."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        return str(value)
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.4g}"


def with_value(name: Any, value: Any) -> str:
    if value is None:
        return f"{name}: missing"
    return str(name) if value == "scan" else f"{name} = {number(value)}"


def between(low: float, high: float, word: str) -> str:
    return "none" if np.isnan(low) else f"{low:.2f} {word} {high:.2f}"


def of_interval(row: pd.Series) -> str:
    if np.isnan(row["low"]):
        return "no interval, since too few held-out patients have this class"
    return (
        f"95 % interval {between(row['low'], row['high'], 'to')}; "
        f"Venn-Abers {between(row['p0'], row['p1'], 'and')}"
    )


def of_flip(row: pd.Series) -> str:
    """Say what one value would have to be."""
    to = number(row["to"])  # beyond it the prediction may change back
    if row["side"] in ("lower", "higher"):
        to = f"a {row['side']} value, {to},"
    now = "which is missing" if row["value"] is None else f"now {number(row['value'])}"
    return (
        f"{row['variable']}, {now}: {to} makes it {row['label']} "
        f"(probability {row['probability']:.2f})"
    )


def of_missing(name: Any, row: pd.Series) -> str:
    if not row["n_values"]:
        return f"{name}: what it could change is not known"
    return (
        f"{name}: with other values the probability is {row['low']:.2f} to {row['high']:.2f} "
        f"(5 % to 95 %), in the middle {row['middle']:.2f}"
    )


def in_words(found: Any) -> str:
    """Tell all of it, a line each."""
    lines = [f"{found.model}, one patient: probability of {found.target} {found.of_target:.2f}"]
    if found.interval is not None:
        lines[0] += f" ({of_interval(found.interval.loc[found.target])})"
    if len(found.probability) > 2:
        each = ", ".join(f"{name} {p:.2f}" for name, p in found.probability.items())
        lines.append(f"All classes: {each}")
    lines += _moved(found) + _flips(found) + _missing(found)
    if found.scan is not None:
        nameless = replace(found.scan, name="the scan")  # a path may name the patient
        lines += ["Where in the scan:", f"  {nameless.description}"]
    if found.neighbours is not None:
        lines.append("Nearest patients of the reference, by what the last layer is given:")
        lines += [
            f"  row {each.row}: {each.label}, probability {each.probability:.2f}, distance "
            f"{each.distance:.2f}"
            for each in found.neighbours.itertuples()
        ]
    lines += [f"Note: {each}" for each in found.remarks]
    return "\n".join(lines)


def _moved(found: Any) -> list[str]:
    table = found.frame()
    table = table[table["log_odds"] != 0]
    lines = [
        f"What moved it from {found.nothing_known:.2f}, the probability with nothing known "
        "(log-odds, probability):"
    ]
    lines += [
        f"  {with_value(name, row['value'])}: {row['log_odds']:+.2f}, {row['probability']:+.2f}"
        for name, row in table.head(_SHOWN).iterrows()
    ]
    rest = table.iloc[_SHOWN:]
    if len(rest):
        lines.append(
            f"  {len(rest)} others together: {rest['log_odds'].sum():+.2f}, "
            f"{rest['probability'].sum():+.2f}"
        )
    return lines


def _flips(found: Any) -> list[str]:
    if not len(found.flips):
        return [NO_FLIP]
    lines = ["What would change the prediction, one variable at a time:"]
    return lines + [f"  {of_flip(row)}" for _, row in found.flips.iterrows()]


def _missing(found: Any) -> list[str]:
    if not len(found.missing):
        return ["Nothing is missing."]
    lines = ["What is missing:"]
    return lines + [f"  {of_missing(name, row)}" for name, row in found.missing.iterrows()]
