"""What decides a simulated scan: the seam between the patients and the pictures."""

from __future__ import annotations

from typing import Literal, NamedTuple

Pattern = Literal["none", "infarct", "haemorrhage", "diffuse"]
Site = Literal["A", "B", "C"]

PATTERNS: tuple[Pattern, ...] = ("none", "infarct", "haemorrhage", "diffuse")
SITES: tuple[Site, ...] = ("A", "B", "C")


class Subject(NamedTuple):
    """One patient as far as the scan shows it; ``severity`` is in standard deviations."""

    pattern: Pattern
    severity: float
    age: float
    sex: str
    site: Site
