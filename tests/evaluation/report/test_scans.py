from __future__ import annotations

import shutil

import nibabel
import numpy as np
import pandas as pd
import pytest

from skedema import scans
from skedema.evaluation._report.scans import kinds_of


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    folder = tmp_path_factory.mktemp("Mustermann")
    rng = np.random.default_rng(0)
    made = {
        "constant": np.zeros((64, 64, 20)),
        "stored": rng.normal(1064, 30, (64, 64, 20)),
        "few": rng.normal(40, 300, (64, 64, 3)),
        "metal": rng.normal(40, 9000, (64, 64, 20)),
    }
    paths = []
    for name, hu in made.items():
        image = nibabel.Nifti1Image(hu.astype(np.float32), np.diag([3.0, 3, 12, 1]))
        nibabel.save(image, folder / f"{name}.nii")
        paths.append(str(folder / f"{name}.nii"))
    paths.append(str(folder / "copy.nii"))
    shutil.copy(paths[2], paths[-1])
    return [*paths, str(folder / "not there.nii"), None, rng.normal(40, 300, (64, 64, 20))]


def test_kinds_of_findings_name_neither_scans_nor_rows(odd):
    index = pd.Index([f"Ward7-{k}" for k in range(len(odd))])
    table = scans.check(pd.Series(odd, index=index))
    assert table["findings"].astype(str).str.contains("Mustermann").any()
    kinds = [kinds_of(row) for _, row in table.iterrows()]
    assert kinds[0] >= {"cannot be read"}
    assert "voxels that are no HU" in kinds[1]
    assert kinds[2] >= {"few slices", "thick slices", "wide pixels"}
    assert "the same file as another one" in kinds[2] & kinds[4]
    assert kinds[5] == {"cannot be read"}
    assert kinds[6] == {"missing"}
    assert "no geometry" in kinds[7]
    assert not any("Mustermann" in kind or "Ward7" in kind for found in kinds for kind in found)


def test_what_is_not_known_is_another_remark():
    row = pd.Series({"scan": "a", "readable": True, "findings": ["Mustermann is on the scan"]})
    assert kinds_of(row) == {"another remark of the reader"}
