"""How a head lies in the scanner: its plane of symmetry and the top of its brain."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.optimize import minimize

from skedema.scans.errors import NotBelieved, ScanError
from skedema.scans.head._morphology import Mask
from skedema.scans.scan import Scan

Floats = NDArray[np.float64]

_COARSE = 4.0  # mm; the plane of symmetry of a cavity 130 mm wide needs no finer points
_ENOUGH = 5000  # points to mirror
_FEWER = 5  # every fifth of these tells where to begin
_TURNS = (-30, -20, -10, 0, 10, 20, 30)  # degrees, to begin from; twice the search's own reach
_ASIDE = (-20.0, 20.0)  # degrees; other planes to compare a plane with
_REACHED = 0.5  # of the points have to be mirrored to where the scan reaches
_MOST = 45.0  # degrees; what lies further off is not a head in a head rest
_LIKE = 0.97  # symmetry of a plane that is believed; of 81 sound exams the least is 0.98
# By which it is better than planes aside; in the same exams 0.014 and more, in 1 of 300 simulated
# heads less than 0.01, and in an ellipsoid 69 mm wide and 76 mm long, whose plane is found, 0.006.
_CLEAR = 0.005
_WIDE = 1.05  # times its length; of the same exams the widest brain has 0.97
CUT = 30.0  # cm2 of a cavity at a side of the field of view: it is cut by about 6 mm
TOP = 0.998  # of the cavity's points lie below its top
BELOW_TOP = 65.0  # mm; about half the height of a brain


class Pose(NamedTuple):
    """A head's own axes.

    Parameters
    ----------
    axes : ndarray of shape (3, 3)
        Unit vectors in the scan's RAS coordinates: the head's right, front and up, one a row.
    centre : ndarray of shape (3,)
        The head's middle in mm: in the plane of symmetry, amid the cavity from front to back, and
        65 mm below its top.
    symmetry : float
        How much of the cavity's mirror image lies in the cavity, as far as the scan reaches: 1 for
        all of it.
    """

    axes: Floats
    centre: Floats
    symmetry: float

    @property
    def degrees(self) -> float:
        """Angle of the turn from the scan's axes to the head's."""
        return float(np.degrees(np.arccos(np.clip((np.trace(self.axes) - 1) / 2, -1, 1))))


def head_pose(mask: Mask, scan: Scan) -> Pose:
    """Find the axes of a head.

    The head's right is the normal of the plane in which the cavity mirrors itself best (for the
    idea see Ardekani et al., who correlate intensities; the cavity's outline is used here, since
    lesions are not alike on both sides). Nodding is left as it is scanned: nothing of the outline
    tells it where the base of the skull is cut off. The middle is measured from the top, since
    most scans hold the vertex and not all hold the base.

    Parameters
    ----------
    mask : ndarray of shape (X, Y, Z), bool
        The cranial cavity; see `skedema.scans.brain.brain_mask`.
    scan : Scan
        The scan it belongs to, with geometry.

    Returns
    -------
    Pose
        Of the head in the scan.

    Raises
    ------
    NotBelieved
        If there is hardly a cavity, or the pose is not to be trusted: the field of view cuts off
        a side of the head, no plane mirrors 97 % of the cavity into itself, several planes do so
        equally well (a few slices at the vertex), the plane divides front from back, or the head
        lies more than 45 degrees off.
    ScanError
        If there is no geometry.

    Notes
    -----
    What is mirrored to where the scan does not reach counts neither for nor against a plane, so
    that slices that end below the vertex or above the base pull it nowhere. On simulated heads
    turned by up to 25 degrees about each axis (30 that nothing was chosen on) the plane is found to
    within 4 degrees, also with a piece of the skull missing, noise of 30 HU or voxels of 4 mm; to
    within 8 where 4 cm are missing at the vertex.

    References
    ----------
    B. A. Ardekani et al., "Automatic detection of the mid-sagittal plane in 3-D brain images",
    IEEE Transactions on Medical Imaging 1997, 16:947-952.

    Examples
    --------
    >>> import numpy as np
    >>> from skedema.scans.scan import Scan
    >>> x, y, z = np.ogrid[-20:21, -25:26, -18:19]
    >>> cavity = ((x / 16) ** 2 + (y / 21) ** 2 + (z / 15) ** 2 < 1) & (z > -8)
    >>> pose = head_pose(cavity, Scan(cavity.astype(float), np.diag([4.0, 4.0, 4.0, 1.0])))
    >>> bool(pose.degrees < 1)
    True
    """
    if scan.affine is None:
        raise ScanError("its head cannot be aligned: it has no geometry; use align=False")
    points = cavity_points(mask, scan)
    if len(points) < 100:
        raise NotBelieved("its brain is not found")
    cut, _ = cut_off(mask, scan)
    if cut > CUT:
        raise NotBelieved(f"the field of view cuts off a side of the head ({cut:.0f} cm2)")
    middle = points.mean(axis=0)
    mirror = _Mirror(points - middle, middle, scan)
    right, offset = mirror.find()
    front = np.array([0.0, 1.0, 0.0]) - right[1] * right
    front /= np.linalg.norm(front)
    axes = np.stack([right, front, np.cross(right, front)])
    along = (points - middle) @ axes.T
    top = np.quantile(along[:, 2], TOP)
    centre = middle + axes.T @ np.array([offset, 0.0, top - BELOW_TOP])
    pose = Pose(axes, centre, mirror.likeness(right, offset))
    _check(pose, mirror, offset, along)
    return pose


def _check(pose: Pose, mirror: _Mirror, offset: float, along: Floats) -> None:
    """Refuse a pose that is not to be trusted; `along` are the points on its axes."""
    if pose.symmetry < _LIKE:
        raise NotBelieved(
            f"no plane of symmetry is found: the best mirrors {pose.symmetry:.0%} of the brain "
            "into itself"
        )
    if pose.degrees > _MOST:
        raise NotBelieved(f"it would have to be turned by {pose.degrees:.0f} degrees")
    aside = max(mirror.aside(pose.axes[0], axis, offset) for axis in pose.axes[1:])
    if pose.symmetry - aside < _CLEAR:
        raise NotBelieved("several planes mirror its brain equally well")
    wide, long, _ = along.std(axis=0)
    if wide > _WIDE * long:
        raise NotBelieved("its brain would be wider than long: the plane found lies across it")


def upright(scan: Scan, pose: Pose) -> tuple[Scan, Floats]:
    """Turn a scan about its head's centre, so that the head's axes are RAS.

    Gives the same voxels with a new affine, and the head's centre in the new coordinates: where it
    was.
    """
    assert scan.affine is not None
    turned = scan.affine.copy()
    turned[:3, :3] = pose.axes @ scan.affine[:3, :3]
    turned[:3, 3] = pose.axes @ (scan.affine[:3, 3] - pose.centre) + pose.centre
    return scan._replace(affine=turned), pose.centre


def cavity_points(mask: Mask, scan: Scan) -> Floats:
    """Positions (n, 3) in mm, about one every fourth millimetre of the cavity."""
    assert scan.affine is not None
    assert scan.spacing is not None
    strides = np.maximum(1, np.rint(_COARSE / scan.spacing)).astype(int)
    coarse = mask[tuple(slice(step // 2, None, step) for step in strides)]
    index = np.argwhere(coarse) * strides + strides // 2
    # On a lattice, a plane along it mirrors points onto points, which looks like symmetry.
    index = index + np.random.default_rng(0).uniform(-0.5, 0.5, index.shape) * strides
    if scan.depths is not None:
        index[:, 2] = np.interp(index[:, 2], np.arange(len(scan.depths)), scan.depths)
    return np.asarray(index @ scan.affine[:3, :3].T + scan.affine[:3, 3])


def cut_off(mask: Mask, scan: Scan) -> tuple[float, float]:
    """Square centimetres of the mask at the sides of the field of view, and at its top."""
    assert scan.affine is not None
    assert scan.spacing is not None
    upwards = int(np.abs(scan.affine[2, :3] / np.linalg.norm(scan.affine[:3, :3], axis=0)).argmax())
    sides = top = 0.0
    for axis in range(3):
        face = float(np.delete(scan.spacing, axis).prod()) / 100
        first, last = (float(np.take(mask, end, axis=axis).sum()) * face for end in (0, -1))
        if axis != upwards:
            sides += first + last
        else:
            top = last if scan.affine[2, axis] > 0 else first
    return sides, top


class _Mirror:
    """Points of a cavity, to be mirrored into each other at a plane."""

    def __init__(self, points: Floats, middle: Floats, scan: Scan) -> None:
        self.low = points.min(axis=0) - 4 * _COARSE
        shape = np.ceil((points.max(axis=0) + 4 * _COARSE - self.low) / _COARSE).astype(int) + 1
        filled = np.zeros(shape)
        np.add.at(filled, tuple(np.rint((points - self.low) / _COARSE).astype(int).T), 1.0)
        corner = self.low + middle
        self.smooth = gaussian_filter(filled, 2.0)
        self.reach = gaussian_filter(_within(scan, corner, tuple(shape)).astype(float), 2.0)
        self.some = points[:: max(1, len(points) // _ENOUGH)]
        self.full = 1.0
        self.full = self._filled(self.some)

    def likeness(self, normal: Floats, offset: float) -> float:
        """How full the cavity is where it is mirrored to, as a share of how full it is itself."""
        return self._mirrored(self.some, normal, offset)

    def aside(self, normal: Floats, axis: Floats, offset: float) -> float:
        """Give the best likeness at planes that are turned about an axis."""
        across = np.cross(axis, normal)
        found = []
        for angle in np.radians(_ASIDE):
            turned = np.cos(angle) * normal + np.sin(angle) * across
            found += [self.likeness(turned, offset + step) for step in (-8.0, -4.0, 0.0, 4.0, 8.0)]
        return max(found)

    def find(self) -> tuple[Floats, float]:
        """Give the best plane: its normal and distance from 0 in mm."""
        few, some = self.some[::_FEWER], self.some

        def mismatch(plane: Floats, points: Floats = some) -> float:
            return -self._mirrored(points, _normal(plane[0], plane[1]), 10 * plane[2])

        turns = np.tan(np.radians(_TURNS))
        tried = [np.array([yaw, roll, 0.0]) for yaw in turns for roll in turns]
        start = min(tried, key=lambda plane: mismatch(plane, few))
        simplex = np.vstack([start, start + np.diag([0.1, 0.1, 0.4])])
        found = minimize(
            mismatch,
            start,
            method="Nelder-Mead",
            options={"initial_simplex": simplex, "xatol": 1e-3, "fatol": 1e-5, "maxiter": 300},
        )
        return _normal(found.x[0], found.x[1]), float(10 * found.x[2])

    def _mirrored(self, points: Floats, normal: Floats, offset: float) -> float:
        return self._filled(points - 2 * np.outer(points @ normal - offset, normal))

    def _filled(self, points: Floats) -> float:
        index = ((points - self.low) / _COARSE).T
        reached = map_coordinates(self.reach, index, order=1, mode="nearest")
        if reached.mean() < _REACHED:
            return 0.0
        filled = map_coordinates(self.smooth, index, order=1, mode="nearest")
        return float(filled.sum() / reached.sum() / self.full)


def _within(scan: Scan, corner: Floats, shape: tuple[int, ...]) -> Mask:
    """Which points of a coarse grid lie in the scan."""
    assert scan.affine is not None
    points = np.moveaxis(np.indices(shape), 0, -1) * _COARSE + corner - scan.affine[:3, 3]
    index = np.linalg.solve(scan.affine[:3, :3], points.reshape(-1, 3).T).T
    last = np.array(scan.voxels.shape, dtype=np.float64) - 1
    if scan.depths is not None:
        last[2] = scan.depths[-1]
    return ((index >= -0.5) & (index <= last + 0.5)).all(axis=1).reshape(shape)


def _normal(yaw: float, roll: float) -> Floats:
    """Give a unit vector near the x axis."""
    vector = np.array([1.0, np.tan(np.clip(yaw, -1.4, 1.4)), np.tan(np.clip(roll, -1.4, 1.4))])
    return np.asarray(vector / np.linalg.norm(vector))
