from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.testing import assert_close

from skedema import VolumeReader
from skedema.encoders import CNN, ViT
from skedema.modules.mirror import SideTokens, mirrored

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


@pytest.mark.parametrize("side", [16, 12, 10])
@pytest.mark.parametrize(
    "encoder", [ViT(dim=12, depth=1, n_heads=2, patch=4), CNN(width=8, depth=2)]
)
def test_a_mirrored_volume_has_the_same_mean_and_difference_to_the_bit(encoder, side):
    tokens = encoder.build(in_channels=1, shape=(side, 8, 4)).eval()
    pairs, volume = SideTokens(tokens), torch.rand(1, 1, side, 8, 4)
    with torch.no_grad():
        found = pairs(volume)
        assert torch.equal(pairs(mirrored(volume)), found)
        here, there = tokens(volume)[0], tokens(mirrored(volume))[0]
    across = -(-side // 4)
    assert pairs.grid == (-(-across // 2), 2, 1)
    n = 2 * pairs.grid[0]
    assert torch.equal(found[0, 0], ((here + there) / 2)[:n])
    assert torch.equal(found[0, 1], (here - there).abs()[:n])


def test_tokens_apart_are_those_of_the_encoder():
    tokens = ViT(dim=12, depth=1, n_heads=2, patch=4).build(in_channels=1, shape=(12, 8, 4)).eval()
    apart, volume = SideTokens(tokens, paired=False), torch.rand(2, 1, 12, 8, 4)
    assert apart.grid == (3, 2, 1)
    with torch.no_grad():
        assert torch.equal(apart(volume), tokens(volume)[:, None])
