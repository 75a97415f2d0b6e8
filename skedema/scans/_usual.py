"""What volumes of a cohort are like, and which others are unlike all of them."""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float32]

_PLANES = 16  # that are looked at, at least
_BLOCKS = 4  # along each axis, of which the coarse picture is made
_FEWEST = 10  # volumes that tell what is usual
# How far beyond the range that was seen, in ranges; few volumes show less of it, so more for them.
_FAR, _MORE = 1.0, 20.0
# Of each measure: what it is called, and by how much it may differ in any case. Voxels are 0 to 1.
_MEASURES = (
    ("brightness", 0.05),
    ("contrast", 0.05),
    ("share of black voxels", 0.1),
    ("share of white voxels", 0.1),
    ("noise", 0.1),
    ("likeness to the typical scan", 0.2),  # a correlation of coarse pictures
)
_N_OWN = len(_MEASURES) - 1  # that need no other volume
N_MEASURES = _N_OWN + _BLOCKS**3


def measures(volume: Numbers) -> Numbers:
    """Describe a volume by a few numbers, in far less time than it takes to read it.

    Parameters
    ----------
    volume : ndarray of float32 of shape (C, X, Y, Z)
        Voxels from 0 to 1.

    Returns
    -------
    ndarray of float32 of shape (5 + 64,)
        Mean and standard deviation of the voxels above 0, shares of voxels that are 0 and 1, mean
        difference of neighbours in standard deviations, and the means of 4 x 4 x 4 blocks.
    """
    part = volume[:, :: max(1, volume.shape[1] // _PLANES)]
    inside = part[part > 0]
    spread = float(inside.std()) if inside.size else 0.0
    steps = [float(np.abs(np.diff(part, axis=axis)).sum()) / part.size for axis in (2, 3)]
    own = [
        float(inside.mean()) if inside.size else 0.0,
        spread,
        1 - inside.size / part.size,
        float(np.mean(part >= 1)),
        sum(steps) / 2 / spread if spread > 1e-6 else 0.0,
    ]
    return np.concatenate([own, _picture(part.mean(axis=0)).ravel()]).astype(np.float32)


def _picture(volume: Numbers) -> Numbers:
    """Average over blocks."""

    def along(values: Numbers, axis: int) -> Numbers:
        n = values.shape[axis]
        starts = np.arange(_BLOCKS) * n // _BLOCKS
        sizes = np.maximum(np.diff(starts, append=n), 1)
        sums = np.add.reduceat(values, starts, axis=axis)
        return np.asarray(sums / np.expand_dims(sizes, [k for k in range(3) if k != axis]))

    return reduce(along, range(3), volume)


class Usual:
    """What the volumes that were learned from are like.

    A measure of a volume is unusual where it lies outside of the range of those by more than
    (1 + 20 / n) times that range. The factor was chosen on 82 real exams and a simulated cohort:
    of exams that were held out (5 folds), none is called unusual; of 10 to 40 learned from, 2 in
    1,000 of the others are.

    Parameters
    ----------
    known : ndarray of shape (n, 69)
        `measures` of each. Fewer than ten tell nothing.

    Attributes
    ----------
    known : ndarray or None
        Those of different volumes; a model that was saved and loaded knows their range alone.
    n : int
        How many these are, or were.
    """

    def __init__(self, known: Numbers) -> None:
        self.known: Numbers | None = np.unique(known, axis=0)
        self.n = len(self.known)
        if self.n < _FEWEST:
            return
        self._typical = np.median(self.known[:, _N_OWN:], axis=0)
        values = self._values(self.known)
        self._low, self._high = values.min(axis=0), values.max(axis=0)
        far = (_FAR + _MORE / self.n) * (self._high - self._low)
        self._margin = np.maximum(far, [least for _, least in _MEASURES])

    def and_of(self, more: Numbers) -> Usual:
        """Learn from further volumes.

        Parameters
        ----------
        more : ndarray of shape (m, 69)
            `measures` of each.

        Returns
        -------
        Usual
            Of all of them. The range stays where the first ones are not known any more.
        """
        return self if self.known is None else Usual(np.concatenate([self.known, more]))

    def unlike(self, found: Numbers) -> dict[int, str]:
        """Tell which volumes are far outside of all that were learned from, and in what.

        Parameters
        ----------
        found : ndarray of shape (n, 69)
            `measures` of each.

        Returns
        -------
        dict of int to str
            For each row that is, such as ``noise 1.10, in training 0.10 to 0.20``.
        """
        if self.n < _FEWEST:
            return {}
        values = self._values(found)
        far = (values < self._low - self._margin) | (values > self._high + self._margin)
        return {
            int(row): ", ".join(
                f"{_MEASURES[k][0]} {values[row, k]:.2f}, in training {self._low[k]:.2f} to "
                f"{self._high[k]:.2f}"
                for k in np.flatnonzero(far[row])
            )
            for row in np.flatnonzero(far.any(axis=1))
        }

    def _values(self, found: Numbers) -> Numbers:
        typical = self._typical - self._typical.mean()
        pictures = found[:, _N_OWN:] - found[:, _N_OWN:].mean(axis=1, keepdims=True)
        norms = np.linalg.norm(pictures, axis=1) * np.linalg.norm(typical)
        alike = np.divide(pictures @ typical, norms, out=np.zeros(len(found)), where=norms > 1e-9)
        return np.column_stack([found[:, :_N_OWN], alike])
