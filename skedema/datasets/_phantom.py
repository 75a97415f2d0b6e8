"""A head on a voxel grid, built analytically: what a head CT of a patient looks like.

Coordinates are mm in RAS with 0 at the middle of the cranial cavity. Surfaces are signed distances,
and a voxel takes from each tissue the share that lies in it, so that thin walls, sulci and the
third ventricle fade with the voxel size as they do in a scan. Values in HU: cortex 37, white
matter 29, cerebrospinal fluid 8, bone 1000, air -1000, each the usual textbook figure. Ventricles
and sulci widen with age.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from skedema.datasets._edema import Edema, displacement, effacement, water_uptake
from skedema.datasets._grid import (
    Floats,
    blend,
    cover,
    ellipsoid,
    grid_axes,
    project,
    rotation,
    sheet,
)

AIR, SCALP, MUSCLE, BONE = -1000.0, 10.0, 45.0, 1000.0
FAT = -60.0
GREY, WHITE, FLUID, FALX = 37.0, 29.0, 8.0, 50.0
_CAVITY_OFFSET = 15.0
"""Height of the cavity's middle over the grid's middle in mm: the face needs room below."""
_FACE_TOP = 5.0
"""Nothing of face and neck reaches higher, in mm."""


class Head(NamedTuple):
    """One patient's anatomy and the scanner that sees it; lengths in mm, values in HU."""

    cavity: tuple[float, float, float]
    bone: float
    scalp: float
    rim: float
    sulcus_half: float
    sulcus_depth: float
    sulcus_waves: Floats
    sulcus_phases: Floats
    ventricles: tuple[float, float]
    leukoaraiosis: float
    lacunes: tuple[tuple[float, float, float, float], ...]
    turn: NDArray[np.float64]
    shift: Floats
    offset: float
    noise: float


