"""The head around the brain: skull, scalp, face and neck, as signed distances and HU.

Points are mm in the head's own coordinates, (3, n), with 0 at the middle of the cranial cavity.
"""

from __future__ import annotations

import numpy as np

from skedema.datasets._grid import Floats, blend, cover, ellipsoid

AIR, SCALP, MUSCLE, BONE = -1000.0, 10.0, 45.0, 1000.0
FAT = -60.0
_FACE_TOP = 5.0
"""Nothing of face and neck reaches higher, in mm."""


def inner_table(cavity: tuple[float, float, float], points: Floats) -> Floats:
    """Signed distance to the inside of the skull: an ellipsoid on a floor with a step in it."""
    floor = -44 + 13 * np.tanh((points[1] - 2) / 14)
    inner: Floats = np.maximum(ellipsoid(points, (0, 0, 0), cavity), floor - points[2])
    return inner


def outer_head(points: Floats, inner: Floats, bone: float, scalp: float, voxel: float) -> Floats:
    """HU of scalp, skull and face, with bone in place of the brain; (n,).

    ``inner`` is the distance to the skull's inside, ``bone`` and ``scalp`` are thicknesses.
    """
    skin = inner - np.float32(bone + scalp)
    hu = np.full(points.shape[1], AIR, dtype=np.float32)
    near = np.flatnonzero(skin < voxel)
    shell = blend(hu[near], SCALP, cover(skin[near], voxel))
    hu[near] = blend(shell, MUSCLE, cover(skin[near] + 3, voxel))
    low = np.flatnonzero((points[2] < _FACE_TOP + voxel) & (inner > -voxel))
    hu[low] = _face(points[:, low], skin[low], voxel)
    # Last, so that no opening reaches the brain.
    hu[near] = blend(hu[near], BONE, cover(inner[near] - np.float32(bone), voxel))
    return hu


def _face(points: Floats, skin: Floats, voxel: float) -> Floats:
    """HU under the skull at points (3, n) with their distance to the scalp (n,)."""
    face = ellipsoid(points, (0, 22, -62), (58, 66, 66))
    neck = ellipsoid(points, (0, -30, -90), (55, 52, 70))
    hu = np.full(points.shape[1], AIR, dtype=np.float32)
    hu = blend(hu, SCALP, cover(np.minimum(skin, np.minimum(face, neck)), voxel))
    muscle = np.minimum(face + 6, np.minimum(neck + 5, skin + 3))
    hu = blend(hu, MUSCLE, cover(muscle, voxel))
    hu = blend(hu, BONE, cover(ellipsoid(points, (0, -14, -95), (20, 18, 48)), voxel))
    for side in (-1, 1):
        orbit = ellipsoid(points, (side * 32, 58, -48), (17, 22, 15))
        hu = blend(hu, BONE, 0.6 * cover(orbit - 3, voxel))
        hu = blend(hu, FAT, cover(orbit, voxel))
        hu = blend(hu, 12.0, cover(ellipsoid(points, (side * 32, 68, -48), (12, 12, 12)), voxel))
        hu = blend(hu, BONE, cover(ellipsoid(points, (side * 40, -18, -58), (13, 17, 13)), voxel))
        hu = blend(hu, -700.0, cover(ellipsoid(points, (side * 42, -18, -60), (7, 9, 8)), voxel))
        hu = blend(hu, AIR, cover(ellipsoid(points, (side * 26, 55, -80), (13, 15, 14)), voxel))
    return blend(hu, AIR, cover(ellipsoid(points, (0, 62, -62), (9, 20, 24)), voxel))
