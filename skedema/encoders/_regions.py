"""Parts of the head, as groups of the cells of a grid of tokens, with names."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

#: How parts along an axis are called, by their number: across (of one half of the head, from its
#: side to the middle), from back to front, and from the base up.
_NAMES: tuple[dict[int, tuple[str, ...]], ...] = (
    {1: ("",), 2: ("outer", "inner")},
    {1: ("",), 2: ("back", "front"), 3: ("back", "middle", "front")},
    {1: ("",), 2: ("lower", "upper"), 3: ("lower", "central", "upper")},
)
MOST = tuple(max(names) for names in _NAMES)


def regions_of(
    grid: tuple[int, int, int], n_parts: tuple[int, int, int], *, whole: bool
) -> dict[str, NDArray[np.intp]]:
    """Divide a grid into parts that are as equal as can be.

    Parameters
    ----------
    grid : tuple of 3 int
        Cells along x (from left to right), y (back to front) and z (up). Half of a head, its left
        one, unless `whole`.
    n_parts : tuple of 3 int
        Parts along each axis, of x those of one half.
    whole : bool
        Whether the grid is of both halves, which are then parts, too.

    Returns
    -------
    dict of str to ndarray of int
        By name, such as "inner, front, upper", which cells are in it, in the order of the grid; no
        cell is in two. The only part is the "head".

    Raises
    ------
    ValueError
        When there are fewer cells than parts along an axis.

    Examples
    --------
    >>> from skedema.encoders._regions import regions_of
    >>> list(regions_of((3, 7, 6), (1, 3, 1), whole=False))
    ['back', 'middle', 'front']
    """
    labels = []
    for axis, (size, n) in enumerate(zip(grid, n_parts, strict=True)):
        names = list(_NAMES[axis][n])
        if axis == 0 and whole:
            left, right = ([f"{side} {name}".strip() for name in names] for side in _SIDES)
            names = left + right[::-1]
        if size < len(names):
            raise ValueError(
                f"regions={n_parts} divides {size} tokens along {'xyz'[axis]} into {len(names)}. "
                "Use fewer regions, or smaller patches."
            )
        labels.append([names[cell * len(names) // size] for cell in range(size)])
    cells: dict[str, list[int]] = {}
    for cell, words in enumerate(product(*labels)):
        cells.setdefault(", ".join(filter(None, words)) or "head", []).append(cell)
    return {name: np.array(found, dtype=np.intp) for name, found in cells.items()}


_SIDES = ("left", "right")
