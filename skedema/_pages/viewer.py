"""Scans as pieces of a page that can be scrolled through."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

_STEP = 2.0  # mm of a voxel in a page, about; a scan of a head is then below a megabyte
_LOW, _HIGH = -150.0, 350.0  # HU that the windows below show, and a little more


@dataclass(frozen=True)
class Window:
    """Which HU are seen, from black to white."""

    name: str
    width: float
    level: float

    @property
    def low(self) -> float:
        """HU of black."""
        return self.level - self.width / 2

    @property
    def high(self) -> float:
        """HU of white."""
        return self.level + self.width / 2


WINDOWS = (Window("Brain", 80, 40), Window("Stroke", 40, 40), Window("Subdural", 200, 80))


@dataclass(frozen=True)
class Case:
    """A scan, and where a model looked in it.

    Parameters
    ----------
    label : str
        What tells it from the others of the page.
    scan : str
        Of `packed_scan`.
    relevance : str, default=""
        Of `packed_relevance`; empty where there is none.
    focus : sequence of 3 floats or None, default=None
        Where the planes meet at first, in mm in RAS; None is the middle.
    """

    label: str
    scan: str
    relevance: str = ""
    focus: Sequence[float] | None = None


@dataclass
class Viewer:
    """One viewer for all `cases` of a page; a page has one at most."""

    cases: Sequence[Case]
    title: str = "Viewer"
    kind: ClassVar[str] = "viewer"

    @property
    def data(self) -> dict[str, Any]:
        """What the script of the viewer is told."""
        return {
            "cases": [vars(case) for case in self.cases],
            "windows": [{"low": each.low, "high": each.high} for each in WINDOWS],
        }

    @property
    def windows(self) -> tuple[Window, ...]:
        """Windows to choose from."""
        return WINDOWS


@dataclass
class Show:
    """A button that shows the case of a number in the page's viewer."""

    case: int
    kind: ClassVar[str] = "show"


def packed_scan(hu: NDArray[Any], affine: NDArray[Any]) -> str:
    """Pack a scan for a page: about 2 mm, whole HU from -150 to 350, as base64 of a `.nii.gz`.

    Parameters
    ----------
    hu : array of shape (X, Y, Z)
        In HU.
    affine : array of shape (4, 4)
        From voxels to mm in RAS.

    Returns
    -------
    str
        Its header holds the grid and nothing else.
    """
    reduced, grid = _reduced(np.clip(np.asarray(hu, dtype=np.float32), _LOW, _HIGH), affine)
    return _packed(np.round(reduced).astype(np.int16), grid)


def packed_relevance(relevance: NDArray[Any], affine: NDArray[Any]) -> str:
    """Pack relevance likewise, in 127 steps to its greatest magnitude, which becomes 1.

    Parameters
    ----------
    relevance : array of shape (X, Y, Z)
        On the grid of the scan.
    affine : array of shape (4, 4)
        From voxels to mm in RAS.

    Returns
    -------
    str
        As of `packed_scan`.
    """
    reduced, grid = _reduced(np.nan_to_num(np.asarray(relevance, dtype=np.float32)), affine)
    greatest = float(np.abs(reduced).max()) or 1.0
    return _packed(np.round(reduced / greatest * 127).astype(np.int8), grid, slope=1 / 127)


def _reduced(
    values: NDArray[np.float32], affine: NDArray[Any]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Take means of blocks of whole voxels, so that nothing has to be interpolated."""
    grid = np.array(affine, dtype=np.float64)
    for axis in range(3):
        spacing = float(np.linalg.norm(grid[:3, axis]))
        block = min(max(round(_STEP / spacing), 1), values.shape[axis])
        kept = values.shape[axis] // block
        whole = np.moveaxis(values, axis, 0)[: kept * block]
        values = np.moveaxis(whole.reshape(kept, block, *whole.shape[1:]).mean(axis=1), 0, axis)
        grid[:3, 3] += grid[:3, axis] * (block - 1) / 2
        grid[:3, axis] *= block
    return values, grid


def _packed(values: NDArray[Any], affine: NDArray[np.float64], slope: float = 1.0) -> str:
    import nibabel

    image = nibabel.Nifti1Image(values, affine)  # type: ignore[no-untyped-call]
    image.header.set_slope_inter(slope, 0)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")  # type: ignore[no-untyped-call]
    return base64.b64encode(gzip.compress(image.to_bytes(), mtime=0)).decode("ascii")
