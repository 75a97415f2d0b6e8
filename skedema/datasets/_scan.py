"""One patient's scan: from what decides it to a NIfTI file on disk."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any, Literal, NamedTuple

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from skedema._caching.whole_files import write_whole
from skedema.datasets._acquisition import (
    Acquisition,
    draw_acquisition,
    head_points,
    scan,
    scanner_grid,
)
from skedema.datasets._confounders import Confounders, draw_confounders
from skedema.datasets._edema import Finding, finding_from_severity
from skedema.datasets._grid import Floats, Grid, straight_grid
from skedema.datasets._lesions import Lesion, place_lesion
from skedema.datasets._phantom import Head, draw_head, render_head
from skedema.datasets._subject import Subject

Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]
Slices = Literal["grid", "scanner"]

_MOST_SUBSLICES = 4
"""A thick slice is the mean of so many thin ones at most."""


class SimulatedScan(NamedTuple):
    """Voxels (X, Y, Z) in HU, the affine (4, 4) that maps their index to RAS in mm, the truth."""

    voxels: NDArray[np.int16]
    affine: NDArray[np.float64]
    finding: Finding


class Drawn(NamedTuple):
    """All that chance decides about a scan but the noise."""

    head: Head
    lesion: Lesion | None
    confounders: Confounders
    acquisition: Acquisition


def simulate_scan(
    subject: Subject,
    seed: np.random.SeedSequence,
    shape: Shape,
    spacing: Spacing,
    slices: Slices,
) -> SimulatedScan:
    """Draw and scan a head on a field of view of ``shape`` voxels of ``spacing`` mm.

    With ``slices="grid"`` these are the scan's voxels, axes straight, as if resampled: a tilted
    gantry does not turn the head. With ``slices="scanner"`` the slices are the scanner's: another
    number, and sheared where the gantry is tilted.

    Anatomy, lesion, confounders, acquisition and noise have streams of their own, so that two
    scans from one seed that differ in the severity differ in the edema alone.
    """
    # Spawning counts up inside the seed; a copy keeps a second call equal to the first.
    fresh = np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key)
    anatomy, place, others, scanner, noise = map(np.random.default_rng, fresh.spawn(5))
    acquisition = draw_acquisition(subject.site, scanner)
    if slices == "scanner":
        grid = scanner_grid(acquisition, shape, spacing)
    else:
        grid = straight_grid(shape, spacing)
    drawn = Drawn(
        head=draw_head(subject.age, subject.sex, anatomy),
        lesion=place_lesion(subject.pattern, subject.severity, place),
        confounders=draw_confounders(subject.age, others),
        acquisition=acquisition,
    )
    healthy = finding_from_severity("none", 0.0)
    finding = healthy if drawn.lesion is None else drawn.lesion.finding
    voxels = scan(render(drawn, grid), acquisition, grid, noise)
    return SimulatedScan(voxels, grid.affine, finding)


def render(drawn: Drawn, grid: Grid) -> Floats:
    """HU (X, Y, Z) before the scanner blurs and adds anything; a voxel spans its own extent."""
    x, y, z = grid.spacing
    n = int(np.clip(round(z / min(x, y)), 1, _MOST_SUBSLICES))
    if n > 1:
        affine = grid.affine.copy()
        affine[:3, 2] /= n
        affine[:3, 3] -= affine[:3, 2] * (n - 1) / 2
        grid = Grid((grid.shape[0], grid.shape[1], grid.shape[2] * n), affine)
    points = head_points(drawn.acquisition, grid)
    hu = render_head(drawn.head, drawn.lesion, drawn.confounders, points, grid.voxel_mm3)
    thin = hu.reshape(*grid.shape[:2], -1, n)
    return thin[..., 0] if n == 1 else thin.mean(axis=3, dtype=np.float32)


def write_nifti(path: Path, volume: NDArray[np.int16], affine: NDArray[np.float64]) -> None:
    """Write a volume as ``.nii.gz``, whole or not at all; equal volumes give equal bytes."""
    # nibabel's classes carry no types of their own.
    image: Any = nib.Nifti1Image(volume, affine, dtype=np.int16)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code="scanner")
    # A quaternion cannot hold the shear of a tilted gantry.
    y, z = affine[:3, 1], affine[:3, 2]
    if np.isclose(y @ z, 0):
        image.set_qform(affine, code="scanner")
    packed = io.BytesIO()
    # A gzip header holds a name and a time unless told otherwise.
    with gzip.GzipFile("", "wb", compresslevel=1, fileobj=packed, mtime=0) as stream:
        stream.write(image.to_bytes())
    write_whole(path, lambda file: file.write(packed.getvalue()))


def simulate_file(
    path: Path,
    subject: Subject,
    seed: np.random.SeedSequence,
    shape: Shape,
    spacing: Spacing,
    slices: Slices,
) -> Finding:
    """Simulate one patient's scan, write it to ``path`` and tell the truth about it."""
    simulated = simulate_scan(subject, seed, shape, spacing, slices)
    write_nifti(path, simulated.voxels, simulated.affine)
    return simulated.finding
