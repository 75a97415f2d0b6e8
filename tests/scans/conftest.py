from __future__ import annotations

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest


@pytest.fixture
def write_scan(tmp_path):
    """Write voxels as NIfTI; gives the path."""

    def write(voxels, affine=None, name="scan.nii.gz", slope=None, intercept=None):
        affine = np.eye(4) if affine is None else affine
        image = nib.Nifti1Image(np.asarray(voxels), affine)
        if slope is not None:
            image.header.set_slope_inter(slope, intercept)  # the voxels are stored as they are
        path = tmp_path / name
        nib.save(image, path)
        return path

    return write


@pytest.fixture
def blobs():
    """A volume without any symmetry, shape (12, 10, 8), and its affine (mm)."""
    rng = np.random.default_rng(0)
    voxels = rng.normal(40, 10, size=(12, 10, 8)).astype(np.float32)
    voxels[2:5, 6:9, 1:3] += 300
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    affine[:3, 3] = (-20, 5, 40)
    return voxels, affine


@pytest.fixture(scope="session")
def real_data():
    folder = os.environ.get("SKEDEMA_REAL_DATA")
    if not folder:
        pytest.skip("SKEDEMA_REAL_DATA is not set: no real scans to read")
    return Path(folder)
