"""The colours of pages, by the contrast of WCAG 2.2 (success criterion 1.4.3, level AA)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import skedema._pages

STYLE = (Path(skedema._pages.__file__).parent / "static" / "style.css").read_text(encoding="utf-8")
TEXTS = ("text", "quiet", "link")
GROUNDS = ("page", "card", "stripe")


def colours(part: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6});", part))


THEMES = {
    "light": colours(STYLE.split("@media")[0]),
    "dark": colours(STYLE.split("dark) {")[1].split("@media")[0]),
    "print": colours(STYLE.split("@media print")[1]),
}


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_the_standard():
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", THEMES)
def test_texts_stand_out_from_what_is_behind_them(theme):
    names = THEMES[theme]
    pairs = [(text, ground) for text in TEXTS for ground in GROUNDS]
    pairs += [("mark", "mark-card"), ("text", "mark-card")]
    for text, ground in pairs:
        assert contrast(names[text], names[ground]) >= 4.5, (theme, text, ground)
