"""Edema put into a real scan, so that what a reader or a model sees of it can be measured."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.utils import check_random_state

from skedema.datasets._grid import Floats
from skedema.datasets._lesions import Lesion, displacement, effacement, place_lesion, soak
from skedema.datasets._subject import PATTERNS, Pattern

_SMALLEST = 300.0
"""ml of brain that a lesion needs around it; a newborn's brain has more."""
_CAVITY = (66.0, 83.0, 66.0)
"""Half lengths in mm of the head whose coordinates lesions have."""
_SMOOTH = 1.5
"""mm, standard deviation of the Gaussian that tells tissue from fluid despite noise."""
_WIDE = 60.0
"""mm; rows of the brain at least so wide show where its middle is."""
_YIELDING = 12.0
"""mm under the skull over which tissue begins to give way."""


class ImplantedEdema(NamedTuple):
    """A scan with edema put into it, and where.

    Parameters
    ----------
    volume : ndarray of shape (X, Y, Z)
        The scan in HU, of the type of the one given.
    lesion : ndarray of shape (X, Y, Z), bool
        True where tissue has taken up at least half of the most water, or blood lies. Diffuse
        edema is everywhere in the tissue.

    Examples
    --------
    >>> import numpy as np
    >>> from skedema.datasets import implant_edema
    >>> brain = np.linalg.norm(np.mgrid[-16:17, -16:17, -16:17] * 5.0, axis=0) < 70  # mm
    >>> hu = np.where(brain, 35.0, -1000.0)
    >>> edema = implant_edema(hu, (5, 5, 5), brain, severity=2.0, random_state=0)
    >>> bool(edema.volume[edema.lesion].mean() < 30)  # water is darker than tissue
    True
    """

    volume: NDArray[Any]
    lesion: NDArray[np.bool_]


class _Brain(NamedTuple):
    """The brain's box in a scan; ``points`` (3, n) are its voxels in the coordinates of a head."""

    box: tuple[slice, ...]
    mask: NDArray[np.bool_]
    points: Floats
    taper: Floats
    voxel: float
    voxel_ml: float


