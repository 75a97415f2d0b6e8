from __future__ import annotations

import pytest
import torch
from torch.nn.functional import conv3d, linear

from skedema.modules.patches import Patches

pytestmark = pytest.mark.numerical


@pytest.mark.parametrize("shape", [(8, 6, 4), (7, 6, 3)])
def test_joining_undoes_cutting(shape):
    patches = Patches(shape, (4, 3, 2), 2)
    volumes = torch.rand(3, 2, *shape)
    assert torch.equal(patches.join(patches(volumes)), volumes)


def test_voxels_stand_in_the_order_x_y_z_channel():
    patches = Patches((4, 6, 8), (2, 3, 4), 2)
    x, y, z = torch.meshgrid(torch.arange(4), torch.arange(6), torch.arange(8), indexing="ij")
    volume = torch.stack([100 * x + 10 * y + z, 1000 + 100 * x + 10 * y + z])[None]
    second = patches(volume)[0, 1]  # the last axis of the grid runs fastest: z from 4 to 7
    assert second[:4].tolist() == [4, 1004, 5, 1005]
    assert second.reshape(2, 3, 4, 2)[1, 2, 3].tolist() == [127, 1127]


def test_margin_repeats_the_last_voxels_and_is_marked():
    patches = Patches((3, 2, 2), (2, 2, 2), 1)
    last = patches(torch.arange(12.0).reshape(1, 1, 3, 2, 2))[0, 1]
    assert last.tolist() == [8, 9, 10, 11, 8, 9, 10, 11]
    assert patches.inside[0, 1].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    assert patches.inside.sum() == 12
    assert Patches((4, 2, 2), (2, 2, 2), 1).inside is None


def test_kernel_is_the_linear_map():
    patches = Patches((8, 6, 4), (4, 3, 2), 2)
    volumes, weight = torch.rand(2, 2, 8, 6, 4), torch.rand(5, patches.patch_size)
    mapped = conv3d(volumes, patches.as_kernel(weight), stride=(4, 3, 2))
    expected = linear(patches(volumes), weight)
    torch.testing.assert_close(mapped.flatten(2).transpose(1, 2), expected)
