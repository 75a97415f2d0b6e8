from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from skedema.modules.axes import order_of, turned, turned_back

SIZES = (2, 3, 4)


@pytest.mark.parametrize("axes", ["RAS", "SPL", "IPR", "LPS", "ASR", "PIR"])
def test_voxels_are_turned_as_nibabel_turns_them_and_back(axes):
    volume = torch.arange(2 * 24).reshape(2, *SIZES)
    image = nib.Nifti1Image(volume[0].numpy().astype(np.int16), np.eye(4))
    to = nib.orientations.axcodes2ornt(axes)
    expected = image.as_reoriented(
        nib.orientations.ornt_transform(nib.io_orientation(image.affine), to)
    )
    found = turned(volume, axes)
    assert_array_equal(found[0], np.asarray(expected.dataobj))
    assert order_of(SIZES, axes) == tuple(found.shape[1:])
    assert torch.equal(turned_back(found, axes), volume)
