from __future__ import annotations

import numpy as np
import pytest

from skedema.datasets import make_head_ct_cohort
from skedema.evaluation._report.faces import without_face
from skedema.scans import ScanError
from skedema.scans.brain import brain_mask
from skedema.scans.files import load_scan


def test_brain_and_skull_stay_and_skin_goes(tmp_path):
    path = make_head_ct_cohort(1, tmp_path, random_state=0).frame["scan"].iloc[0]
    scan = load_scan(path)
    bare = without_face(scan.voxels, scan.affine)
    brain = brain_mask(scan.voxels, scan.spacing)
    assert brain.any()
    assert np.array_equal(bare[brain], scan.voxels[brain])
    skull = (scan.voxels > 700) & (bare > 700)
    assert skull.sum() > 0.8 * (scan.voxels > 700).sum()
    gone = (bare != scan.voxels) & (scan.voxels > -300)
    assert gone.any()
    assert (bare[gone] == -1024).all()


@pytest.mark.parametrize("affine", [np.diag([4.0, 4, 4, 1]), None])
def test_scan_without_a_brain_or_geometry_is_refused(affine):
    with pytest.raises(ScanError):
        without_face(np.zeros((40, 40, 40), dtype=np.float32), affine)
