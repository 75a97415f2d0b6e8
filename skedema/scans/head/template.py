"""Heads made alike: upright, brain only, each cavity of one size in one place."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skedema.scans._remarks import Remark
from skedema.scans.errors import NotBelieved
from skedema.scans.head._morphology import (
    Mask,
    block_means,
    box_of,
    coarse_factors,
    expand,
    voxels_of,
)
from skedema.scans.head.brain import bone_threshold, trusted_mask
from skedema.scans.head.pose import BELOW_TOP, CUT, TOP, cavity_points, cut_off, head_pose
from skedema.scans.scan import Scan

Floats = NDArray[np.float64]

#: The grid of prepared heads: 48 x 56 x 48 voxels of 3.4 mm, a patch of 8 voxels being 27 mm.
SPACING, SHAPE = (3.4, 3.4, 3.4), (48, 56, 48)

_SIZE = np.array([126.0, 158.0])  # mm, of every cavity from left to right and from front to back
_ENDS = (0.005, 0.995)  # of the cavity's points lie between its ends
_FACTORS = (0.75, 1.6)  # of a head's size; 0.85 to 1.29 in 82 real exams, a newborn's is about 1.4
_LEAST = 60.0  # mm of a cavity of that size have to be there, or its widest level is not
# Of its largest cross-section, that of an ellipse, where the scan ends at the top: an ellipsoid as
# high as `BELOW_TOP` tells how much is missing. Of 82 real exams the most is 0.31.
_LEVEL, _TOLD = 0.9, 0.45
_APEX = 7.0  # mm from `TOP` of the points to the last of them
_COARSE = 3.0  # mm; brain and pose are found on voxels of up to this size
_BRIGHT = 165.0  # HU; as far above where bone begins as brain lies below
_SAMPLE = 50_000  # voxels of which the brain's median is taken


class TemplateHead(NamedTuple):
    """A head in the axes of the template.

    Parameters
    ----------
    scan : Scan
        The part of the scan around the brain, in HU, all else at `outside`. Its affine leads to
        the template: right, front and up in mm of the standard size, from the head's centre on.
    outside : float
        The brain's own median in HU.
    to_template : ndarray of shape (4, 4)
        From the scan's RAS coordinates to those of the template, in mm.
    remarks : tuple of Remark
        What it had to do without.
    """

    scan: Scan
    outside: float
    to_template: Floats
    remarks: tuple[Remark, ...]


class Place(NamedTuple):
    """Where a head lies and how much it is enlarged, and what that had to do without."""

    axes: Floats  # right, front and up, one a row
    centre: Floats  # mm
    factors: Floats
    remarks: tuple[Remark, ...]


def template_head(scan: Scan, brain_hu: float | None = None) -> TemplateHead:
    """Prepare a head: upright, brain only, the cavity scaled to a standard size.

    The cavity (see `brain_mask`) is measured along the head's own axes (see `head_pose`), from the
    0.5 to the 99.5 % quantile of its points, and scaled to 126 mm from left to right and 158 mm
    from front to back, the medians of adults being near; upwards by the geometric mean of both,
    since few scans hold all of the base. Its centre lies in the plane of symmetry, amid front and
    back, and 65 mm below the top of the scaled cavity. Nothing is mirrored. Turn and scale are
    one affine, so that the original voxels are resampled once.

    Parameters
    ----------
    scan : Scan
        With geometry.
    brain_hu : float or None, default=None
        What the brain's median becomes, all of its HU being moved by as much. None leaves it.

    Returns
    -------
    TemplateHead
        To be resampled around the origin, with `outside` beyond the field of view.

    Raises
    ------
    NotBelieved
        If there is no geometry, no brain mask that can be trusted, or its size is no head's.

    Examples
    --------
    >>> import numpy as np
    >>> from skedema.scans.head.template import template_head
    >>> from skedema.scans.scan import Scan
    >>> x, y, z = np.mgrid[-30:31, -36:37, -20:31] * 2.5  # mm
    >>> radius = np.sqrt((x / 60) ** 2 + (y / 80) ** 2 + (z / 56) ** 2)
    >>> hu = np.where(radius < 1.15, 1000.0, -1000.0)  # bone and air
    >>> hu[(radius < 1) & (z > -25)] = 35.0
    >>> head = template_head(Scan(hu, np.diag([2.5, 2.5, 2.5, 1.0])))
    >>> head.outside, np.diag(head.to_template).round(1).tolist(), head.remarks
    (35.0, [1.1, 1.1, 1.1, 1.0], ())
    """
    if scan.affine is None:
        raise NotBelieved(
            "it has no geometry, so that nothing is known in mm; give a NIfTI file or image, or "
            "use template=None"
        )
    small, factors = coarse(scan)
    assert small.spacing is not None
    mask = trusted_mask(small.voxels, small.spacing.tolist())
    place = place_of(mask, small)
    part, outside = _brain_only(scan, mask, factors, brain_hu)
    assert part.affine is not None
    to_template = np.eye(4)
    to_template[:3, :3] = place.factors[:, None] * place.axes
    to_template[:3, 3] = -to_template[:3, :3] @ place.centre
    moved = part._replace(affine=to_template @ part.affine)
    return TemplateHead(moved, outside, to_template, place.remarks)


def coarse(scan: Scan) -> tuple[Scan, tuple[int, int, int]]:
    """Average blocks of voxels; gives their size, too. Slices that are not even are kept apart.

    Bone counts as 165 HU, however bright it is and where it is clipped: what is averaged is bone
    where bone fills half of it. Of every 4 voxels in a row two are enough.
    """
    assert scan.affine is not None
    assert scan.spacing is not None
    shape = scan.voxels.shape
    factors = np.array(coarse_factors(shape, scan.spacing, _COARSE))
    if scan.depths is not None:
        factors[2] = 1
    if (factors == 1).all():
        return scan, (1, 1, 1)
    steps = np.where(factors >= 4, factors // 2, 1)
    means = factors // steps
    factors = steps * means
    cut = scan.voxels[tuple(slice(None, None, step) for step in steps)].copy(order="K")
    bone = cut >= bone_threshold(cut)
    np.maximum(cut, -100, out=cut)
    np.copyto(cut, cut.dtype.type(_BRIGHT), where=bone)
    affine = scan.affine.copy()
    affine[:3, :3] *= factors
    affine[:3, 3] += scan.affine[:3, :3] @ (steps * (means - 1) / 2)
    small = Scan(block_means(cut, means.tolist()), affine, scan.depths)
    first, second, third = (int(factor) for factor in factors)
    return small, (first, second, third)


def place_of(mask: Mask, scan: Scan) -> Place:
    """Say where the head lies and how large it is, or what there is of it."""
    remarks: list[Remark] = []
    axes, plane = np.eye(3), None
    points = cavity_points(mask, scan)
    sides, at_top = cut_off(mask, scan)
    if sides <= CUT:
        try:
            pose = head_pose(mask, scan)
            axes, plane = pose.axes, float(pose.axes[0] @ pose.centre)
        except NotBelieved as error:
            remarks.append(Remark("turn", f"{error}; check its orientation and its brain mask"))
    along = points @ axes.T
    low, high = np.quantile(along, _ENDS, axis=0)
    size, centre = high - low, (low + high) / 2
    if plane is not None:
        centre[0] = plane
    factors = np.append(_SIZE / size[:2], 0.0)
    factors[2] = np.sqrt(factors[0] * factors[1])
    level = min(1.0, at_top / float(np.pi / 400 * size[0] * size[1]))
    above = BELOW_TOP * (1 - float(np.sqrt(1 - level))) / factors[2]
    missing = _missing(sides, level, float(size[2] * factors[2]))
    if missing:
        remarks.append(Remark("cut", f"{missing}, so that it is not scaled"))
        factors[:], above = 1.0, 0.0
    elif not (_FACTORS[0] < factors.min() and factors.max() < _FACTORS[1]):
        raise NotBelieved(
            f"the cavity of its skull would have {size[0]:.0f} x {size[1]:.0f} mm, which is no "
            "head's; check its sizes in mm, or read it with template=None"
        )
    elif level > _TOLD:
        remarks.append(Remark("cut", f"about {above:.0f} mm are missing at the top of the brain"))
    top = float(np.quantile(along[:, 2], TOP)) + max(0.0, above - _APEX / factors[2])
    centre[2] = top - BELOW_TOP / factors[2]
    return Place(axes, axes.T @ centre, factors, tuple(remarks))


def _missing(sides: float, level: float, height: float) -> str:
    """Say what is missing where a cavity cannot be measured by what is left of it."""
    if sides > CUT:
        return f"the field of view cuts off a side of the head ({sides:.0f} cm2)"
    if level > _LEVEL:
        return "the scan ends below the widest level of the head"
    if height < _LEAST:
        return f"the scan ends {height:.0f} mm below the top of the brain"
    return ""


def _brain_only(
    scan: Scan, mask: Mask, factors: tuple[int, int, int], brain_hu: float | None
) -> tuple[Scan, float]:
    """Cut out the brain and set all else to its median; give that, too."""
    assert scan.affine is not None
    blocks = box_of(mask)
    box = voxels_of(blocks, factors)
    hu = scan.voxels[box]
    if factors == (1, 1, 1):
        inside = mask[box]
    else:
        inside = hu < expand(_most(mask, hu), factors, blocks, hu)
    median = _median(hu, inside)
    if brain_hu is not None:
        hu, median = hu + np.float32(brain_hu - median), brain_hu
    start = np.array([part.start for part in box], dtype=np.float64)
    depths = scan.depths
    if depths is not None:
        start[2] = depths[box[2].start]
        depths = depths[box[2]] - start[2]
    affine = scan.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ start
    return Scan(np.where(inside, hu, hu.dtype.type(median)), affine, depths), median


def _most(mask: Mask, hu: NDArray[Any]) -> NDArray[Any]:
    """Up to which HU voxels of a block belong to the brain: blocks at the rim hold some bone."""
    from scipy import ndimage

    ends = np.iinfo(hu.dtype) if hu.dtype.kind in "iu" else np.finfo(hu.dtype)
    inner = ndimage.binary_erosion(mask, border_value=1)
    most = np.where(inner, ends.max, np.where(mask, bone_threshold(hu), ends.min))
    return most.astype(hu.dtype)


def _median(hu: NDArray[Any], inside: Mask) -> float:
    """Of a sample; a whole number where voxels are."""
    step = max(1, int((inside.size / _SAMPLE) ** (1 / 3)))
    some = tuple(slice(None, None, min(step, max(1, n // 8))) for n in inside.shape)
    median = float(np.median(hu[some][inside[some]]))
    return float(round(median)) if hu.dtype.kind in "iu" else median
