"""How a head lies in the scanner: its plane of symmetry and the top of its brain."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.optimize import minimize

from skedema.scans._morphology import Mask
from skedema.scans.errors import ScanError
from skedema.scans.scan import Scan

Floats = NDArray[np.float64]

_COARSE = 4.0  # mm; the plane of symmetry of a cavity 130 mm wide needs no finer points
_ENOUGH = 5000  # points to mirror
_TURNS = (-30, -20, -10, 0, 10, 20, 30)  # degrees, to begin from; twice the search's own reach
_MOST = 45.0  # degrees; what lies further off is not a head in a head rest
_TOP = 0.998  # of the cavity's points lie below its top
_BELOW_TOP = 65.0  # mm; about half the height of a brain


class Pose(NamedTuple):
    """A head's own axes.

    Parameters
    ----------
    axes : ndarray of shape (3, 3)
        Unit vectors in the scan's RAS coordinates: the head's right, front and up, one a row.
    centre : ndarray of shape (3,)
        The head's middle in mm: in the plane of symmetry, amid the cavity from front to back, and
        65 mm below its top.
    """

    axes: Floats
    centre: Floats

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
    ScanError
        If there is no geometry, no cavity, or the head lies more than 45 degrees off.

    References
    ----------
    B. A. Ardekani et al., "Automatic detection of the mid-sagittal plane in 3-D brain images",
    IEEE Transactions on Medical Imaging 1997, 16:947-952.

    Examples
    --------
    >>> import numpy as np
    >>> from skedema.scans.scan import Scan
    >>> x, y, z = np.ogrid[-20:21, -25:26, -18:19]
    >>> cavity = (x / 16) ** 2 + (y / 21) ** 2 + (z / 14) ** 2 < 1
    >>> pose = head_pose(cavity, Scan(cavity.astype(float), np.diag([4.0, 4.0, 4.0, 1.0])))
    >>> bool(pose.degrees < 1)
    True
    """
    if scan.affine is None:
        raise ScanError("its head cannot be aligned: it has no geometry; use align=False")
    points = _points(mask, scan)
    if len(points) < 100:
        raise ScanError("its head cannot be aligned: its brain is not found; use align=False")
    middle = points.mean(axis=0)
    right, offset = _mirror(points - middle)
    front = np.array([0.0, 1.0, 0.0]) - right[1] * right
    front /= np.linalg.norm(front)
    axes = np.stack([right, front, np.cross(right, front)])
    along = (points - middle) @ axes.T
    top = np.quantile(along[:, 2], _TOP)
    pose = Pose(axes, middle + axes.T @ np.array([offset, 0.0, top - _BELOW_TOP]))
    if pose.degrees > _MOST:
        raise ScanError(
            f"its head lies {pose.degrees:.0f} degrees off the axes, which is too far to be "
            "believed; check its orientation, or use align=False"
        )
    return pose


def upright(scan: Scan, pose: Pose) -> tuple[Scan, Floats]:
    """Turn a scan about its head's centre, so that the head's axes are RAS.

    Parameters
    ----------
    scan : Scan
        With geometry; its voxels stay as they are.
    pose : Pose
        Of its head.

    Returns
    -------
    scan : Scan
        The same voxels elsewhere: a new affine.
    centre : ndarray of shape (3,)
        The head's centre in the new coordinates: where it was.
    """
    assert scan.affine is not None
    turned = scan.affine.copy()
    turned[:3, :3] = pose.axes @ scan.affine[:3, :3]
    turned[:3, 3] = pose.axes @ (scan.affine[:3, 3] - pose.centre) + pose.centre
    return scan._replace(affine=turned), pose.centre


def _points(mask: Mask, scan: Scan) -> Floats:
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


def _mirror(points: Floats) -> tuple[Floats, float]:
    """Find the plane in which points mirror themselves: its normal and distance from 0 in mm."""
    low = points.min(axis=0) - 4 * _COARSE
    shape = np.ceil((points.max(axis=0) + 4 * _COARSE - low) / _COARSE).astype(int) + 1
    filled = np.zeros(shape)
    np.add.at(filled, tuple(np.rint((points - low) / _COARSE).astype(int).T), 1.0)
    smooth = gaussian_filter(filled, 2.0)

    some = points[:: max(1, len(points) // _ENOUGH)]

    def mismatch(plane: Floats) -> float:
        normal, offset = _normal(plane[0], plane[1]), 10 * plane[2]
        mirrored = some - 2 * np.outer(some @ normal - offset, normal)
        found = map_coordinates(smooth, ((mirrored - low) / _COARSE).T, order=1, mode="nearest")
        return -float(found.mean())

    turns = np.tan(np.radians(_TURNS))
    tried = [np.array([yaw, roll, 0.0]) for yaw in turns for roll in turns]
    start = min(tried, key=mismatch)
    simplex = np.vstack([start, start + np.diag([0.1, 0.1, 0.4])])
    found = minimize(
        mismatch,
        start,
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": 1e-3, "fatol": 1e-5, "maxiter": 300},
    )
    return _normal(found.x[0], found.x[1]), float(10 * found.x[2])


def _normal(yaw: float, roll: float) -> Floats:
    """Give a unit vector near the x axis."""
    vector = np.array([1.0, np.tan(np.clip(yaw, -1.4, 1.4)), np.tan(np.clip(roll, -1.4, 1.4))])
    return np.asarray(vector / np.linalg.norm(vector))
