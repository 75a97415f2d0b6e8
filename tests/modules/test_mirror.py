from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.testing import assert_close

from skedema import VolumeReader
from skedema.modules.mirror import mirrored

pytestmark = pytest.mark.numerical


def image(hu: NDArray[np.float32], axes: str) -> nib.Nifti1Image:
    """Store a scan that lies on RAS axes of 2 mm with its voxels in another order."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -np.array(hu.shape) + 1  # the middle of the scan at 0
    return nib.Nifti1Image(hu, affine).as_reoriented(
        nib.orientations.ornt_transform(
            nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(axes)
        )
    )


def test_mirroring_twice_changes_nothing_and_batches_are_mirrored_one_by_one():
    volumes = torch.rand(3, 2, 5, 4, 6)
    assert not torch.equal(mirrored(volumes), volumes)
    assert torch.equal(mirrored(mirrored(volumes)), volumes)
    for volume, one in zip(volumes, mirrored(volumes), strict=True):
        assert torch.equal(mirrored(volume), one)


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR"])
def test_left_and_right_change_places_whatever_the_order_of_voxels_in_the_file(axes):
    hu = np.random.default_rng(0).normal(40, 10, (12, 10, 8)).astype(np.float32)
    reader = VolumeReader(spacing=3.0, shape=9)
    volume = torch.as_tensor(reader.read(image(hu, axes)))
    other = torch.as_tensor(reader.read(image(np.ascontiguousarray(hu[::-1]), axes)))
    assert (volume - other).abs().max() > 0.1
    assert_close(mirrored(volume), other, atol=1e-5, rtol=0)
