"""Small geometry on voxel grids: points in mm, signed distances, partial volume."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def grid_axes(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> list[Floats]:
    """Voxel centres along each axis in mm, with 0 in the middle of the grid."""
    return [
        ((np.arange(n) - (n - 1) / 2) * step).astype(np.float32)
        for n, step in zip(shape, spacing, strict=True)
    ]


def grid_affine(
    shape: tuple[int, int, int], spacing: tuple[float, float, float]
) -> NDArray[np.float64]:
    """Give the RAS affine (4, 4) that belongs to :func:`grid_axes`."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = [-(n - 1) / 2 * step for n, step in zip(shape, spacing, strict=True)]
    return affine


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
