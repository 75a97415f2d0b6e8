"""What is done to a scan before it is brought to a grid."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skedema.scans._remarks import Remark
from skedema.scans.errors import NotBelieved, ScanError
from skedema.scans.head.brain import brain_mask, check_mask, keep_brain
from skedema.scans.head.crop import crop
from skedema.scans.head.pose import head_pose, upright
from skedema.scans.scan import Scan


class Prepared(NamedTuple):
    """A scan, where in its RAS coordinates the grid's centre is to lie, and what is odd about it.

    ``centre`` None is the middle of the field of view.
    """

    scan: Scan
    centre: NDArray[np.float64] | None = None
    remarks: tuple[Remark, ...] = ()


def prepare(scan: Scan, head_margin: float | None, skull_strip: bool, align: bool) -> Prepared:
    """Take away what is not wanted of a scan and turn it upright.

    A brain mask or a pose that is not believed is left out, and a remark says so: the parameters
    are those of `VolumeReader`.
    """
    if head_margin is not None:
        scan = crop(scan, head_margin)
    if not (skull_strip or align):
        return Prepared(scan)
    try:
        mask = _brain(scan, "skull_strip" if skull_strip else "align")
    except NotBelieved as error:
        return Prepared(scan, remarks=(Remark("mask", str(error)),))
    turned, centre, remarks = Prepared(scan)
    if align:
        try:
            turned, centre = upright(scan, head_pose(mask, scan))
        except NotBelieved as error:
            remarks = (Remark("pose", f"{error}; check its orientation and its brain mask"),)
    if skull_strip:
        turned = turned._replace(voxels=keep_brain(scan.voxels, mask))
    return Prepared(turned, centre, remarks)


def _brain(scan: Scan, parameter: str) -> NDArray[np.bool_]:
    spacing = scan.spacing
    if spacing is None:
        raise ScanError(
            "its brain cannot be found: it has no geometry, so that nothing is known in mm; "
            f"give a NIfTI file or image, or use {parameter}=False"
        )
    mask = brain_mask(scan.voxels, spacing.tolist())
    check_mask(scan.voxels, mask, spacing.tolist())
    return mask
