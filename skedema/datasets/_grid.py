"""Small geometry on voxel grids: points in mm, signed distances, partial volume."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Grid(NamedTuple):
    """Voxels in space: ``affine`` (4, 4) maps their index to RAS in mm."""

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance of neighbours along each axis in mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    def points(self) -> Floats:
        """Give the voxels' centres in mm, (3, n) in C order."""
        i, j, k = np.ogrid[: self.shape[0], : self.shape[1], : self.shape[2]]
        points = np.empty((3, *self.shape), dtype=np.float32)
        for axis, (a, b, c, start) in zip(points, self.affine[:3], strict=True):
            axis[:] = a * i + (b * j + (c * k + start))
        return points.reshape(3, -1)


def straight_grid(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], tilt: float = 0.0
) -> Grid:
    """Give a grid with its middle at 0 whose axes run right, front and up.

    ``tilt`` degrees lift the front of every slice while the slices are still stacked upwards, as a
    tilted gantry does: the affine is sheared.
    """
    affine = np.diag([*spacing, 1.0])
    if tilt:
        angle = np.radians(tilt)
        affine[1:3, 1] = spacing[1] * np.cos(angle), spacing[1] * np.sin(angle)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(shape, affine)


def rotation(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation matrix (3, 3) about x, then y, then z."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x, dtype=np.float64)


def ellipsoid(
    points: Floats, center: tuple[float, float, float], axes: tuple[float, float, float]
) -> Floats:
    """Signed distance in mm to an ellipsoid, negative inside: first order, exact on the surface.

    ``points`` has shape (3, n); the result (n,).
    """
    radius: Floats = np.zeros(points.shape[1], dtype=np.float32)
    gradient: Floats = np.zeros(points.shape[1], dtype=np.float32)
    for row, middle, axis in zip(points, center, axes, strict=True):
        square = (row - np.float32(middle)) * np.float32(1 / axis)
        square *= square
        radius += square
        square *= np.float32(1 / axis**2)
        gradient += square
    np.sqrt(radius, out=radius)
    np.sqrt(gradient, out=gradient)
    distance: Floats = radius * (radius - 1)
    distance /= np.maximum(gradient, np.float32(1e-6))
    return distance


def project(matrix: NDArray[np.floating], points: Floats) -> Floats:
    """Multiply a matrix (k, 3) with points (3, n), giving (k, n).

    Written out, for a BLAS product may round otherwise with another number of threads, and files
    are to be the same bytes for every ``n_jobs``.
    """
    a, b, c = matrix.astype(np.float32).T[:, :, None]
    product: Floats = a * points[0] + b * points[1] + c * points[2]
    return product


class Waves(NamedTuple):
    """Four plane waves, whose sum makes an outline bumpy."""

    vectors: Floats
    phases: Floats


def draw_waves(rng: np.random.Generator, length: float = 60.0) -> Waves:
    """Draw waves of a typical length in mm."""
    vectors = (rng.standard_normal((4, 3)) * (3.75 / length)).astype(np.float32)
    return Waves(vectors, rng.uniform(0, 2 * np.pi, 4).astype(np.float32))


def lump(
    points: Floats,
    center: tuple[float, float, float],
    stretch: tuple[float, float, float],
    waves: Waves,
) -> Floats:
    """Distance (n,) in mm from a centre, stretched along the axes and bumpy: its levels are lumps.

    Where the stretch is 1 and the waves cancel it is the plain distance.
    """
    scaled = points - np.array(center, dtype=np.float32)[:, None]
    scaled /= np.array(stretch, dtype=np.float32)[:, None]
    scaled *= scaled
    radius = np.sqrt(scaled.sum(axis=0))
    radius *= 1 + np.float32(0.09) * bumps(points, waves)
    return np.asarray(radius, dtype=np.float32)


def bumps(points: Floats, waves: Waves) -> Floats:
    """Sum (n,) of the waves at ``points`` (3, n), -4 to 4."""
    total = np.sin(project(waves.vectors, points) + waves.phases[:, None]).sum(axis=0)
    return np.asarray(total, dtype=np.float32)


def level_around(level: Floats, weight: Floats, amount: float) -> float:
    """Give the level (n,) below which the weights (n,) sum to ``amount``, or the highest."""
    low, high = float(level.min()), float(level.max())
    if not amount < weight.sum(dtype=np.float64) or not high > low:
        return high
    bins = 2048
    step = (high - low) / bins
    place = np.minimum(((level - np.float32(low)) / np.float32(step)).astype(np.intp), bins - 1)
    enclosed = np.concatenate(([0.0], np.cumsum(np.bincount(place, weight, bins))))
    return low + step * float(np.interp(amount, enclosed, np.arange(bins + 1)))


def cover(distance: Floats, width: float) -> Floats:
    """Share of a voxel of ``width`` mm that lies inside a surface at a signed distance in mm."""
    share: Floats = np.clip(np.float32(0.5) - distance / np.float32(width), 0, 1)
    return share


def sheet(distance: Floats, half: Floats | float, width: float) -> Floats:
    """Share of a voxel of ``width`` mm filled by a sheet of half-thickness ``half`` mm."""
    upper = np.minimum(distance + np.float32(width / 2), half)
    lower = np.maximum(distance - np.float32(width / 2), -half)
    share: Floats = np.clip((upper - lower) / np.float32(width), 0, 1)
    return share


def blend(base: Floats, value: Floats | float, share: Floats) -> Floats:
    """Mix ``value`` into ``base`` by its share of each voxel."""
    mixed: Floats = base + share * (np.float32(value) - base)
    return mixed
