"""A finding at a place in a head: where tissue swells, where blood lies, what is pushed away.

Points are mm in the head's own coordinates, (3, n); results are (n,).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skedema.datasets._edema import (
    MEDIAN_BLOOD,
    Finding,
    finding_from_severity,
    with_blood,
)
from skedema.datasets._grid import (
    Floats,
    Waves,
    bumps,
    cover,
    draw_waves,
    level_around,
    lump,
    project,
)
from skedema.datasets._subject import Pattern

_BORDER = 7.0
"""Width in mm of an infarct's border, over which the water uptake fades; chosen."""
_RIM_BORDER = 3.0
"""The same of the rim around a haemorrhage."""
_DEEP = ((24.0, 3.0, 3.0), (15.0, -14.0, 5.0))
_LOBAR = ((27.0, 38.0, 16.0), (40.0, -18.0, -8.0), (30.0, -32.0, 36.0), (24.0, -54.0, 14.0))


class Lesion(NamedTuple):
    """A finding at a place. ``side`` is +1 on the patient's right, -1 on the left.

    ``toward`` is the direction in which an infarct opens to the surface as a wedge; lumps have
    none. ``blood_hu`` is the density of the blood.
    """

    pattern: Pattern
    finding: Finding
    side: int
    center: tuple[float, float, float]
    stretch: tuple[float, float, float]
    toward: tuple[float, float, float] | None
    waves: Waves
    blood_hu: float


class Soaked(NamedTuple):
    """What a lesion does to the tissue at points: net water uptake and share of blood."""

    uptake: Floats
    blood: Floats


def place_lesion(pattern: Pattern, severity: float, rng: np.random.Generator) -> Lesion | None:
    """Draw side, place, outline and blood; nothing of it depends on the severity."""
    if pattern == "none":
        return None
    finding = finding_from_severity(pattern, severity)
    side = 1 if rng.random() < 0.5 else -1
    waves = draw_waves(rng, length=35.0 if pattern == "haemorrhage" else 60.0)
    x, y, z = rng.normal((38, -2, 14), (3, 8, 5))
    stretch = (0.8, float(rng.uniform(1.2, 1.5)), float(rng.uniform(0.9, 1.2)))
    toward = None
    blood_hu = 0.0
    if pattern == "infarct" and rng.random() < 0.5:
        x, y, z = rng.normal((20, 2, 6), (3, 8, 4))
        ahead, up = rng.normal((-0.1, 0.25), (0.35, 0.2))
        length = float(np.sqrt(1 + ahead**2 + up**2))
        toward = (side / length, float(ahead) / length, float(up) / length)
    if pattern == "haemorrhage":
        # The share of deep ones is chosen; acute blood has 50 to 70 HU in textbooks.
        places = _DEEP if rng.random() < 0.6 else _LOBAR
        x, y, z = rng.normal(places[rng.integers(len(places))], 3)
        stretch = (0.9, float(rng.uniform(1.1, 1.5)), float(rng.uniform(0.9, 1.2)))
        blood = MEDIAN_BLOOD * np.exp(0.5 * rng.standard_normal())
        finding = with_blood(finding, float(np.clip(blood, 6, 70)))
        blood_hu = float(rng.uniform(54, 68))
    center = (side * float(x), float(y), float(z))
    return Lesion(pattern, finding, side, center, stretch, toward, waves, blood_hu)


def displacement(lesion: Lesion, points: Floats, taper: Floats) -> Floats:
    """How far, in mm along x, mass effect has pushed the tissue now at ``points``.

    ``taper`` is 1 at the brain's centre and 0 at the skull, which does not give way.
    """
    _, y, z = lesion.center
    reach = ((points[1] - y) / 75) ** 2 + ((points[2] - z) / 55) ** 2
    pushed: Floats = -lesion.side * np.float32(lesion.finding.shift) * taper * np.exp(-reach / 2)
    return pushed


def effacement(lesion: Lesion, points: Floats) -> Floats:
    """Share of the cerebrospinal fluid spaces that is pressed out at ``points``."""
    if lesion.pattern == "diffuse":
        return np.full(points.shape[1], lesion.finding.effacement, dtype=np.float32)
    center = np.array(lesion.center, dtype=np.float32)[:, None]
    distance = ((points - center) ** 2).sum(axis=0) / np.float32(50**2)
    near = cover(-lesion.side * points[0], 12.0)
    lost: Floats = np.float32(lesion.finding.effacement) * near * np.exp(-distance / 2)
    return lost


def soak(
    lesion: Lesion,
    points: Floats,
    still: Floats,
    tissue: Floats,
    voxel: float,
    voxel_ml: float,
) -> Soaked:
    """Let tissue swell and blood run out.

    ``still`` is where the tissue now at ``points`` was before it was pushed, ``tissue`` the share
    of parenchyma that may swell, ``voxel`` a voxel's width in mm. An outline is the level of the
    lesion's distance that encloses the finding's volume of tissue in its own hemisphere, blood
    excepted.
    """
    finding = lesion.finding
    no_blood: Floats = np.zeros(points.shape[1], dtype=np.float32)
    if lesion.pattern == "diffuse":
        return Soaked(np.full_like(no_blood, finding.water_uptake), no_blood)
    level = _level(lesion, points)
    own_side = cover(np.float32(3) - lesion.side * still[0], 3.0)
    swelling = tissue * own_side
    if lesion.pattern == "infarct":
        outline = level_around(level, swelling, finding.volume / voxel_ml)
        share = cover(level - np.float32(outline), _BORDER) * own_side
        return Soaked(np.float32(finding.water_uptake) * share, no_blood)
    # Blood rounds off before it reaches the midline.
    level = level + np.maximum(np.float32(7) - lesion.side * still[0], 0)
    edge = np.float32(level_around(level, own_side, finding.blood / voxel_ml))
    blood = cover(level - edge, max(voxel, 1.5)) * own_side
    outer = level_around(level, swelling * (1 - blood), finding.volume / voxel_ml)
    rim = cover(level - np.float32(outer), _RIM_BORDER) * own_side
    return Soaked(np.float32(finding.water_uptake) * rim, blood)


def _level(lesion: Lesion, points: Floats) -> Floats:
    if lesion.toward is None:
        return lump(points, lesion.center, lesion.stretch, lesion.waves)
    from_apex = points - np.array(lesion.center, dtype=np.float32)[:, None]
    along = project(np.array([lesion.toward]), from_apex)[0]
    across = np.sqrt(np.maximum((from_apex**2).sum(axis=0) - along**2, 0))
    bumpy = np.float32(2.5) * bumps(points, lesion.waves)
    return np.asarray(across - np.float32(0.7) * along + bumpy, dtype=np.float32)
