"""What is done to a scan before it is brought to a grid."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skedema.scans._budget import DEFAULT_MAX_BYTES
from skedema.scans._remarks import Remark
from skedema.scans.errors import NotBelieved, ScanError
from skedema.scans.grid.own_axes import along_own_axes, with_spacing
from skedema.scans.head.brain import keep_brain, trusted_mask
from skedema.scans.head.crop import crop, cut, foreground_box
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


class Preparation(NamedTuple):
    """What is done to a scan, in this order: the parameters of `VolumeReader`, validated."""

    axes: str = "patient"
    first_spacing: tuple[float, float, float] | None = None
    head_margin: float | None = None
    skull_strip: bool = False
    align: bool = False
    template: str | None = None
    brain_hu: float | None = None
    crop: float | None = None


def prepare(scan: Scan, how: Preparation, max_bytes: int = DEFAULT_MAX_BYTES) -> Prepared:
    """Take away what is not wanted of a scan, turn it upright or put it on its own axes.

    A brain mask or a pose that is not believed is left out, and a remark says so.
    """
    moved = None
    if how.axes == "scan":
        scan, moved = along_own_axes(scan, max_bytes)
    if how.first_spacing is not None:
        scan = with_spacing(scan, how.first_spacing, max_bytes)
    if how.head_margin is not None:
        scan = crop(scan, how.head_margin)
    prepared = _head(scan, how)
    if moved is not None:  # and nothing else has turned it
        prepared = prepared._replace(moved=moved)
    return prepared if how.crop is None else _foreground(prepared, how.crop)


def _head(scan: Scan, how: Preparation) -> Prepared:
    try:
        if how.template is not None:
            head = template_head(scan, how.brain_hu)
            return Prepared(head.scan, np.zeros(3), head.remarks, head.outside, head.to_template)
        if not (how.skull_strip or how.align):
            return Prepared(scan)
        mask = _brain(scan, "skull_strip" if how.skull_strip else "align")
    except NotBelieved as error:
        return Prepared(scan, remarks=(Remark("mask", str(error)),))
    prepared = Prepared(scan)
    if how.align:
        try:
            turned, centre = upright(scan, head_pose(mask, scan))
            assert turned.affine is not None
            assert scan.affine is not None
            moved = turned.affine @ np.linalg.inv(scan.affine)
            prepared = Prepared(turned, centre, moved=moved)
        except NotBelieved as error:
            remark = Remark("pose", f"{error}; check its orientation and its brain mask")
            prepared = Prepared(scan, remarks=(remark,))
    if how.skull_strip:
        kept = prepared.scan._replace(voxels=keep_brain(scan.voxels, mask))
        prepared = prepared._replace(scan=kept)
    return prepared


def _foreground(prepared: Prepared, threshold: float) -> Prepared:
    box = foreground_box(prepared.scan.voxels, threshold)
    prepared = prepared._replace(scan=cut(prepared.scan, box))
    if prepared.scan.affine is None:  # its voxels are counted from the corner of the box
        moved = np.eye(4)
        moved[:3, 3] = [-part.start for part in box]
        prepared = prepared._replace(moved=moved)
    return prepared


def _brain(scan: Scan, parameter: str) -> NDArray[np.bool_]:
    spacing = scan.spacing
    if spacing is None:
        raise ScanError(
            "its brain cannot be found: it has no geometry, so that nothing is known in mm; "
            f"give a NIfTI file or image, or use {parameter}=False"
        )
    return trusted_mask(scan.voxels, spacing.tolist())
