from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import pytest

from skedema import _drawing
from skedema._drawing import COLOURS, DASHES, MARKERS, line_style, marker_style, panels

SAY = "import sys; print('matplotlib' in sys.modules)"


def test_nothing_of_it_is_loaded_before_something_is_drawn():
    code = f"import skedema.evaluation.displays, skedema.inspection; {SAY}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with (
        pytest.raises(ImportError, match="Drawing needs matplotlib: pip install matplotlib"),
        panels(None, 1),
    ):
        pass


def lightness(colour):
    """Give the relative luminance (Rec. 709)."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_lines_can_be_told_apart_in_grey():
    styles = [line_style(number) for number in range(len(COLOURS))]
    assert len({str(style["linestyle"]) for style in styles}) == len(DASHES)
    assert len({marker_style(number)["marker"] for number in range(7)}) == len(MARKERS)
    for first, second in pairwise(styles):
        assert abs(lightness(first["color"]) - lightness(second["color"])) > 0.05


def test_text_and_lines_stand_out_from_the_page():
    """At least 3 to 1, as WCAG 2.1 asks of graphics (1.4.11); text of 4.5 to 1 (1.4.3)."""
    for colour in COLOURS[:3]:
        assert 1.05 / (lightness(colour) + 0.05) >= 3
    assert 1.05 / (lightness(_drawing.GREY) + 0.05) >= 4.5


def test_panels_stand_in_rows_of_three():
    pytest.importorskip("matplotlib")
    with panels(None, 5) as (figure, axes):
        assert len(axes) == len(figure.axes) == 5
        assert figure.axes[0].get_gridspec().ncols == 3
