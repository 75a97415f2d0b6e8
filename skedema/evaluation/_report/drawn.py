"""Displays as pictures of the page."""

from __future__ import annotations

from typing import Any

from skedema._pages import Picture, picture_of


def drawn(display: Any, title: str = "", caption: str = "", *, form: str = "svg") -> Picture:
    """Draw a display, with its description as what the picture says in words."""
    import matplotlib.pyplot as plt

    display.plot()
    try:
        return picture_of(
            display.figure_, display.description, title=title, caption=caption, form=form
        )
    finally:
        plt.close(display.figure_)