def implant_edema(
    volume: NDArray[Any],
    spacing: Sequence[float],
    brain: NDArray[Any],
    *,
    pattern: Pattern = "infarct",
    severity: float = 0.0,
    random_state: int | np.random.RandomState | None = None,
) -> ImplantedEdema:
    """Put edema of a chosen severity into a head CT, the patient's own anatomy kept.

    The lesions are those of the simulated cohort, brought to the size of this brain. Tissue takes
    up water, ``HU' = HU (1 - NWU)``, so that the noise stays; blood, calcium and fluid do not.
    Sulci and ventricles near the lesion are lifted towards tissue by the share that is pressed
    out. The brain is resampled to move its midline, the skull and all beyond the mask stay.

    Parameters
    ----------
    volume : ndarray of shape (X, Y, Z)
        Scan in HU, finite; axes must run to the patient's right, front and up (RAS).
    spacing : sequence of 3 float
        Size of a voxel in mm.
    brain : ndarray of shape (X, Y, Z), bool
        True in the cranial cavity, as :func:`skedema.scans.brain.brain_mask` finds it.
    pattern : {"infarct", "haemorrhage", "diffuse", "none"}, default="infarct"
        What kind of edema: that of an infarct in the middle cerebral artery's territory, around a
        haemorrhage (which is put in as well), or of a whole brain that lacked oxygen.
    severity : float, default=0.0
        In standard deviations; 0 lies half way between scans without and with relevant edema, far
        below it there is next to none. Net water uptake of an infarct is 12.55 % + 5.45 % a
        standard deviation (Broocks et al., Stroke 2018, 49:1906-1912).
    random_state : int, RandomState or None, default=None
        Decides side, place and outline, which do not depend on the severity.

    Returns
    -------
    ImplantedEdema
        ``volume``, equal to the one given outside the brain, and the mask ``lesion``.

    Raises
    ------
    TypeError
        If the scan is not of real numbers, the mask not of booleans, or ``severity`` no number.
    ValueError
        If shapes do not fit, the scan is not finite, the brain is empty or smaller than 300 ml,
        or an argument is out of its range.

    Notes
    -----
    Nobody has validated the result on patients: use it to test methods, not to train for the
    clinic. Grey matter cannot be told from white reliably on a noisy scan: diffuse edema takes
    contrast from all tissue above the lowest quarter. The middle of the brain is found from the
    mask, by a plane through the middles of its rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skedema.datasets import implant_edema
    >>> from skedema.scans.brain import brain_mask
    >>> radius = np.linalg.norm(np.mgrid[-20:21, -20:21, -20:21] * 4.0, axis=0)  # mm
    >>> hu = np.where(radius < 70, 33.0, np.where(radius < 77, 1000.0, -1000.0))
    >>> brain = brain_mask(hu, (4, 4, 4))
    >>> found = implant_edema(hu, (4, 4, 4), brain, severity=1.0, random_state=0)
    >>> float(round(found.volume[found.lesion].min() / 33, 2))  # 1 - net water uptake
    0.82
    """
    steps = _checked(volume, spacing, brain)
    if pattern not in PATTERNS:
        raise ValueError(f"pattern must be one of {', '.join(PATTERNS)}, got {pattern!r}.")
    if isinstance(severity, bool) or not isinstance(severity, Real):
        raise TypeError(f"severity must be a number, got {severity!r}.")
    if not np.isfinite(severity):
        raise ValueError(f"severity must be finite, got {severity!r}.")
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    lesion = place_lesion(pattern, float(severity), np.random.default_rng(seed))
    result = np.array(volume)
    marked = np.zeros(result.shape, dtype=bool)
    if lesion is None:
        return ImplantedEdema(result, marked)

    found = _found(brain, steps)
    values, swollen = _swell(lesion, result[found.box].astype(np.float32), found, steps)
    if np.issubdtype(result.dtype, np.integer):
        limits = np.iinfo(result.dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    result[found.box][found.mask] = values.astype(result.dtype)
    marked[found.box][found.mask] = swollen
    return ImplantedEdema(result, marked)


def _checked(
    volume: NDArray[Any], spacing: Sequence[float], brain: NDArray[Any]
) -> NDArray[np.float64]:
    """Give the spacing, all arguments checked."""
    shape, kind = np.shape(volume), np.asarray(volume).dtype.kind
    if kind not in "iuf":
        raise TypeError(f"volume must hold real numbers (HU), not {np.asarray(volume).dtype}.")
    if len(shape) != 3:
        raise ValueError(f"volume must have the shape (X, Y, Z), not {shape}: give one scan.")
    if np.asarray(brain).dtype != np.bool_:
        raise TypeError("brain must hold booleans: give skedema.scans.brain.brain_mask's result.")
    if np.shape(brain) != shape:
        raise ValueError(
            f"brain has the shape {np.shape(brain)}, volume {shape}: give the mask of this scan."
        )
    steps = np.asarray(spacing, dtype=np.float64)
    if steps.shape != (3,) or not (np.isfinite(steps) & (steps > 0)).all():
        raise ValueError(f"spacing must hold three lengths above 0 in mm, got {spacing!r}.")
    if not np.isfinite(volume).all():
        raise ValueError("volume holds NaN or infinite values: replace them, by -1024 HU for air.")
    volume_ml = float(np.count_nonzero(brain) * steps.prod() / 1000)
    if volume_ml < _SMALLEST:
        raise ValueError(
            f"brain has {volume_ml:.0f} ml, a lesion needs {_SMALLEST:.0f}: check the mask, and "
            "that spacing is in mm."
        )
    return steps


def _found(brain: NDArray[np.bool_], steps: NDArray[np.float64]) -> _Brain:
    """Measure the brain and give its voxels the coordinates of a head."""
    box = ndimage.find_objects(brain.astype(np.uint8))[0]
    mask = np.asarray(brain)[box]
    x, y, z = (
        np.arange(n, dtype=np.float32) * step for n, step in zip(mask.shape, steps, strict=True)
    )
    count = mask.sum(axis=0)
    wide = count * steps[0] >= min(_WIDE, 0.8 * count.max() * steps[0])
    middle = (mask * x[:, None, None]).sum(axis=0)[wide] / count[wide]
    rows, levels = np.nonzero(wide)
    design = np.column_stack([np.ones(len(rows)), y[rows], z[levels]])
    plane = np.linalg.lstsq(design, middle, rcond=None)[0]

    width = count.max() * steps[0] / 2
    length = np.ptp(y[rows]) / 2 + steps[1] / 2
    # The lower end of a field of view may cut the brain off, the upper one hardly does.
    scale = np.array([width / _CAVITY[0], length / _CAVITY[1], 0.0])
    scale[2] = scale[:2].mean()
    top = z[-1] + steps[2] / 2 - _CAVITY[2] * scale[2]
    i, j, k = np.nonzero(mask)
    points = np.stack(
        [
            (x[i] - (plane[0] + plane[1] * y[j] + plane[2] * z[k])) / scale[0],
            (y[j] - (y[rows].min() + y[rows].max()) / 2) / scale[1],
            (z[k] - top) / scale[2],
        ]
    ).astype(np.float32)
    # Beyond the field of view the brain goes on; beyond the mask is bone.
    padded = np.pad(mask, ((1, 1), (1, 1), (0, 0)))
    depth = ndimage.distance_transform_edt(padded, sampling=steps)[1:-1, 1:-1][mask]
    round_ = 1 - ((points / np.array(_CAVITY, dtype=np.float32)[:, None]) ** 2).sum(axis=0)
    taper = np.clip(round_, 0, 1) * np.clip(depth / _YIELDING, 0, 1)
    volume = float(steps.prod())
    return _Brain(box, mask, points, taper.astype(np.float32), volume ** (1 / 3), volume / 1000)


def _swell(
    lesion: Lesion, hu: Floats, found: _Brain, steps: NDArray[np.float64]
) -> tuple[Floats, NDArray[np.bool_]]:
    """HU of the brain's voxels with the lesion, and which of them belong to it; (n,) each."""
    mask, points, finding = found.mask, found.points, lesion.finding
    # Bone must not bleed into what is interpolated and smoothed.
    nearest = ndimage.distance_transform_edt(
        ~mask, sampling=steps, return_distances=False, return_indices=True
    )
    filled = hu[tuple(nearest)]
    pushed = displacement(lesion, points, found.taper)
    still = points.copy()
    still[0] -= pushed
    filled[mask] = _pushed(filled, mask, pushed / np.float32(steps[0]))

    seen = filled[mask]
    smooth = ndimage.gaussian_filter(filled, _SMOOTH / steps, truncate=3, mode="nearest")[mask]
    # Blood and calcium begin above 50 HU, fluid ends below 15.
    tissue = np.clip((smooth - 12) / 8, 0, 1) * np.clip((58 - smooth) / 8, 0, 1) * (seen < 70)
    usual = smooth[tissue == 1]
    lowest, typical = np.quantile(usual, (0.25, 0.5)) if len(usual) else (29.0, 33.0)
    uptake, blood = soak(lesion, points, still, tissue, found.voxel, found.voxel_ml)
    fluid = np.clip((22 - smooth) / 12, 0, 1)

    changed = seen - np.float32(finding.contrast_loss) * tissue * np.maximum(smooth - lowest, 0)
    changed *= 1 - uptake * tissue
    changed += effacement(lesion, points) * fluid * np.maximum(typical - smooth, 0)
    changed += blood * (lesion.blood_hu - smooth)
    swollen = (uptake * tissue >= finding.water_uptake / 2) | (blood >= 0.5)
    return changed.astype(np.float32), swollen


def _pushed(filled: Floats, mask: NDArray[np.bool_], voxels: Floats) -> Floats:
    """Values (n,) of the brain after it moved by so many voxels along x; cubic, to keep noise."""
    moved = filled[mask]
    far = np.abs(voxels) > 0.01
    if far.any():
        x, y, z = (axis[far].astype(np.float32) for axis in np.nonzero(mask))
        start = np.stack([x - voxels[far], y, z])
        moved[far] = ndimage.map_coordinates(filled, start, order=3, mode="nearest")
    return moved
