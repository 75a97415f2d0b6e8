"""Figures that can be read in print, in grey and by the colour-blind.

Lines differ in colour, in dashes and in marker, so that each can be told from the others without
colour. Colours are those of Okabe and Ito (2008), "Color universal design", in an order in which
neighbours also differ in lightness.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from skedema._extras import how_to_install

COLOURS = ("#0072B2", "#D55E00", "#000000", "#56B4E9", "#009E73", "#E69F00", "#CC79A7")
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (8, 2)), (0, (3, 1, 1, 1)), (0, (1, 3)))
MARKERS = "osD^vPX"
GREY = "#6E6E6E"

_SETTINGS: dict[Any, Any] = {
    "font.size": 9,
    "text.parse_math": False,  # a $ in a name is one
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
}


class Display(ABC):
    """A figure and the numbers in it.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        What `plot` drew on.
    ax_ : matplotlib.axes.Axes, or ndarray of them
        Its axes: one, or one a panel.
    """

    figure_: Any
    ax_: Any

    @abstractmethod
    def frame(self) -> pd.DataFrame:
        """Give the numbers that are drawn."""

    @abstractmethod
    def plot(self, ax: Any = None) -> Any:
        """Draw; needs matplotlib."""

    @property
    @abstractmethod
    def description(self) -> str:
        """What the figure shows, in words and numbers, for who cannot see it."""

    def help(self) -> None:
        """Print what the figure shows, and what can be asked of it."""
        names = sorted(name for name in dir(type(self)) if not name.startswith("_"))
        print(f"{type(self).__name__}: {self.description}\nIt has {', '.join(names)}.")


class PanelDisplay(Display):
    """A display of panels, each of which is drawn by itself."""

    _columns: ClassVar[int] = 3

    @abstractmethod
    def _panels(self) -> tuple[Sequence[Any], tuple[float, float]]:
        """Give what the panels show, and width and height of one, in inches."""

    @abstractmethod
    def _draw(self, ax: Any, panel: Any) -> None:
        """Draw one of them."""

    def _draw_first(self, ax: Any) -> None:
        """Add to the first what is not said again in the others."""

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, sequence of them or None, default=None
            Where, one a panel. None makes a figure.

        Returns
        -------
        Display
            Itself, with `ax_` and `figure_`.

        Raises
        ------
        ImportError
            Without matplotlib.
        ValueError
            When `ax` holds fewer or more axes than there are panels.
        """
        shown, size = self._panels()
        with panels(ax, len(shown), size, self._columns) as (self.figure_, axes):
            for each, panel in zip(axes, shown, strict=True):
                self._draw(each, panel)
            self._draw_first(axes[0])
            self.ax_ = as_given(axes)
        return self


def line_style(number: int) -> dict[str, Any]:
    """Give colour and dashes of a line among several."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": DASHES[number % len(DASHES)],
    }


def marker_style(number: int) -> dict[str, Any]:
    """Give colour and marker of points among several."""
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}


@contextmanager
def panels(
    ax: Any, n_panels: int, size: tuple[float, float] = (4.4, 4.2), columns: int = 3
) -> Iterator[tuple[Any, list[Any]]]:
    """Give a figure and axes to draw on: those that are given, or new ones.

    Parameters
    ----------
    ax : Axes, sequence of Axes or None
        Where to draw. None is a figure of its own.
    n_panels : int
        How many axes are needed.
    size : tuple of two floats
        Width and height of one of them, in inches.
    columns : int, default=3
        How many stand side by side.

    Raises
    ------
    ImportError
        Without matplotlib.
    ValueError
        When there are not as many axes as panels.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(f"Drawing needs matplotlib: {how_to_install('plot')}") from error
    with plt.rc_context(_SETTINGS):
        if ax is None:
            wide = min(n_panels, columns)
            high = -(-n_panels // wide)
            figure, grid = plt.subplots(
                high, wide, figsize=(size[0] * wide, size[1] * high), squeeze=False
            )
            axes = list(grid.flat)
            for spare in axes[n_panels:]:
                spare.remove()
            axes = axes[:n_panels]
        else:
            axes = list(np.atleast_1d(np.asarray(ax, dtype=object)).flat)
            if len(axes) != n_panels:
                raise ValueError(
                    f"The figure has {n_panels} panels, but ax holds {len(axes)}: give that many "
                    "axes, or leave ax out."
                )
            figure = axes[0].figure
        yield figure, axes


def as_given(axes: Sequence[Any]) -> Any:
    """Give the axes as scikit-learn's displays do: one by itself, several as an array."""
    return axes[0] if len(axes) == 1 else np.array(axes, dtype=object)


def with_interval(value: float, low: float, high: float, digits: int = 2) -> str:
    """Write a figure with its interval, where it has one: "0.80 (0.69 to 0.89)"."""
    if np.isnan(value):
        return "not defined"
    text = f"{value:.{digits}f}"
    return text if np.isnan(low) else f"{text} ({low:.{digits}f} to {high:.{digits}f})"


def intervals(ax: Any, rows: pd.DataFrame, no_effect: float | None, digits: int = 2) -> None:
    """Draw points with intervals, one under the other, and write them beside it.

    `rows` has the columns label, value, low and high; a dashed line marks where nothing differs.
    """
    heights = np.arange(len(rows))[::-1]
    if no_effect is not None:
        ax.axvline(no_effect, color=GREY, linestyle="--", linewidth=1)
    around = np.array([rows["value"] - rows["low"], rows["high"] - rows["value"]])
    ax.errorbar(
        rows["value"],
        heights,
        xerr=np.nan_to_num(around),
        fmt="s",
        color=COLOURS[0],
        ecolor=COLOURS[2],
        capsize=2.5,
    )
    for height, row in zip(heights, rows.itertuples(), strict=True):
        text = with_interval(row.value, row.low, row.high, digits)
        ax.text(1.02, height, text, transform=ax.get_yaxis_transform(), va="center")
    ax.set(ylim=(-0.7, len(rows) - 0.3))
    ax.set_yticks(heights, rows["label"])
    ax.grid(visible=False, axis="y")
