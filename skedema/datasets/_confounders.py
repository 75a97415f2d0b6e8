"""What looks like edema on a scan and is not; drawn from the age, never from the label.

Old infarcts and lacunes are holes filled with fluid, without mass effect: the ventricle beside an
old infarct is wider instead. Silent infarcts, mostly lacunes, are found in 8 to 28 % of the elderly
(Vermeer et al., Lancet Neurol 2007, 6:611-619); here 2 to 15 % have a large old one and old age
brings 0.8 lacunes on average. Leukoaraiosis darkens the white matter around the ventricles, beam
hardening the space between the petrous bones and the middle of the head. Sizes are chosen.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit

from skedema.datasets._grid import Floats, Waves, cover, draw_waves, ellipsoid, lump

Place = tuple[float, float, float]


class OldInfarct(NamedTuple):
    """A hole in the brain; lengths in mm. ``side`` is +1 on the patient's right, -1 on the left."""

    side: int
    center: Place
    stretch: Place
    radius: float
    widening: float
    waves: Waves


class Confounders(NamedTuple):
    """All of one patient.

    ``lacunes`` holds places and radii in mm, ``leukoaraiosis`` the share of the HU that white
    matter beside the ventricles has lost, ``band`` and ``cupping`` HU.
    """

    old_infarct: OldInfarct | None
    lacunes: tuple[tuple[Place, float], ...]
    leukoaraiosis: float
    band: float
    cupping: float


NO_CONFOUNDERS = Confounders(None, (), 0.0, 0.0, 0.0)


def draw_confounders(age: float, rng: np.random.Generator) -> Confounders:
    """Draw what a patient of an age in years has besides edema."""
    old = float(np.clip((age - 18) / 70, 0, 1.1))
    has_old_infarct = rng.random() < 0.02 + 0.13 * expit((age - 70) / 7)
    old_infarct = _draw_old_infarct(rng)
    lacunes = tuple(
        (
            (
                float(rng.choice((-1, 1)) * rng.uniform(12, 30)),
                float(rng.uniform(-35, 35)),
                float(rng.uniform(0, 30)),
            ),
            float(rng.uniform(2.5, 5)),
        )
        for _ in range(rng.poisson(0.8 * old))
    )
    return Confounders(
        old_infarct=old_infarct if has_old_infarct else None,
        lacunes=lacunes,
        leukoaraiosis=float(np.clip(0.12 * (old - 0.5) + rng.normal(0, 0.03), 0, 0.2)),
        band=float(min(abs(rng.normal(0, 5)), 14)),
        cupping=float(rng.uniform(0, 2)),
    )


def holes(confounders: Confounders, points: Floats, depth: Floats, voxel: float) -> Floats:
    """Share (n,) of old infarcts and lacunes at ``points`` (3, n) so deep in mm under the skull."""
    share: Floats = np.zeros(points.shape[1], dtype=np.float32)
    for place, radius in confounders.lacunes:
        hole = cover(ellipsoid(points, place, (radius, radius, radius)), voxel)
        share = np.maximum(share, hole * cover(np.float32(4) - depth, voxel))
    old = confounders.old_infarct
    if old is not None:
        distance = lump(points, old.center, old.stretch, old.waves) - np.float32(old.radius)
        own_side = cover(np.float32(4) - old.side * points[0], voxel)
        share = np.maximum(share, 0.95 * cover(distance, max(voxel, 4.0)) * own_side)
    return share


def widening(confounders: Confounders, side: int) -> float:
    """How much wider the lateral ventricle of a side is for the tissue lost beside it."""
    old = confounders.old_infarct
    return old.widening if old is not None and old.side == side else 1.0


def hardening(confounders: Confounders, points: Floats, taper: Floats) -> Floats:
    """HU (n,) that beam hardening takes away at ``points`` (3, n).

    ``taper`` (n,) is 1 in the middle of the head and 0 at the skull.
    """
    x, y, z = points
    low = np.exp(-(((y + 18) / 9) ** 2) - ((z + 48) / 7) ** 2) * cover(np.abs(x) - 34, 10)
    taken: Floats = np.float32(confounders.band) * low + np.float32(confounders.cupping) * taper
    return taken


def _draw_old_infarct(rng: np.random.Generator) -> OldInfarct:
    side = 1 if rng.random() < 0.5 else -1
    x, y, z = rng.uniform((38, -50, 0), (54, 35, 40))
    return OldInfarct(
        side=side,
        center=(side * float(x), float(y), float(z)),
        stretch=(1.0, float(rng.uniform(0.9, 1.4)), float(rng.uniform(0.8, 1.2))),
        radius=float(rng.uniform(9, 18)),
        widening=float(rng.uniform(1.15, 1.4)),
        waves=draw_waves(rng),
    )
