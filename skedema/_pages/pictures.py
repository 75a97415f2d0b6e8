"""Figures of matplotlib as pictures of a page."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import TYPE_CHECKING

from skedema._pages.pieces import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 144  # of a PNG: sharp on a screen with two pixels for one
_WIDE = 6.5  # inches
_TYPES = {"svg": "image/svg+xml", "png": "image/png"}


def picture_of(
    figure: Figure,
    alt: str,
    *,
    title: str = "",
    caption: str = "",
    form: str = "svg",
) -> Picture:
    """Draw a figure into a picture.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        It stays open.
    alt : str
        What the figure says, in words, for who cannot see it.
    title, caption : str, default=""
        Below it, the title first.
    form : {"svg", "png"}, default="svg"
        Lines are sharp as SVG; scans, and clouds of points, are smaller as PNG.

    Returns
    -------
    Picture
        The same figure gives the same bytes.

    Raises
    ------
    ValueError
        When `alt` is empty.
    """
    import matplotlib as mpl

    if not alt.strip():
        raise ValueError("A picture needs a text that says what it shows: give alt=.")
    drawn = BytesIO()
    # No date, and ids that are not drawn at random.
    with mpl.rc_context({"svg.hashsalt": "skedema"}):
        figure.savefig(
            drawn,
            format=form,
            dpi=_DPI,
            bbox_inches="tight",
            metadata={"Date": None} if form == "svg" else None,
        )
    wide = figure.get_figwidth() > _WIDE
    return Picture(data_uri(drawn.getvalue(), _TYPES[form]), alt, caption, title, wide)


def data_uri(content: bytes, kind: str) -> str:
    """Give bytes as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
