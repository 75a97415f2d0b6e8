"""Scans from which no face can be rebuilt."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skedema.scans import ScanError
from skedema.scans.brain import brain_mask
from skedema.scans.scan import AIR

_KEPT = 12.0  # mm around the brain: the skull, of which the thickest parts have about 10


def without_face(hu: NDArray[Any], affine: NDArray[Any] | None) -> NDArray[np.float32]:
    """Make air of what is further than 12 mm from the brain: scalp, face, neck.

    Raises
    ------
    ScanError
        When no brain is found, or without a geometry, so that a face may be anywhere.
    """
    if affine is None:
        raise ScanError("it has no geometry, so that nothing is known in mm")
    spacing = np.linalg.norm(np.asarray(affine, dtype=np.float64)[:3, :3], axis=0)
    mask = brain_mask(hu, spacing)
    far = ndimage.distance_transform_edt(~mask, sampling=spacing) > _KEPT
    return np.where(far, np.float32(AIR), np.asarray(hu, dtype=np.float32))
