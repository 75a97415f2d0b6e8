from __future__ import annotations

import nibabel as nib
import numpy as np

from skedema.scans.files import scan_key

VOXELS = np.arange(60, dtype=np.int16).reshape(3, 4, 5)


def test_the_key_of_a_scan_in_memory_is_its_content(write_scan):
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    changed = VOXELS.copy()
    changed[0, 0, 0] += 1
    assert scan_key(VOXELS) == scan_key(np.asfortranarray(VOXELS)) == scan_key(VOXELS.copy())
    keys = {
        scan_key(cell)
        for cell in [
            VOXELS,
            changed,
            VOXELS.reshape(4, 3, 5),
            VOXELS.view(np.uint16),
            nib.Nifti1Image(VOXELS, affine),
            nib.Nifti1Image(changed, affine),
            nib.Nifti1Image(VOXELS, np.eye(4)),
            nib.load(write_scan(VOXELS)),
        ]
    }
    assert len(keys) == 8
    assert scan_key(nib.Nifti1Image(VOXELS, affine)) in keys
