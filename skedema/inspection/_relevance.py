"""How much each place of a scan counted, on the scan's own voxels."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skedema._caching.whole_files import write_whole

_APART = 25.0  # mm between places that are told
_MIDDLE = 5.0  # mm from the middle of the head


@dataclass(frozen=True, eq=False)
class ScanRelevance:
    """Where a model looked in one patient's scan: a number a voxel, on the scan's own grid.

    Relevance is not causation: it tells what this model's probability hangs on, which may be a
    lesion, or what goes along with one, and what it hangs on is not what made the patient ill.

    Parameters
    ----------
    relevance : ndarray of float32 of shape (A, B, C)
        One a voxel of the scan, in the order of its file. Positive speaks for the target,
        negative against it; 0 outside the brain.
    hu : ndarray of shape (A, B, C)
        The scan's voxels in HU.
    affine : ndarray of shape (4, 4) or None
        From the index of a voxel to RAS in mm; None of an array without geometry.
    target : object
        The class that is spoken for.
    method : str
        How it was found: "occlusion", "gradient" or "rollout".
    baseline : float
        The probability of the target with the scan as it is.
    unit : str
        What the numbers are.
    name : str
        What the scan is called.
    within : str
        Where was looked: "brain", or "head" where no brain mask is to be trusted.
    to_right : ndarray of shape (4,)
        From a place (x, y, z, 1) in RAS to how far right of the head's middle it lies, in mm.
    depths : ndarray of shape (C,) or None
        Where slices lie that are not evenly spaced; see `skedema.scans.Scan`.
    column : str, int or None
        The column of the scan, of a model that takes several scans of a patient.

    Examples
    --------
    >>> import numpy as np
    >>> from skedema.inspection import ScanRelevance
    >>> relevance = np.zeros((40, 40, 20), dtype=np.float32)
    >>> relevance[30, 25, 12] = 0.2
    >>> affine = np.diag([4.0, 4.0, 6.0, 1.0])
    >>> affine[:3, 3] = -80, -80, -60
    >>> found = ScanRelevance(relevance, np.zeros((40, 40, 20)), affine, target="edema")
    >>> found.most_relevant(1)[["x", "y", "z", "side"]].values.tolist()
    [[40.0, 20.0, 12.0, 'right']]
    """

    relevance: NDArray[np.float32]
    hu: NDArray[Any] = field(repr=False)
    affine: NDArray[np.float64] | None = field(repr=False)
    target: Any
    method: str = "occlusion"
    baseline: float = np.nan
    unit: str = "change of the probability"
    name: str = "scan"
    within: str = "brain"
    to_right: NDArray[np.float64] = field(
        default_factory=lambda: np.array([1.0, 0, 0, 0]), repr=False
    )
    depths: NDArray[np.float64] | None = field(default=None, repr=False)
    column: Any = None

    def __repr__(self) -> str:
        return f"ScanRelevance({self.description})"

    @property
    def description(self) -> str:
        """What there is to see, in words."""
        of = "" if self.column is None else f" of {self.column!r}"
        text = f"{self.method}{of} for {self.target!r}, probability {self.baseline:.2f}"
        if not self.relevance.any():
            return f"{text}; no voxel of {self.name} counts"
        first = self.most_relevant(1).iloc[0]
        side = {"middle": "in the middle of the head"}.get(first["side"], f"on the {first['side']}")
        where = ", ".join(f"{first[axis]:.0f}" for axis in "xyz")
        unit = "mm" if self.affine is not None else "voxels"
        return (
            f"{text}; most relevant {side}, at {where} {unit}, where the scan speaks "
            f"{'for' if first['relevance'] > 0 else 'against'} it: {first['relevance']:+.3g} "
            f"({self.unit}), over {first['size']:.0f} "
            f"{'ml' if self.affine is not None else 'voxels'}"
        )

    def most_relevant(self, n: int = 5) -> pd.DataFrame:
        """Tell the places that count most.

        Each is the voxel whose relevance, for or against the target, is furthest from 0, at least
        25 mm (or voxels, without a geometry) from the ones before.

        Parameters
        ----------
        n : int, default=5
            How many at most; there are fewer where relevance is 0 elsewhere.

        Returns
        -------
        DataFrame
            One row a place: ``relevance``; ``x``, ``y``, ``z`` in RAS (mm, or voxels without a
            geometry); ``i``, ``j``, ``k``, the index of the voxel; ``side`` of the patient,
            "left", "right" or "middle" (within 5 mm); ``size``, how much around it has at least
            half its relevance, in ml (or voxels).

        Raises
        ------
        ValueError
            If `n` is below 1.
        """
        if n < 1:
            raise ValueError(f"n={n}: ask for one place or more")
        places, ml = self._places(), self._voxel_ml()
        left = np.abs(self.relevance)
        rows: list[tuple[Any, ...]] = []
        while len(rows) < n and left.max() > 0:
            i, j, k = (int(each) for each in np.unravel_index(left.argmax(), left.shape))
            here, there = places[:, i, j, k], float(self.relevance[i, j, k])
            near = np.sqrt(((places - here[:, None, None, None]) ** 2).sum(axis=0)) < _APART
            around = near & (self.relevance / there >= 0.5)
            size = float((np.broadcast_to(ml, left.shape)[around]).sum())
            x, y, z = here.tolist()
            aside = float(self.to_right @ [x, y, z, 1])
            side = "middle" if abs(aside) < _MIDDLE else "right" if aside > 0 else "left"
            rows.append((there, x, y, z, i, j, k, side, size))
            left[near] = 0
        names = ["relevance", "x", "y", "z", "i", "j", "k", "side", "size"]
        return pd.DataFrame(rows, columns=names)

    def to_nifti(self) -> Any:
        """Give the relevance as an image that lies beside the scan.

        Returns
        -------
        nibabel.Nifti1Image
            Of float32, with the affine of the scan; without one, where it has none. Slices that are
            not evenly spaced are interpolated to even ones.
        """
        return self._image(self.relevance)

    def hu_to_nifti(self) -> Any:
        """Give the scan as an image, for a viewer to lay the relevance over.

        Returns
        -------
        nibabel.Nifti1Image
            In HU, on the same voxels as `to_nifti`.
        """
        return self._image(self.hu)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the relevance as NIfTI.

        Parameters
        ----------
        path : str or path
            Ends in ``.nii`` or ``.nii.gz``.

        Raises
        ------
        ValueError
            If it ends otherwise.
        """
        text = os.fspath(path)
        if not text.endswith((".nii", ".nii.gz")):
            raise ValueError(f"{text}: end it in .nii.gz or .nii, for it is written as NIfTI")
        content = self.to_nifti().to_bytes()
        if text.endswith(".gz"):
            import gzip

            content = gzip.compress(content, mtime=0)
        write_whole(Path(text), lambda file: file.write(content))

    def _places(self) -> NDArray[np.float64]:
        """Where voxels lie, (3, A, B, C), in mm."""
        a, b, c = self.relevance.shape
        depths = np.arange(c) if self.depths is None else self.depths
        index = np.meshgrid(np.arange(a), np.arange(b), depths, indexing="ij", sparse=True)
        affine = np.eye(4) if self.affine is None else self.affine
        return np.stack(
            [row[0] * index[0] + row[1] * index[1] + row[2] * index[2] + row[3] for row in affine]
        )[:3]

    def _voxel_ml(self) -> NDArray[np.float64]:
        """How many ml a voxel of each slice has; 1 without a geometry."""
        thick = np.ones(self.relevance.shape[2])
        if self.depths is not None and len(self.depths) > 1:
            thick = np.gradient(self.depths)
        if self.affine is None:
            return thick
        return np.asarray(thick * abs(np.linalg.det(self.affine[:3, :3])) / 1000)

    def _image(self, voxels: NDArray[Any]) -> Any:
        import nibabel

        image: Any = nibabel.Nifti1Image  # untyped
        if self.depths is not None and len(self.depths) > 1:
            from scipy.interpolate import interp1d

            step = np.median(np.diff(self.depths))
            even = np.arange(self.depths[0], self.depths[-1] + step / 100, step)
            voxels = interp1d(self.depths, voxels, axis=2)(np.minimum(even, self.depths[-1]))
            affine = None if self.affine is None else self.affine @ np.diag([1, 1, step, 1])
        else:
            affine = self.affine
        kept = voxels if voxels.dtype == np.int16 else voxels.astype(np.float32)
        return image(kept, affine)
