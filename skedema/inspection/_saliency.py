"""A picture of where a model looked."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skedema._drawing import Display, as_given, panels
from skedema.inspection._explain_scan import explain_scan
from skedema.inspection._relevance import ScanRelevance
from skedema.scans._planes import ACROSS, PLANES, UPWARD
from skedema.scans.windows import range_name, resolve_windows

_FINEST, _MOST = 0.5, 400  # mm; points along an axis of a picture
_OPAQUE = 0.7  # of the colour where relevance is highest


class SaliencyDisplay(Display):
    """Relevance over the scan, in three planes through the place that counts most.

    Radiological convention: the patient's right is on the left of the picture, and the face looks
    to the left in the sagittal plane; letters say so. Red speaks for the target, blue against it,
    and the less a voxel counts the more of the scan is seen. Sizes are true.

    Parameters
    ----------
    relevance : ScanRelevance
        What is drawn.

    Attributes
    ----------
    relevance : ScanRelevance
        The same.
    ax_ : ndarray of matplotlib.axes.Axes of shape (3,)
        The axial, coronal and sagittal plane.
    figure_ : matplotlib.figure.Figure
        The figure.

    See Also
    --------
    explain_scan : Computes what is drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from skedema.inspection import SaliencyDisplay, ScanRelevance
    >>> relevance = np.zeros((40, 40, 20), dtype=np.float32)
    >>> relevance[28:32, 23:27, 10:14] = 0.2
    >>> affine = np.diag([4.0, 4.0, 6.0, 1.0])
    >>> affine[:3, 3] = -80, -80, -60
    >>> found = ScanRelevance(relevance, np.zeros((40, 40, 20)), affine, "edema", baseline=0.8)
    >>> display = SaliencyDisplay.from_relevance(found)
    >>> print(display.description)
    occlusion for 'edema', probability 0.80; most relevant on the right, at 32, 12, 0 mm, where the
    scan speaks for it: +0.2 (change of the probability), over 6 ml
    """

    def __init__(self, relevance: ScanRelevance) -> None:
        self.relevance = relevance

    @classmethod
    def from_estimator(cls, clf: Any, row: Any, **options: Any) -> Self:
        """Explain one patient's scan.

        Parameters
        ----------
        clf : AttentionMixerClassifier
            Fitted with scans.
        row : dict, Series, or table of one row
            The patient.
        **options
            Of `explain_scan`: image, method, target, size.

        Returns
        -------
        SaliencyDisplay
            To be drawn by `plot`.

        Raises
        ------
        TypeError, ValueError, ScanError
            As `explain_scan`.
        """
        return cls(explain_scan(clf, row, **options))

    @classmethod
    def from_relevance(cls, relevance: ScanRelevance) -> Self:
        """Take what was explained.

        Parameters
        ----------
        relevance : ScanRelevance
            What is drawn.

        Returns
        -------
        SaliencyDisplay
            To be drawn by `plot`.
        """
        return cls(relevance)

    def frame(self) -> pd.DataFrame:
        """Give the places that count most; the first is where the planes meet.

        Returns
        -------
        DataFrame
            As `ScanRelevance.most_relevant`.
        """
        return self.relevance.most_relevant()

    def plot(self, ax: Any = None, *, window: Any = "brain") -> Self:
        """Draw.

        Parameters
        ----------
        ax : sequence of 3 matplotlib.axes.Axes or None, default=None
            Where. None makes a figure.
        window : str or (width, level), default="brain"
            What of the scan's HU is grey, as in `VolumeReader`.

        Returns
        -------
        SaliencyDisplay
            Itself, with `ax_` and `figure_`.

        Raises
        ------
        ImportError
            Without matplotlib.
        ValueError
            When `ax` does not hold three axes, or there is no such window.
        """
        ((low, high),) = resolve_windows(window)
        found, through = self.relevance, self._through()
        most = float(np.abs(found.relevance).max()) or 1.0
        unit = "voxels" if found.affine is None else "mm"
        with panels(ax, 3, (4.0, 4.3)) as (self.figure_, axes):
            from matplotlib.cm import ScalarMappable
            from matplotlib.colors import Normalize

            colour = ScalarMappable(Normalize(-most, most), "RdBu_r")
            for each, (plane, (across, upward)) in zip(axes, PLANES.items(), strict=True):
                i, j = "xyz".index(across), "xyz".index(upward)
                grey, over, extent = _plane(found, through, i, j)
                how = {"origin": "lower", "extent": extent}
                each.imshow(grey, cmap="gray", vmin=low, vmax=high, **how)
                strength = _OPAQUE * np.sqrt(np.abs(over) / most)
                each.imshow(colour.to_rgba(over, alpha=strength), **how)
                each.axvline(through[i], color="w", linewidth=0.4)
                each.axhline(through[j], color="w", linewidth=0.4)
                each.invert_xaxis()  # R on the left
                first, last = ACROSS[across]
                for place, letter in ((0.03, first), (0.97, last)):
                    each.text(
                        *(place, 0.5, letter),
                        transform=each.transAxes,
                        color="w",
                        ha="center",
                        fontweight="bold",
                    )
                each.set_xlabel(f"{first} ← {across} ({unit}) → {last}")
                bottom, top = UPWARD[upward]
                each.set_ylabel(f"{bottom} ← {upward} ({unit}) → {top}")
                height = 3 - i - j
                each.set_title(f"{plane}, {'xyz'[height]} = {through[height]:.0f} {unit}")
                each.grid(visible=False)
            bar = self.figure_.colorbar(colour, ax=axes, shrink=0.7)
            bar.set_label(f"{found.method}: {found.unit}")
            if ax is None:
                of = "For" if found.column is None else f"{found.column!r} for"
                self.figure_.suptitle(
                    f"{of} {found.target!r}, probability {found.baseline:.2f}. Window "
                    f"{range_name(low, high)}. The patient's right (R) is on the left.",
                    fontsize="medium",
                )
            self.ax_ = as_given(axes)
        return self

    @property
    def description(self) -> str:
        """What the figure shows, in words and numbers."""
        return self.relevance.description

    def _through(self) -> NDArray[np.float64]:
        """Give the place where the planes meet: the most relevant, or the middle of the scan."""
        places = self.relevance.most_relevant(1)
        if len(places):
            return np.asarray(places[["x", "y", "z"]].to_numpy()[0])
        low, high = _reach(self.relevance)
        return (low + high) / 2


def _plane(
    found: ScanRelevance, through: NDArray[np.float64], i: int, j: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], tuple[float, float, float, float]]:
    """Cut the scan and its relevance along two axes of RAS; rows run along the second one."""
    from scipy.ndimage import map_coordinates

    low, high = _reach(found)
    affine = np.eye(4) if found.affine is None else found.affine
    finest = float(np.linalg.norm(affine[:3, :3], axis=0).min())
    step = max(_FINEST if found.affine is not None else finest, finest)
    step = max(step, float((high - low).max()) / _MOST)
    ticks = [np.arange(low[axis] + step / 2, high[axis], step) for axis in (i, j)]
    points = np.empty((3, len(ticks[1]), len(ticks[0])))
    points[:] = through[:, None, None]
    points[i], points[j] = ticks[0], ticks[1][:, None]
    index = np.tensordot(np.linalg.inv(affine)[:3, :3], points - affine[:3, 3, None, None], axes=1)
    last = np.array(found.hu.shape) - 0.5
    if found.depths is not None:
        index[2] = np.interp(index[2], found.depths, np.arange(len(found.depths)), -1, last[2] + 1)
    outside = ((index < -0.5) | (index > last[:, None, None])).any(axis=0)
    cut = [
        map_coordinates(voxels, index, output=np.float32, order=1, mode="nearest")
        for voxels in (found.hu, found.relevance)
    ]
    cut[0][outside], cut[1][outside] = -1024.0, 0.0
    reach = [(each[0] - step / 2, each[-1] + step / 2) for each in ticks]
    return cut[0], cut[1], (*reach[0], *reach[1])


def _reach(found: ScanRelevance) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the ends of the field of view along the axes of RAS."""
    affine = np.eye(4) if found.affine is None else found.affine
    ends = [(-0.5, n - 0.5) for n in found.hu.shape]
    if found.depths is not None:
        ends[2] = (float(found.depths[0]) - 0.5, float(found.depths[-1]) + 0.5)
    corners = np.array([[a, b, c] for a in ends[0] for b in ends[1] for c in ends[2]])
    places = corners @ affine[:3, :3].T + affine[:3, 3]
    return places.min(axis=0), places.max(axis=0)
