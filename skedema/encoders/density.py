"""How much tissue of each density a brain has, by hemisphere: no training, and read by people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skedema._each import bar
from skedema.scans import ScanError
from skedema.scans._budget import DEFAULT_MAX_BYTES
from skedema.scans._column import ScanTransformer, of_each_scan, scan_cells
from skedema.scans._intensity import look
from skedema.scans._remarks import Remark, Told, tell
from skedema.scans.errors import NotBelieved
from skedema.scans.files import load_scan, scan_name
from skedema.scans.head._morphology import Mask, shrink
from skedema.scans.head.brain import trusted_mask
from skedema.scans.head.template import coarse, place_of
from skedema.scans.scan import Scan

#: HU between the bins. Fluid has 0 to 12, white matter 20 to 30, grey matter 30 to 40, blood 50 to
#: 80; swelling takes 1 to 3 HU off for each per cent of water, so that bins are narrow in between.
EDGES = (8.0, 12.0, 16.0, 20.0, 24.0, 28.0, 32.0, 36.0, 40.0, 44.0, 50.0, 60.0)

_PARTS = ("inner", "next to the bone")
_SIDES = ("mean of both sides", "difference of the sides")
_VERSION = 1  # raise it when the numbers change


class Density(ScanTransformer):
    """Count the tissue of a brain by density, side and depth, in ml.

    For the part of the brain that is next to the bone and for the inner one: how many ml lie in
    each range of HU, and the median HU; each as the mean of both hemispheres and as the absolute
    difference between them. The mean tells what is alike on both sides, such as atrophy or
    swelling of the whole brain, the difference an infarct or a bleeding. Nothing is learned: the
    numbers of a scan are its own, and do not change where it is mirrored.

    Brain and plane of symmetry are those of `VolumeReader` (``template="head"``), on voxels of
    up to 3 mm; sizes stay as they are.

    Parameters
    ----------
    edges : sequence of float, default=(8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 50, 60)
        HU between the ranges, rising. The first and the last range are open.
    rim : float, default=10.0
        How far from the edge of the brain in mm tissue is "next to the bone".
    max_bytes, acquisition : int
        As of `VolumeReader`.
    n_jobs : int or None, default=None
        Number of processes that read scans (as in joblib).
    verbose : int, default=0
        Above 0, shows progress on standard error.

    Examples
    --------
    >>> from skedema.datasets import make_head_ct_cohort
    >>> from skedema.encoders import Density
    >>> scans = make_head_ct_cohort(2, "scans", random_state=0).frame["scan"]
    >>> density = Density(edges=(20, 40), rim=8).set_output(transform="pandas")
    >>> table = density.fit_transform(scans)
    >>> for name in table.columns[:4]:
    ...     print(name)
    ml of tissue below 20 HU, inner, mean of both sides
    ml of tissue below 20 HU, inner, difference of the sides
    ml of tissue at 20 to 40 HU, inner, mean of both sides
    ml of tissue at 20 to 40 HU, inner, difference of the sides

    By name it is an encoder, one token a scan: ``AttentionMixerClassifier(image="scan",
    encoder="density")``.
    """

    def __init__(
        self,
        *,
        edges: Sequence[float] = EDGES,
        rim: float = 10.0,
        max_bytes: float = DEFAULT_MAX_BYTES,
        acquisition: int | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.edges = edges
        self.rim = rim
        self.max_bytes = max_bytes
        self.acquisition = acquisition
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X: object, y: object = None) -> Self:
        """Validate the parameters; no scan is read.

        Parameters
        ----------
        X, y : object
            Ignored.

        Returns
        -------
        Density
            The transformer itself.

        Raises
        ------
        TypeError, ValueError
            If a parameter is not usable.
        """
        self._checked()
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Describe scans.

        Parameters
        ----------
        X : sequence of n scans
            As `VolumeReader.transform` takes; with geometry.

        Returns
        -------
        ndarray of shape (n, n_features), float64
            In ml and HU, in the order of `get_feature_names_out`; a DataFrame if `set_output` says
            so.

        Raises
        ------
        ScanError
            If a scan is missing, cannot be read or has no geometry; the message names its row.

        Warns
        -----
        UserWarning
            Once a call, if scans do not look like HU, have no brain mask that can be trusted (all
            tissue of 0 to 100 HU is then counted), or no pose (their own left and right are
            taken), or are cut off.
        """
        edges, rim = self._checked()
        cells = scan_cells(X)
        how = (edges, rim, self.max_bytes, self.acquisition)
        progress = bar("measuring scans", "scan", len(cells), shown=self.verbose)
        found = np.empty((len(cells), len(self.get_feature_names_out())))
        for row, numbers in enumerate(of_each_scan(_measure, cells, how, self.n_jobs, progress)):
            found[row] = numbers
        return found

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Name the numbers.

        Parameters
        ----------
        input_features : object, default=None
            Ignored.

        Returns
        -------
        ndarray of str
            Such as ``"ml of tissue at 20 to 24 HU, inner, difference of the sides"``.
        """
        edges, _ = self._checked()
        between = [f"at {a:g} to {b:g} HU" for a, b in pairwise(edges)]
        ranges = [f"below {edges[0]:g} HU", *between, f"of {edges[-1]:g} HU and more"]
        whats = [*(f"ml of tissue {each}" for each in ranges), "median HU"]
        names = [f"{what}, {part}, {side}" for part in _PARTS for what in whats for side in _SIDES]
        return np.array(names, dtype=object)

    def features_digest(self) -> str:
        """Tell all that the numbers of a scan depend on besides the scan.

        Returns
        -------
        str
            Equal for transformers that give equal numbers.
        """
        return f"density {_VERSION} {self._checked()} {self.acquisition}"

    def _checked(self) -> tuple[tuple[float, ...], float]:
        edges = tuple(self.edges) if isinstance(self.edges, Iterable) else ()
        if not edges or not all(isinstance(edge, Real) for edge in edges):
            raise TypeError(f"edges={self.edges!r}: give HU between the ranges, such as (20, 40)")
        numbers = tuple(float(edge) for edge in edges)
        if not np.isfinite(numbers).all() or (np.diff(numbers) <= 0).any():
            raise ValueError(f"edges={self.edges!r}: give finite HU in rising order")
        if not isinstance(self.rim, Real) or not 0 < float(self.rim) < np.inf:
            raise ValueError(f"rim={self.rim!r}: give mm above 0")
        return numbers, float(self.rim)


def _measure(
    cell: object, edges: tuple[float, ...], rim: float, max_bytes: float, acquisition: int | None
) -> NDArray[np.float64]:
    """Measure one scan, and tell what is odd about it."""
    name = scan_name(cell)
    scan = load_scan(cell, max_bytes=max_bytes, acquisition=acquisition)
    if scan.affine is None:
        raise ScanError(
            f"{name}: has no geometry, so that nothing is known in ml; give a NIfTI file "
            "or image, or another encoder"
        )
    numbers, remarks = densities(scan, edges, rim)
    tell([Told("", repr(name), remark) for remark in (*look(scan), *remarks)], 1)
    return numbers


def densities(
    scan: Scan, edges: Sequence[float], rim: float
) -> tuple[NDArray[np.float64], tuple[Remark, ...]]:
    """Give the numbers of a scan with geometry, and what it had to do without."""
    small, _ = coarse(scan)
    assert small.affine is not None
    assert small.spacing is not None
    axis: NDArray[np.float64] = np.array([1.0, 0.0, 0.0])
    remarks: tuple[Remark, ...]
    try:
        mask = trusted_mask(small.voxels, small.spacing.tolist())
        place = place_of(mask, small)
        axis, centre, remarks = place.axes[0], place.centre, place.remarks
    except NotBelieved as error:
        mask = (small.voxels >= 0) & (small.voxels < 100)
        middle = (np.array(small.voxels.shape) - 1) / 2
        centre = small.affine[:3, :3] @ middle + small.affine[:3, 3]
        remarks = (Remark("mask", f"{error}; all tissue of 0 to 100 HU is counted"),)
    right, ml = _sides(small, axis, centre)
    inner = shrink(mask, rim, small.spacing)
    bins = np.digitize(small.voxels, edges)
    numbers: list[float] = []
    for part in (inner, mask & ~inner):
        sides = [part & right, part & ~right]
        counts = [_histogram(bins, ml, side, len(edges) + 1) for side in sides]
        counts = [
            np.append(count, np.median(small.voxels[side]) if side.any() else 0.0)
            for count, side in zip(counts, sides, strict=True)
        ]
        pairs = np.stack([(counts[0] + counts[1]) / 2, np.abs(counts[0] - counts[1])], axis=1)
        numbers += pairs.ravel().tolist()
    return np.array(numbers), remarks


def _histogram(
    bins: NDArray[np.intp], ml: NDArray[np.float64], part: Mask, n: int
) -> NDArray[np.float64]:
    weights = np.broadcast_to(ml, part.shape)[part]
    return np.asarray(np.bincount(bins[part], weights, n), dtype=np.float64)


def _sides(
    scan: Scan, axis: NDArray[np.float64], centre: NDArray[np.float64]
) -> tuple[Mask, NDArray[np.float64]]:
    """Say which voxels lie to the right of the middle, and how many ml one of each slice has."""
    assert scan.affine is not None
    x, y, z = (np.arange(n, dtype=np.float64) for n in scan.voxels.shape)
    thick = np.ones_like(z)
    if scan.depths is not None and len(scan.depths) > 1:
        z, thick = scan.depths, np.gradient(scan.depths)
    across = axis @ scan.affine[:3, :3]
    start = float(axis @ (scan.affine[:3, 3] - centre))
    right = across[0] * x[:, None, None] + across[1] * y[:, None] + across[2] * z + start > 0
    return right, abs(float(np.linalg.det(scan.affine[:3, :3]))) / 1000 * thick
