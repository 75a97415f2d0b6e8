"""What is done to a scan before it is brought to a grid."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skedema.scans._remarks import Remark
from skedema.scans.errors import NotBelieved, ScanError
from skedema.scans.head.brain import keep_brain, trusted_mask
from skedema.scans.head.crop import crop
from skedema.scans.head.pose import head_pose, upright
from skedema.scans.head.template import template_head
from skedema.scans.scan import AIR, Scan


class Prepared(NamedTuple):
    """A scan, where in its RAS coordinates the grid's centre is to lie, and what is odd about it.

    ``centre`` None is the middle of the field of view. ``outside`` is what lies beyond that, in HU.
    ``moved`` leads from the RAS coordinates of the scan as it was given to these; None where they
    are the same.
    """

    scan: Scan
    centre: NDArray[np.float64] | None = None
    remarks: tuple[Remark, ...] = ()
    outside: float = AIR
    moved: NDArray[np.float64] | None = None


def prepare(
    scan: Scan,
    head_margin: float | None,
    skull_strip: bool,
    align: bool,
    template: str | None,
    brain_hu: float | None,
) -> Prepared:
    """Take away what is not wanted of a scan and turn it upright.

    A brain mask or a pose that is not believed is left out, and a remark says so: the parameters
    are those of `VolumeReader`.
    """
    if head_margin is not None:
        scan = crop(scan, head_margin)
    try:
        if template is not None:
            head = template_head(scan, brain_hu)
            return Prepared(head.scan, np.zeros(3), head.remarks, head.outside, head.to_template)
        if not (skull_strip or align):
            return Prepared(scan)
        mask = _brain(scan, "skull_strip" if skull_strip else "align")
    except NotBelieved as error:
        return Prepared(scan, remarks=(Remark("mask", str(error)),))
    prepared = Prepared(scan)
    if align:
        try:
            turned, centre = upright(scan, head_pose(mask, scan))
            assert turned.affine is not None
            assert scan.affine is not None
            moved = turned.affine @ np.linalg.inv(scan.affine)
            prepared = Prepared(turned, centre, moved=moved)
        except NotBelieved as error:
            remark = Remark("pose", f"{error}; check its orientation and its brain mask")
            prepared = Prepared(scan, remarks=(remark,))
    if skull_strip:
        kept = prepared.scan._replace(voxels=keep_brain(scan.voxels, mask))
        prepared = prepared._replace(scan=kept)
    return prepared


def _brain(scan: Scan, parameter: str) -> NDArray[np.bool_]:
    spacing = scan.spacing
    if spacing is None:
        raise ScanError(
            "its brain cannot be found: it has no geometry, so that nothing is known in mm; "
            f"give a NIfTI file or image, or use {parameter}=False"
        )
    return trusted_mask(scan.voxels, spacing.tolist())