def draw_head(age: float, sex: str, rng: np.random.Generator) -> Head:
    """Draw a patient's anatomy; it depends on age (years) and sex, never on the label."""
    atrophy = float(np.clip((age - 18) / 70 + rng.normal(0, 0.12), 0, 1.3))
    size = (1.02 if sex == "male" else 0.98) * rng.normal(1, 0.02)
    cavity = size * rng.normal((66, 83, 66), (1.5, 2.0, 1.5))
    directions = rng.standard_normal((7, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    waves = directions * 2 * np.pi / rng.uniform(21, 29, (7, 1))
    swollen = (0.75 + 0.6 * atrophy) * np.exp(rng.normal(0, 0.12))
    uneven = np.exp(rng.normal(0, 0.06))
    lacunes = tuple(
        (
            float(rng.choice((-1, 1)) * rng.uniform(12, 30)),
            float(rng.uniform(-35, 35)),
            float(rng.uniform(0, 30)),
            float(rng.uniform(2.5, 5)),
        )
        for _ in range(rng.poisson(0.8 * atrophy))
    )
    return Head(
        cavity=(float(cavity[0]), float(cavity[1]), float(cavity[2])),
        bone=float(rng.uniform(5, 7)),
        scalp=float(rng.uniform(4, 7)),
        rim=1.8 + 1.2 * atrophy,
        sulcus_half=0.8 + 0.7 * atrophy,
        sulcus_depth=float(rng.uniform(13, 18)),
        sulcus_waves=waves.astype(np.float32),
        sulcus_phases=rng.uniform(0, 2 * np.pi, 7).astype(np.float32),
        ventricles=(swollen * uneven, swollen / uneven),
        leukoaraiosis=float(np.clip(0.12 * (atrophy - 0.5) + rng.normal(0, 0.03), 0, 0.2)),
        lacunes=lacunes,
        turn=rotation(rng.normal(0, (3, 2, 2.5))),
        shift=rng.normal(0, 2.5, 3).astype(np.float32),
        offset=float(rng.normal(0, 1.5)),
        noise=float(rng.uniform(2.5, 4)),
    )


def render_head(
    head: Head,
    edema: Edema | None,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    rng: np.random.Generator,
) -> NDArray[np.int16]:
    """Scan a head: HU as int16 of the given shape, at least -1024. ``rng`` draws the noise."""
    clean = render_anatomy(head, edema, shape, spacing)
    blur = [max(0.35, 1.1 / step) for step in spacing]
    seen = gaussian_filter(clean, blur, truncate=3, mode="nearest")
    seen += np.float32(head.noise) * rng.standard_normal(shape, dtype=np.float32)
    seen += np.float32(head.offset)
    stored: NDArray[np.int16] = np.clip(np.rint(seen), -1024, 3071).astype(np.int16)
    return stored


def render_anatomy(
    head: Head,
    edema: Edema | None,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
) -> Floats:
    """HU before blur, noise and offset, float32 of the given shape."""
    voxel = float(np.prod(spacing)) ** (1 / 3)
    mesh = np.meshgrid(*grid_axes(shape, spacing), indexing="ij")
    world = np.stack([axis.ravel() for axis in mesh])
    middle = head.shift + np.array([0, 0, _CAVITY_OFFSET], dtype=np.float32)
    points = project(head.turn.T, world - middle[:, None])
    # A skull is broader behind than in front.
    points[0] /= 1 - np.float32(0.09) * np.clip(points[1] / head.cavity[1], -1, 1)

    inner = _inner_table(head, points)
    hu = _outer_head(head, points, inner, voxel)
    inside = np.flatnonzero(inner < voxel / 2)
    brain = _brain(head, edema, points[:, inside], inner[inside], voxel, float(np.prod(spacing)))
    hu[inside] = hu[inside] + cover(inner[inside], voxel) * (brain - hu[inside])
    return hu.reshape(shape)


def _inner_table(head: Head, points: Floats) -> Floats:
    """Signed distance to the inside of the skull: an ellipsoid on a floor with a step in it."""
    floor = -44 + 13 * np.tanh((points[1] - 2) / 14)
    inner: Floats = np.maximum(ellipsoid(points, (0, 0, 0), head.cavity), floor - points[2])
    return inner


def _outer_head(head: Head, points: Floats, inner: Floats, voxel: float) -> Floats:
    """HU of scalp, skull and face, with bone in place of the brain; (n,)."""
    scalp = inner - np.float32(head.bone + head.scalp)
    hu = np.full(points.shape[1], AIR, dtype=np.float32)
    hu = blend(hu, SCALP, cover(scalp, voxel))
    hu = blend(hu, MUSCLE, cover(scalp + 3, voxel))
    low = np.flatnonzero((points[2] < _FACE_TOP + voxel) & (inner > -voxel))
    hu[low] = _face(points[:, low], scalp[low], voxel)
    # Last, so that no opening reaches the brain.
    return blend(hu, BONE, cover(inner - np.float32(head.bone), voxel))


def _face(points: Floats, scalp: Floats, voxel: float) -> Floats:
    """HU under the skull at points (3, n) with their distance to the scalp (n,)."""
    face = ellipsoid(points, (0, 22, -62), (58, 66, 66))
    neck = ellipsoid(points, (0, -30, -90), (55, 52, 70))
    hu = np.full(points.shape[1], AIR, dtype=np.float32)
    hu = blend(hu, SCALP, cover(np.minimum(scalp, np.minimum(face, neck)), voxel))
    muscle = np.minimum(face + 6, np.minimum(neck + 5, scalp + 3))
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


def _brain(
    head: Head, edema: Edema | None, points: Floats, inner: Floats, voxel: float, voxel_mm3: float
) -> Floats:
    """HU of what the skull encloses, at points (3, n) with their distance to the skull (n,)."""
    radius = (points / np.array(head.cavity, dtype=np.float32)[:, None]) ** 2
    taper = np.clip(1 - radius.sum(axis=0), 0, 1)
    still = points
    lost: Floats = np.zeros(points.shape[1], dtype=np.float32)
    if edema is not None:
        still = points.copy()
        still[0] -= displacement(edema, points, taper)
        lost = effacement(edema, points)

    spaces, cortex, depth = _surface(head, still, -inner, lost, voxel)
    ventricles, near_ventricle = _ventricles(head, still, lost, edema.side if edema else 1, voxel)
    deep = _deep_grey(still, voxel)
    white = WHITE * (1 - np.float32(head.leukoaraiosis) * np.exp(-near_ventricle / 7))
    tissue = white + np.maximum(cortex, deep) * (GREY - white)
    tissue = _below_tentorium(still, tissue, depth, voxel)
    for x, y, z, size in head.lacunes:
        hole = cover(ellipsoid(still, (x, y, z), (size, size, size)), voxel)
        tissue = blend(tissue, 14.0, hole * cover(np.float32(4) - depth, voxel))
    fluid = 1 - (1 - spaces) * (1 - ventricles)
    if edema is not None:
        wet = water_uptake(edema, points, (1 - fluid) * cover(inner, voxel), voxel_mm3 / 1000)
        tissue = tissue * (1 - wet)
    hu = blend(tissue, FLUID, fluid)
    falx = sheet(still[0], 0.9, voxel) * cover(depth - 30, 6) * cover(-10 - still[2], 6)
    return blend(hu, FALX, falx)


def _surface(
    head: Head, points: Floats, depth: Floats, lost: Floats, voxel: float
) -> tuple[Floats, Floats, Floats]:
    """Shares of outer fluid and of cortex, and the depth under the skull in mm; (n,) each.

    Sulci are the zero lines of a random wave field on the brain's surface, carried inwards along
    the radius, so that they run as folds of a typical width apart.
    """
    axes = np.array(head.cavity, dtype=np.float32)[:, None]
    radius = np.sqrt(((points / axes) ** 2).sum(axis=0))
    shadow = points / np.maximum(radius, np.float32(0.05))
    field = np.sin(project(head.sulcus_waves, shadow) + head.sulcus_phases[:, None]).sum(axis=0)
    steepness = np.linalg.norm(head.sulcus_waves) / np.sqrt(6)
    across = np.abs(field) / np.float32(steepness)
    below = np.maximum(depth - np.float32(head.sulcus_depth), 0)
    fold = np.hypot(across, below)
    cleft = np.hypot(points[0], np.maximum(depth - 34, 0)) + 40 * cover(points[2] + 12, 10)
    lateral = np.abs(points[0])
    sylvian = np.hypot(
        points[2] + 6 + 0.3 * points[1], np.maximum(34 - lateral, 0) + 40 * cover(18 - lateral, 4)
    )
    sylvian = np.hypot(sylvian, np.maximum(np.abs(points[1] - 10) - 26, 0))

    kept = 1 - lost
    rim = np.float32(head.rim) * kept
    half = np.float32(head.sulcus_half) * kept
    outer = cover(depth - rim, voxel)
    fluid = 1 - (1 - outer) * (1 - sheet(fold, half, voxel))
    fluid = 1 - (1 - fluid) * (1 - sheet(cleft, np.float32(0.8) * half, voxel))
    fluid = 1 - (1 - fluid) * (1 - sheet(sylvian, np.float32(1.6) * half, voxel))
    nearest = np.minimum(np.minimum(fold - half, depth - rim), np.minimum(cleft, sylvian - half))
    cortex = cover(nearest - np.float32(4.0), max(voxel, 2.0))
    return fluid, cortex, depth


def _ventricles(
    head: Head, points: Floats, lost: Floats, lesion_side: int, voxel: float
) -> tuple[Floats, Floats]:
    """Share of ventricular fluid, and the distance in mm to the lateral ventricles; (n,) each."""
    share: Floats = np.zeros(points.shape[1], dtype=np.float32)
    nearest = np.full(points.shape[1], 99, dtype=np.float32)
    x, y, z = points
    for side, size in zip((-1, 1), head.ventricles, strict=True):
        pressed = 1 - np.float32(0.75) * lost if side == lesion_side else np.ones_like(lost)
        bend = np.where(y < 5, 0.0095 * (y - 5) ** 2, 0.006 * (y - 5) ** 2)
        centered = np.stack([side * x - 8 - bend, y + 2, z - 15 + 0.006 * (y + 2) ** 2])
        body = ellipsoid(centered, (0, 0, 0), (5.2 * size, 38.0, 7.5 * size))
        body += (1 - pressed) * np.float32(7)
        horn = ellipsoid(points, (side * 31, -12, -20), (2.4 * size, 17, 3.4 * size))
        distance = np.minimum(body, horn)
        share = np.maximum(share, cover(distance, voxel))
        nearest = np.minimum(nearest, np.maximum(distance, 0))
    third = float(np.mean(head.ventricles))
    slit = sheet(x, 1.6 * third, voxel) * cover(ellipsoid(points, (0, -4, 0), (30, 13, 9)), voxel)
    fourth = cover(ellipsoid(points, (0, -36, -34), (6, 5, 8)), voxel)
    return np.maximum(share, np.maximum(slit, fourth)), nearest


def _deep_grey(points: Floats, voxel: float) -> Floats:
    """Share of thalamus, lentiform nucleus and head of the caudate, (n,)."""
    share: Floats = np.zeros(points.shape[1], dtype=np.float32)
    for side in (-1, 1):
        for center, axes in (
            ((side * 10, -14, 3), (7.5, 13, 8)),
            ((side * 25, 4, 2), (6.5, 16, 9)),
            ((side * 15, 21, 8), (5, 8, 9)),
        ):
            share = np.maximum(share, cover(ellipsoid(points, center, axes), voxel))
    return share


def _below_tentorium(points: Floats, tissue: Floats, depth: Floats, voxel: float) -> Floats:
    """Replace the tissue under the tentorium by cerebellum and brain stem."""
    roof = points[2] + 20 - 0.12 * np.abs(points[0])
    behind = cover(points[1] + 14, 6) * cover(roof, voxel)
    leaves = np.abs(np.sin(points[2] * np.float32(np.pi / 7) + np.abs(points[0]) / 25))
    cerebellum = 36 - 5 * cover(5 - depth, 4) * (1 - leaves)
    tissue = tissue + behind * (cerebellum - tissue)
    stem = cover(ellipsoid(points, (0, -17, -38), (14, 12, 26)), voxel)
    moat = cover(ellipsoid(points, (0, -17, -38), (16, 14, 28)), voxel) * cover(
        points[2] + 14, voxel
    )
    tissue = blend(tissue, FLUID + 8, moat)
    return blend(tissue, 31.0, stem * cover(points[2] + 8, voxel))
