"""A head built analytically: the HU of a patient's head at points in it, without a scanner.

Coordinates are mm in the head's own axes (right, front, up) with 0 at the middle of the cranial
cavity. Surfaces are signed distances, and a voxel takes from each tissue the share that lies in
it, so that thin walls, sulci and the third ventricle fade with the voxel size as they do in a
scan. Values in HU: cortex and deep grey matter 37, white matter 29, cerebrospinal fluid 8, bone
1000, air -1000, each the usual textbook figure; grey and white have the ratio 1.28 (see
:mod:`skedema.datasets._edema`). Ventricles and sulci widen with age.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skedema.datasets._confounders import Confounders, hardening, holes, widening
from skedema.datasets._grid import (
    Floats,
    blend,
    cover,
    ellipsoid,
    project,
    sheet,
)
from skedema.datasets._lesions import Lesion, displacement, effacement, soak
from skedema.datasets._skull import inner_table, outer_head

GREY, WHITE, FLUID, FALX = 37.0, 29.0, 8.0, 50.0
_HOLE = 12.0
"""HU of old infarcts and lacunes."""


class Head(NamedTuple):
    """One patient's anatomy; lengths in mm.

    ``ventricles`` are sizes of the left and the right one, ``petalia`` is the share by which the
    right front and the left back of the head are wider than their counterparts.
    """

    cavity: tuple[float, float, float]
    petalia: float
    bone: float
    scalp: float
    rim: float
    sulcus_half: float
    sulcus_depth: float
    sulcus_waves: Floats
    sulcus_phases: Floats
    ventricles: tuple[float, float]


def draw_head(age: float, sex: str, rng: np.random.Generator) -> Head:
    """Draw a patient's anatomy; it depends on age (years) and sex, never on the label."""
    atrophy = float(np.clip((age - 18) / 70 + rng.normal(0, 0.12), 0, 1.3))
    size = (1.02 if sex == "male" else 0.98) * rng.normal(1, 0.02)
    cavity = size * rng.normal((66, 83, 66), (1.5, 2.0, 1.5))
    # From long and narrow to short and broad.
    broad = np.exp(np.clip(rng.normal(0, 0.025), -0.06, 0.06))
    directions = rng.standard_normal((7, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    waves = directions * 2 * np.pi / rng.uniform(21, 29, (7, 1))
    swollen = (0.75 + 0.6 * atrophy) * np.exp(rng.normal(0, 0.12))
    uneven = np.exp(rng.normal(0, 0.06))
    return Head(
        cavity=(float(cavity[0] * broad), float(cavity[1] / broad), float(cavity[2])),
        petalia=float(rng.normal(0, 0.02)),
        bone=float(rng.uniform(5, 7)),
        scalp=float(rng.uniform(4, 7)),
        rim=1.8 + 1.2 * atrophy,
        sulcus_half=0.8 + 0.7 * atrophy,
        sulcus_depth=float(rng.uniform(13, 18)),
        sulcus_waves=waves.astype(np.float32),
        sulcus_phases=rng.uniform(0, 2 * np.pi, 7).astype(np.float32),
        ventricles=(swollen * uneven, swollen / uneven),
    )


def render_head(
    head: Head,
    lesion: Lesion | None,
    confounders: Confounders,
    points: Floats,
    voxel_mm3: float,
) -> Floats:
    """HU (n,) at points (3, n) that are the centres of all voxels of a grid."""
    voxel = voxel_mm3 ** (1 / 3)
    points = _rounded(head, points)
    inner = inner_table(head.cavity, points)
    hu = outer_head(points, inner, head.bone, head.scalp, voxel)
    inside = np.flatnonzero(inner < voxel / 2)
    within = inner[inside]
    brain = _brain(head, lesion, confounders, points[:, inside], within, voxel, voxel_mm3 / 1000)
    hu[inside] += cover(within, voxel) * (brain - hu[inside])
    return hu


def in_cavity(head: Head, points: Floats) -> Floats:
    """Signed distance (n,) to the cranial cavity, negative inside; first order."""
    return inner_table(head.cavity, _rounded(head, points))


def _rounded(head: Head, points: Floats) -> Floats:
    """Bring points into coordinates in which the skull is an ellipsoid.

    A skull is broader behind than in front, and its quarters are not quite alike.
    """
    front = np.clip(points[1] / np.float32(head.cavity[1]), -1, 1)
    right = np.clip(points[0] / np.float32(head.cavity[0]), -1, 1)
    width = 1 - front * (np.float32(0.09) - np.float32(head.petalia) * right)
    return np.stack([points[0] / width, points[1], points[2]])


def _brain(
    head: Head,
    lesion: Lesion | None,
    confounders: Confounders,
    points: Floats,
    inner: Floats,
    voxel: float,
    voxel_ml: float,
) -> Floats:
    """HU of what the skull encloses, at points (3, n) with their distance to the skull (n,)."""
    radius = (points / np.array(head.cavity, dtype=np.float32)[:, None]) ** 2
    taper = np.clip(1 - radius.sum(axis=0), 0, 1)
    still = points
    lost: Floats = np.zeros(points.shape[1], dtype=np.float32)
    contrast = 1.0
    if lesion is not None:
        still = points.copy()
        still[0] -= displacement(lesion, points, taper)
        lost = effacement(lesion, points)
        contrast -= lesion.finding.contrast_loss

    spaces, cortex, depth = _surface(head, still, -inner, lost, voxel)
    ventricles, near_ventricle = _ventricles(head, confounders, still, lost, voxel)
    deep = _deep_grey(still, voxel)
    pale = np.float32(confounders.leukoaraiosis) * np.exp(-near_ventricle / 7)
    white = WHITE * (1 - pale)
    grey = WHITE + np.float32(contrast) * (GREY - WHITE)
    tissue = white + np.maximum(cortex, deep) * (grey - white)
    tissue = _below_tentorium(still, tissue, depth, lost, voxel)
    hole = holes(confounders, still, depth, voxel)
    tissue = blend(tissue, _HOLE, hole)
    fluid = 1 - (1 - spaces) * (1 - ventricles)
    if lesion is None:
        hu = blend(tissue, FLUID, fluid)
    else:
        swelling = (1 - fluid) * (1 - hole) * cover(inner, voxel)
        wet, blood = soak(lesion, points, still, swelling, voxel, voxel_ml)
        hu = blend(blend(tissue * (1 - wet), FLUID, fluid), lesion.blood_hu, blood)
    falx = sheet(still[0], 0.9, voxel) * cover(depth - 30, 6) * cover(-10 - still[2], 6)
    hu = blend(hu, FALX, falx)
    return hu - hardening(confounders, points, taper)


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
    along = points[1] - 6
    insula = np.abs(lateral - 40 + 0.015 * along**2) + np.maximum(np.abs(along) - 14, 0)
    insula += np.maximum(np.abs(points[2] - 3) - 10, 0)
    sylvian = np.minimum(sylvian, insula)

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
    head: Head, confounders: Confounders, points: Floats, lost: Floats, voxel: float
) -> tuple[Floats, Floats]:
    """Share of ventricular fluid, and the distance in mm to the lateral ventricles; (n,) each."""
    share: Floats = np.zeros(points.shape[1], dtype=np.float32)
    nearest = np.full(points.shape[1], 99, dtype=np.float32)
    x, y, z = points
    pressed = np.float32(5.25) * lost
    bend = np.where(y < 5, 0.0095 * (y - 5) ** 2, 0.006 * (y - 5) ** 2)
    arch = z - 15 + 0.006 * (y + 2) ** 2
    for side, usual in zip((-1, 1), head.ventricles, strict=True):
        size = usual * widening(confounders, side)
        centered = np.stack([side * x - 8 - bend, y + 2, arch])
        body = ellipsoid(centered, (0, 0, 0), (5.2 * size, 38.0, 7.5 * size)) + pressed
        horn = ellipsoid(points, (side * 31, -12, -20), (2.4 * size, 17, 3.4 * size)) + pressed / 2
        distance = np.minimum(body, horn)
        share = np.maximum(share, cover(distance, voxel))
        nearest = np.minimum(nearest, np.maximum(distance, 0))
    third = np.float32(1.6 * np.mean(head.ventricles)) * (1 - np.float32(0.8) * lost)
    slit = sheet(x, third, voxel) * cover(ellipsoid(points, (0, -4, 0), (30, 13, 9)), voxel)
    fourth = cover(ellipsoid(points, (0, -36, -34), (6, 5, 8)), voxel)
    suprasellar = cover(ellipsoid(points, (0, 8, -22), (13, 9, 7)) + 2 * pressed, voxel)
    middle = np.maximum(np.maximum(slit, fourth), 0.8 * suprasellar)
    return np.maximum(share, middle), nearest


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


def _below_tentorium(
    points: Floats, tissue: Floats, depth: Floats, lost: Floats, voxel: float
) -> Floats:
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
    tissue = blend(tissue, FLUID + 8, moat * (1 - lost))
    return blend(tissue, 31.0, stem * cover(points[2] + 8, voxel))
