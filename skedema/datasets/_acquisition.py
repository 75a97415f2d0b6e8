"""What the scanner adds to a head: position, slices, sharpness, noise, its own zero and padding.

Three sites have a scanner each. CT numbers of the same thing differ between scanners (Levi et al.,
"The unreliability of CT numbers as absolute values", AJR 1982, 139:443-447; Birnbaum et al.,
Radiology 2007, 242:109-119); here by 3 to 6 HU. All figures of the sites are chosen.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d
from scipy.ndimage import shift as shifted

from skedema.datasets._grid import Floats, Grid, project, rotation, straight_grid
from skedema.datasets._subject import Site

HEIGHT = 15.0
"""Height of the cavity's middle over the grid's middle in mm: the face needs room below."""
_MOVED = 0.08
"""Share of patients who move during the scan."""


class Scanner(NamedTuple):
    """One site's scanner.

    ``thickness`` of slices and ``sharpness`` (standard deviation of the point spread in a slice)
    are in mm, ``noise`` and ``offset`` in HU, ``padding`` is the value outside the reconstruction
    circle, ``tilted`` the share of scans with a tilted gantry.
    """

    thickness: float
    sharpness: float
    noise: float
    offset: float
    padding: int
    tilted: float


SCANNERS: dict[Site, Scanner] = {
    "A": Scanner(5.0, 1.2, 2.8, 0.0, -1024, 0.3),
    "B": Scanner(3.0, 0.9, 3.5, 3.0, -2000, 0.1),
    "C": Scanner(1.25, 0.6, 4.5, -3.0, -3024, 0.0),
}


class Motion(NamedTuple):
    """A jerk: slices from ``first`` to ``last`` (shares of the stack) show the head twice.

    The second image lies ``x`` and ``y`` mm beside the first and has ``weight`` of the sum.
    """

    first: float
    last: float
    x: float
    y: float
    weight: float


class Acquisition(NamedTuple):
    """How one head is scanned: ``turn`` (3, 3) and ``move`` mm place it, ``tilt`` is in degrees."""

    scanner: Scanner
    turn: NDArray[np.float64]
    move: Floats
    tilt: float
    noise: float
    offset: float
    motion: Motion | None


def draw_acquisition(site: Site, rng: np.random.Generator) -> Acquisition:
    """Draw one scan on a site's scanner; the patient has no part in it."""
    scanner = SCANNERS[site]
    turn = rotation(rng.normal(0, (3, 2, 2.5)))
    move = rng.normal(0, 2.5, 3).astype(np.float32)
    tilted, tilt = rng.random() < scanner.tilted, float(rng.uniform(8, 18))
    dose, drift = rng.normal(0, (0.15, 0.5))
    moved, first = rng.random() < _MOVED, rng.uniform(0.3, 0.7)
    motion = Motion(
        first=float(first),
        last=float(first + rng.uniform(0.1, 0.25)),
        x=float(rng.normal(0, 3)),
        y=float(rng.normal(0, 3)),
        weight=float(rng.uniform(0.2, 0.45)),
    )
    return Acquisition(
        scanner=scanner,
        turn=turn,
        move=move,
        tilt=tilt if tilted else 0.0,
        noise=float(scanner.noise * np.exp(dose)),
        offset=float(scanner.offset + drift),
        motion=motion if moved else None,
    )


def scanner_grid(
    acquisition: Acquisition,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
) -> Grid:
    """Give the slices that the scanner makes of a field of view, sheared if it is tilted."""
    thickness = acquisition.scanner.thickness
    n_slices = max(1, round(shape[2] * spacing[2] / thickness))
    sliced = (shape[0], shape[1], n_slices)
    return straight_grid(sliced, (spacing[0], spacing[1], thickness), acquisition.tilt)


def head_points(acquisition: Acquisition, grid: Grid) -> Floats:
    """Where the voxels lie in the head's own coordinates, (3, n) in mm."""
    middle = acquisition.move + np.array([0, 0, HEIGHT], dtype=np.float32)
    return project(acquisition.turn.T, grid.points() - middle[:, None])


def scan(
    clean: Floats, acquisition: Acquisition, grid: Grid, rng: np.random.Generator
) -> NDArray[np.int16]:
    """Degrade HU (X, Y, Z) to what the scanner stores, at least -1024 within the circle.

    ``rng`` draws the noise, which has the sharpness of the picture. A voxel is taken to span its
    own extent already; slices thicker than that are blurred by their box profile.
    """
    spacing = grid.spacing
    motion = acquisition.motion
    profile = _box(acquisition.scanner.thickness / spacing[2])
    seen = clean if len(profile) == 1 else correlate1d(clean, profile, axis=2, mode="nearest")
    kernels = [_bell(acquisition.scanner.sharpness / step) for step in spacing[:2]]
    # Blurred noise is weaker by the norm of the kernel.
    strength = acquisition.noise / np.prod([np.linalg.norm(kernel) for kernel in kernels])
    noise = rng.standard_normal(grid.shape, dtype=np.float32)
    noise *= np.float32(strength)
    if motion is not None:
        seen = _jerk(seen, motion, spacing)
    noise += seen
    seen = noise
    for axis, kernel in enumerate(kernels):
        seen = correlate1d(seen, kernel, axis=axis, mode="nearest")
    seen += np.float32(acquisition.offset)
    np.rint(seen, out=seen)
    stored: NDArray[np.int16] = np.clip(seen, -1024, 3071, out=seen).astype(np.int16)
    stored[_outside_circle(grid.shape)] = acquisition.scanner.padding
    return stored


def _box(width: float) -> NDArray[np.float64]:
    """Weights of a box ``width`` voxels wide."""
    reach = int(np.ceil((width - 1) / 2)) if width > 1 else 0
    edges = np.clip(np.arange(-reach, reach + 2) - 0.5, -width / 2, width / 2)
    weights = np.diff(edges)
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _bell(sigma: float) -> NDArray[np.float64]:
    """Weights of a Gaussian of ``sigma`` voxels."""
    reach = int(np.ceil(3 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _jerk(seen: Floats, motion: Motion, spacing: tuple[float, float, float]) -> Floats:
    n_slices = seen.shape[2]
    part = slice(int(motion.first * n_slices), int(np.ceil(motion.last * n_slices)))
    aside = (motion.x / spacing[0], motion.y / spacing[1], 0.0)
    jerked = seen.copy()
    second = shifted(seen[:, :, part], aside, order=1, mode="nearest")
    jerked[:, :, part] += np.float32(motion.weight) * (second - jerked[:, :, part])
    return jerked


def _outside_circle(shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Pixels (X, Y) outside the ellipse that fills the slice."""
    x, y = ((2 * np.arange(n) - (n - 1)) / n for n in shape[:2])
    outside: NDArray[np.bool_] = x[:, None] ** 2 + y**2 > 1
    return outside
