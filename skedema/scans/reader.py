"""The transformer from scans to volumes on a stated grid."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from skedema._each import bar
from skedema.scans._budget import DEFAULT_MAX_BYTES
from skedema.scans._column import ScanTransformer, of_each_scan, scan_cells
from skedema.scans._placed import place
from skedema.scans._reading import drawn, loaded, on_grid
from skedema.scans._remote.scan import at_address
from skedema.scans._settings import ReaderSettings, reader_settings
from skedema.scans.grid.kinds import Kind
from skedema.scans.windows import Window, resolve_windows

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class VolumeReader(ScanTransformer):
    """Read head CT scans onto one grid, HU windows as channels.

    Every scan is turned to right-anterior-superior (RAS) axes, clipped to the widest range that
    the windows span (so that bone and air do not bleed into brain), resampled with antialiasing
    onto a grid around the centre of its field of view, and windowed. There is nothing to fit.

    Parameters
    ----------
    spacing : float, (x, y, z), "auto", "square" or None, default="auto"
        Size of a voxel of the grid in mm; "auto" is 2.25, or 3.4 with a `template`. None keeps the
        field of view of each scan, stretched onto `shape`: sizes then differ from scan to scan.
        "square" does so too, but makes the field of view square from left to right and from front
        to back, with air beside the shorter side, so that slices keep their proportions.
        Arrays and ``.npy`` files carry no geometry and are always stretched onto `shape`, their
        axes taken to be right, anterior and superior; on the grid's shape they are not resampled.
    shape : int, (X, Y, Z) or "auto", default="auto"
        Number of voxels of the grid; "auto" is 96 cubed, or 48 x 56 x 48 with a `template`.
    windows : str, (width, level), sequence of these, or None, default="brain"
        HU windows, one a channel, each mapped linearly to 0 to 1 and clipped: "brain" (80, 40),
        "stroke" (40, 40), "subdural" (200, 80), "bone" (2000, 600), "bone_wide" (2800, 600), or a
        pair of width and level (centre) in HU. None gives the intensities as they are, in one
        channel. Outside a scan's field of view is -1024 HU.
    head_margin : float or None, default=None
        Crop each scan to the head and so much around it, in mm: the grid is then centred on the
        head, not on the field of view (see `skedema.scans.head.crop`). None does not crop.
    skull_strip : bool, default=False
        Whether all but the brain becomes air (see `skedema.scans.head.brain`). Where no brain is
        found, or none of whose surface 70 % and more lie on bone, all is kept, with a warning.
    align : bool, default=False
        Whether each head is turned upright and the grid centred on its brain (see
        `skedema.scans.head.pose`), so that the same voxel is about the same place in every patient.
        Needs a `spacing`. It takes about as long as finding the brain does. Where brain or pose
        are not to be trusted, the head is left as scanned, with a warning.
    template : "head" or None, default=None
        "head" makes heads alike: each upright as by `align`, brain only with the brain's own
        median outside, and its cavity scaled to 126 mm from left to right and 158 mm from front
        to back (see `skedema.scans.head.template`). Sides are not swapped. Where no brain mask is
        to be trusted a scan is read as scanned, around the centre of its field of view, and one
        without geometry as without a `template`; where no
        pose is, the head is not turned; where the field of view cuts it off so that its size is
        not known, it is not scaled, and at a cut side not turned. Each brings a warning.
    brain_hu : float or None, default=None
        With a `template`, what the brain's median becomes: all HU of a scan are moved by as much,
        so that scanners that read higher or lower are alike. None leaves them.
    axes : "patient" or "scan", default="patient"
        What the axes of the grid run along. "scan": those of the scan, permuted and flipped to come
        closest to right, anterior and superior; an oblique scan is not turned. The tilt of a gantry
        is undone by shifting slices. Arrays are taken as they are in both.
    first_spacing : float, (x, y, z) or None, default=None
        Bring each scan onto voxels of this size in mm by cubic splines, before anything else is
        done to it. Needs ``axes="scan"``, and scans with a geometry.
    crop : "foreground", float or None, default=None
        Crop each scan to the box, along its own axes, that holds all voxels above so many HU;
        "foreground" is 0 HU. Table and headrest count, unlike in `head_margin`. With a
        `skull_strip` it is the box of the brain.
    window_first : bool, default=False
        Whether each window clips the scan by itself before that is brought onto the grid, in place
        of the widest range that windows span. It matters with several windows.
    interpolation : str or (x, y, z) of str, default="linear"
        How voxels of the grid are computed, for all axes or for each. "linear" averages where the
        grid is coarser than the scan (antialiasing). "area" is the mean of all voxels of the scan
        that one of the grid touches (adaptive average pooling); "cubic" a spline, and "nearest" the
        value of the nearest voxel, neither of which averages. All but "linear" need
        ``axes="scan"``.
    max_bytes : int, default=2**31
        The most bytes that the voxels of a scan may take in memory, before they are brought onto
        the grid: a larger one is refused before anything is allocated for it, see
        `skedema.scans.files.load_scan`. It bounds what a process takes and changes no volume: a
        scan that was read before is known with another bound, too.
    acquisition : int or None, default=None
        Which of several passes over the same place is read, where a DICOM series holds these (such
        as before and after contrast): the one with this AcquisitionNumber. Other scans are read
        as ever. None refuses such a series and lists its passes.
    remote : str, path or None, default=None
        The folder for copies of scans that lie at addresses (``s3://``, ``gs://``, ``az://``,
        ``https://``): where none is given nothing is ever fetched, and an address is an error.
        Each is fetched once, whole, verified, and again when it was written anew there; the folder
        is bounded by `skedema.cache.set_max_bytes`. Credentials are taken from where the store's
        own tools have them, never from here. It changes no volume. Needs
        ``pip install fsspec s3fs``; see docs/scans.md, "Scans at addresses".
    n_jobs : int or None, default=None
        Number of processes that read scans in `transform` (as in joblib), which share the cores.
    verbose : int, default=0
        Above 0, `transform` says what it does (see `summary`) and how far it is, on standard
        error.

    See Also
    --------
    AttentionMixerClassifier : Takes a reader as its parameter `volume`.

    Examples
    --------
    >>> import numpy as np
    >>> from skedema import VolumeReader
    >>> print(VolumeReader().summary())
    RAS grid of 96 x 96 x 96 voxels of 2.25 mm (216 x 216 x 216 mm), windows brain (0 to 80 HU)
    >>> reader = VolumeReader(shape=4, windows=["brain", "bone"])
    >>> reader.transform([np.full((8, 8, 8), 60.0)])[0, :, 0, 0, 0].round(3)
    array([0.75, 0.23], dtype=float32)
    """

    def __init__(
        self,
        *,
        spacing: float | Sequence[float] | Literal["auto", "square"] | None = "auto",
        shape: int | Sequence[int] | Literal["auto"] = "auto",
        windows: Window | Sequence[Window] | None = "brain",
        head_margin: float | None = None,
        skull_strip: bool = False,
        align: bool = False,
        template: Literal["head"] | None = None,
        brain_hu: float | None = None,
        axes: Literal["patient", "scan"] = "patient",
        first_spacing: float | Sequence[float] | None = None,
        crop: float | Literal["foreground"] | None = None,
        window_first: bool = False,
        interpolation: Kind | Sequence[Kind] = "linear",
        max_bytes: float = DEFAULT_MAX_BYTES,
        acquisition: int | None = None,
        remote: str | os.PathLike[str] | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.spacing = spacing
        self.shape = shape
        self.windows = windows
        self.head_margin = head_margin
        self.skull_strip = skull_strip
        self.align = align
        self.template = template
        self.brain_hu = brain_hu
        self.axes = axes
        self.first_spacing = first_spacing
        self.crop = crop
        self.window_first = window_first
        self.interpolation = interpolation
        self.max_bytes = max_bytes
        self.acquisition = acquisition
        self.remote = remote
        self.n_jobs = n_jobs
        self.verbose = verbose

    @property
    def n_channels(self) -> int:
        """Number of channels of a volume."""
        return max(1, len(resolve_windows(self.windows)))

    def settings(self) -> ReaderSettings:
        """Validate the parameters and give those that decide the volumes.

        Returns
        -------
        ReaderSettings
            Spacing (mm), shape, HU range of each channel, and what is done before; hashable.

        Raises
        ------
        TypeError, ValueError
            If a parameter is not usable; the message names it and the remedy.
        """
        return reader_settings(self)

    def fit(self, X: object, y: object = None) -> Self:
        """Validate the parameters; no scan is read.

        Parameters
        ----------
        X : object
            Ignored.
        y : object, default=None
            Ignored.

        Returns
        -------
        VolumeReader
            The reader itself.
        """
        self.settings()
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Read scans.

        Parameters
        ----------
        X : sequence of n scans
            A list, Series, table of one column or array of cells, each a path, a nibabel image
            or a 3-D array in HU; or one 4-D array of n volumes.

        Returns
        -------
        ndarray of shape (n, channels, X, Y, Z), float32
            The volumes.

        Raises
        ------
        ScanError
            If a scan is missing or cannot be read; the message names its row, counted from 0.

        Warns
        -----
        UserWarning
            Once a call, if scans do not look like HU, or were left without the brain mask or as
            scanned since what was found is not to be trusted; see `skull_strip` and `align`.
        """
        settings = self.settings()
        cells = [at_address(cell, self.remote) for cell in scan_cells(X)]
        volumes = np.empty((len(cells), self.n_channels, *settings.shape), dtype=np.float32)
        if self.verbose:
            print(self.summary(), file=sys.stderr)
        progress = bar("reading scans", "scan", len(cells), shown=self.verbose)
        for row, volume in enumerate(of_each_scan(self.read, cells, (), self.n_jobs, progress)):
            volumes[row] = volume
        return volumes

    def read(self, scan: object) -> NDArray[np.float32]:
        """Read one scan.

        Parameters
        ----------
        scan : str, path, nibabel image or ndarray of shape (A, B, C)
            The scan, arrays in HU.

        Returns
        -------
        ndarray of shape (channels, X, Y, Z), float32
            A new array.

        Raises
        ------
        ScanError
            If the scan is missing or cannot be read.

        Warns
        -----
        UserWarning
            As in `transform`.
        """
        settings = self.settings()
        return on_grid(loaded(scan, settings, self)[1], settings)

    def to_scan(self, values: Any, scan: object) -> NDArray[np.float32]:
        """Bring values on the grid back to the voxels of a scan, such as where a model looked.

        What reading does to the place of a voxel is undone: turning, cropping, scaling and
        resampling, whatever the axes of the scan are, tilted or with uneven slices as well. Values
        are interpolated linearly.

        Parameters
        ----------
        values : array-like of shape (X, Y, Z)
            One number a voxel of the grid.
        scan : str, path, nibabel image or ndarray of shape (A, B, C)
            The scan, as `read` takes it.

        Returns
        -------
        ndarray of shape (A, B, C), float32
            In the order of the scan's own voxels; 0 where the grid does not reach.

        Raises
        ------
        ValueError
            If `values` does not have the shape of the grid.
        ScanError
            If the scan is missing or cannot be read.

        Warns
        -----
        UserWarning
            As in `transform`.

        Examples
        --------
        >>> import numpy as np
        >>> from skedema import VolumeReader
        >>> scan = np.zeros((8, 8, 4))
        >>> scan[2:5, 4:6, 2] = 80.0
        >>> reader = VolumeReader(shape=(16, 16, 8))
        >>> back = reader.to_scan(reader.read(scan)[0], scan)
        >>> np.argwhere(back > 0.5)[[0, -1]].tolist()
        [[2, 4, 2], [4, 5, 2]]
        """
        settings = self.settings()
        if np.shape(values) != settings.shape:
            raise ValueError(
                f"values of shape {np.shape(values)} are not on the grid, which has the shape "
                f"{settings.shape}; give one channel of what read() gives, or as many numbers."
            )
        whole, prepared = loaded(scan, settings, self)
        return place(whole, prepared, settings).back(np.asarray(values))

    def summary(self) -> str:
        """Say in one line what reading does.

        Returns
        -------
        str
            What is cut away, the grid (voxels, their size and its extent in mm), and the windows
            (HU).

        Raises
        ------
        TypeError, ValueError
            If a parameter is not usable.

        Examples
        --------
        >>> print(VolumeReader(shape=64, spacing=None, windows=(100, 50)).summary())
        RAS grid of 64 x 64 x 64 voxels over each scan's field of view, windows 0 to 100 HU
        """
        return self.settings().summary()

    def show(self, scan: object) -> Figure:
        """Draw a scan as it is read: its three central planes in each window.

        The patient's right is on the left, and the face looks to the left (radiological
        convention); the letters on the axes say so. Voxels have their true proportions. Needs
        matplotlib: ``pip install matplotlib``.

        Parameters
        ----------
        scan : str, path, nibabel image or ndarray of shape (A, B, C)
            The scan, arrays in HU.

        Returns
        -------
        matplotlib.figure.Figure
            One row a window. ``matplotlib.pyplot.show()`` brings it to the screen; close it with
            ``matplotlib.pyplot.close`` where many are drawn.

        Raises
        ------
        ScanError
            If the scan is missing or cannot be read.
        ImportError
            If matplotlib is not installed.
        """
        return drawn(self, scan)
