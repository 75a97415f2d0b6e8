"""What an autoencoder makes of the parts of a scan that it is not shown."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skedema._drawing import Display, panels
from skedema.scans._planes import ACROSS, PLANES, UPWARD

_HIDDEN = "#C8B48C"  # what is hidden, in no grey of a scan
_COLUMNS = ("scan", "shown", "rebuilt", "difference")

Volume = NDArray[np.float32]


class ReconstructionDisplay(Display):
    """A scan, what an autoencoder is shown of it, what it rebuilds, and the difference.

    Three planes through the middle of the grid, in radiological convention: the patient's right is
    on the left.

    Parameters
    ----------
    volume, rebuilt : ndarray of shape (X, Y, Z)
        A channel of a volume in RAS, from 0 to 1, and the same with what was hidden rebuilt.
    hidden : ndarray of bool of shape (X, Y, Z)
        Which voxels were hidden.
    spacing : sequence of three floats, default=(1, 1, 1)
        Of the grid, in mm.

    Attributes
    ----------
    ax_ : ndarray of matplotlib.axes.Axes of shape (12,)
        Row by row: axial, coronal and sagittal, each as a scan, what is shown, what is rebuilt and
        the difference.
    figure_ : matplotlib.figure.Figure
        The figure.

    Examples
    --------
    >>> import numpy as np
    >>> from skedema import ViTAutoencoder, VolumeReader
    >>> from skedema.inspection import ReconstructionDisplay
    >>> scans = list(np.random.default_rng(0).normal(40, 10, (4, 16, 16, 16)).astype("float32"))
    >>> sizes = dict(size="tiny", patch=8, volume=VolumeReader(shape=16))
    >>> autoencoder = ViTAutoencoder(max_epochs=1, random_state=0, **sizes).fit(scans)
    >>> display = ReconstructionDisplay.from_estimator(autoencoder, scans[0])
    >>> display.frame()[["part", "n_voxels"]].values.tolist()
    [['hidden', 3072], ['shown', 1024]]
    """

    def __init__(
        self,
        volume: Volume,
        rebuilt: Volume,
        hidden: NDArray[np.bool_],
        *,
        spacing: Any = (1.0, 1.0, 1.0),
    ) -> None:
        self.volume = volume
        self.rebuilt = rebuilt
        self.hidden = hidden
        self.spacing = tuple(float(each) for each in spacing)

    @classmethod
    def from_estimator(
        cls, autoencoder: Any, scan: Any, *, channel: int = 0, random_state: int = 0
    ) -> Self:
        """Hide patches of a scan, and let them be rebuilt.

        Parameters
        ----------
        autoencoder : ViTAutoencoder
            Fitted.
        scan : str, path, nibabel image or ndarray
            As in its ``fit``.
        channel : int, default=0
            Which window.
        random_state : int, default=0
            Decides which patches are hidden.

        Returns
        -------
        ReconstructionDisplay
            Of this scan.

        Raises
        ------
        ScanError
            When the scan is missing or cannot be read.
        IndexError
            When there is no such channel.
        """
        cell = np.empty(1, dtype=object)
        cell[0] = scan
        reader = autoencoder.volume_
        volume = reader.transform(cell)[0]
        rebuilt = autoencoder.reconstruct(cell, random_state=random_state)[0]
        hidden = (rebuilt != volume).any(axis=0)  # what is shown is handed back to the bit
        spacing = reader.settings().spacing or (1.0, 1.0, 1.0)
        return cls(volume[channel], rebuilt[channel], hidden, spacing=spacing)

    def frame(self) -> pd.DataFrame:
        """Tell how far off it is.

        Returns
        -------
        DataFrame
            A row for the part that was hidden and one for what was shown: part, n_voxels, the mean
            absolute difference, and the root of the mean squared one.
        """
        difference = self.rebuilt - self.volume
        rows = []
        for part, chosen in (("hidden", self.hidden), ("shown", ~self.hidden)):
            off = difference[chosen]
            some = len(off) > 0
            rows.append(
                {
                    "part": part,
                    "n_voxels": len(off),
                    "mean_absolute": float(np.abs(off).mean()) if some else np.nan,
                    "root_mean_squared": float(np.sqrt((off**2).mean())) if some else np.nan,
                }
            )
        return pd.DataFrame(rows)

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : sequence of 12 matplotlib.axes.Axes or None, default=None
            Where, row by row. None makes a figure.

        Returns
        -------
        ReconstructionDisplay
            Itself, with `ax_` and `figure_`.

        Raises
        ------
        ImportError
            Without matplotlib.
        ValueError
            When `ax` does not hold 12 axes.
        """
        difference = np.abs(self.rebuilt - self.volume)
        shown = np.where(self.hidden, np.nan, self.volume)
        pictures = dict(zip(_COLUMNS, (self.volume, shown, self.rebuilt, difference), strict=True))
        most = float(difference.max()) or 1.0
        limits = float(self.volume.min()), float(self.volume.max())
        with panels(ax, 12, (2.4, 2.5), columns=4) as (self.figure_, axes):
            each_axes = iter(axes)
            for plane, (across, upward) in PLANES.items():
                for name, picture in pictures.items():
                    one = next(each_axes)
                    image = self._draw(one, picture, across, upward)
                    if name == "difference":
                        image.set(cmap="cividis", clim=(0, most))
                    else:
                        image.set(cmap=image.cmap.with_extremes(bad=_HIDDEN), clim=limits)
                    one.set_title(f"{plane}, {name}", fontsize="small")
            bar = self.figure_.colorbar(image, ax=axes[3::4], shrink=0.6)
            bar.set_label("Absolute difference, as values are read")
            self.ax_ = np.array(axes, dtype=object)
        return self

    def _draw(self, ax: Any, volume: Volume, across: str, upward: str) -> Any:
        i, j = "xyz".index(across), "xyz".index(upward)
        through = 3 - i - j
        plane = volume.take(volume.shape[through] // 2, axis=through).T
        sizes = np.array(volume.shape) * self.spacing
        image = ax.imshow(
            plane,
            cmap="gray",
            origin="lower",
            extent=(0, sizes[i], 0, sizes[j]),
            interpolation="nearest",
        )
        ax.invert_xaxis()
        ax.grid(visible=False)
        ax.set(xticks=[], yticks=[])
        ax.set_xlabel("{} ← → {}".format(*ACROSS[across]), fontsize="small")
        ax.set_ylabel("{} ← → {}".format(*UPWARD[upward]), fontsize="small")
        return image

    @property
    def description(self) -> str:
        """What the figure shows, in words and numbers."""
        table = self.frame().set_index("part")
        share = self.hidden.mean()
        return (
            f"Three planes of a scan, of what is shown of it ({1 - share:.0%}), rebuilt, and the "
            f"difference. Where it was hidden, the rebuilt values differ by "
            f"{table.loc['hidden', 'mean_absolute']:.3f} on average, of values from "
            f"{self.volume.min():.2f} to {self.volume.max():.2f}."
        )
