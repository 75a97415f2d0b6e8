from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skedema.inspection import ScanRelevance

AFFINE = np.array([[-4.0, 0, 0, 80], [0, -4, 0, 80], [0, 0.0, 6, -60], [0, 0, 0, 1]])  # LPS
SHAPE = (40, 40, 20)


def made(places, affine=AFFINE, **fields):
    relevance = np.zeros(SHAPE, dtype=np.float32)
    for place, value in places.items():
        relevance[place] = value
    hu = np.arange(relevance.size, dtype=np.int16).reshape(SHAPE)
    return ScanRelevance(relevance, hu, affine, target="edema", baseline=0.7, **fields)


def test_places_are_told_in_mm_and_by_side_of_the_patient():
    found = made({(30, 25, 12): 0.2, (31, 25, 12): 0.15, (10, 20, 8): -0.3, (20, 5, 10): 0.1})
    table = found.most_relevant()
    assert table["relevance"].tolist() == pytest.approx([-0.3, 0.2, 0.1])
    assert table["side"].tolist() == ["right", "left", "middle"]
    for row in table.itertuples():
        assert_allclose(AFFINE[:3] @ [row.i, row.j, row.k, 1], [row.x, row.y, row.z])
    assert_allclose(table["size"], [0.096, 0.192, 0.096])  # ml, a voxel has 96 mm3
    assert len(found.most_relevant(1)) == 1
    with pytest.raises(ValueError, match="ask for one place or more"):
        found.most_relevant(0)


def test_the_middle_is_that_of_the_head():
    aside = made({(30, 25, 12): 0.2}, to_right=np.array([1.0, 0, 0, 60.0]))
    assert aside.most_relevant()["side"].item() == "right"


def test_it_is_said_in_words():
    found = made({(30, 25, 12): 0.2})
    assert found.description == (
        "occlusion for 'edema', probability 0.70; most relevant on the left, at -40, -20, 12 mm, "
        "where the scan speaks for it: +0.2 (change of the probability), over 0 ml"
    )
    assert repr(found) == f"ScanRelevance({found.description})"
    assert "speaks against it" in made({(30, 25, 12): -0.2}).description
    assert made({}).description.endswith("no voxel of scan counts")
    assert made({}).most_relevant().empty


@pytest.mark.parametrize("name", ["where.nii", "where.nii.gz"])
def test_a_file_lies_beside_the_scan(tmp_path, name):
    found = made({(30, 25, 12): 0.2})
    found.save(tmp_path / "new" / name)
    again = nib.load(tmp_path / "new" / name)
    assert_array_equal(again.affine, AFFINE)
    assert_array_equal(again.get_fdata(dtype=np.float32), found.relevance)
    scan = found.hu_to_nifti()
    assert_array_equal(scan.affine, AFFINE)
    assert scan.get_data_dtype() == np.int16
    before = (tmp_path / "new" / name).read_bytes()
    found.save(tmp_path / "new" / name)
    assert (tmp_path / "new" / name).read_bytes() == before


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"end it in \.nii\.gz or \.nii"):
        made({}).save(tmp_path / "where.npy")


def test_without_geometry_places_are_voxels(tmp_path):
    found = made({(30, 25, 12): 0.2}, affine=None)
    row = found.most_relevant().iloc[0]
    assert row[["x", "y", "z", "size"]].tolist() == [30, 25, 12, 1]
    assert "voxels" in found.description
    found.save(tmp_path / "where.nii")
    assert nib.load(tmp_path / "where.nii").shape == SHAPE


def test_uneven_slices_become_even_in_the_file():
    depths = np.concatenate([np.arange(10.0), 10 + 2 * np.arange(10.0)])
    found = made({(30, 25, 15): 0.2}, depths=depths)
    image = found.to_nifti()
    step = np.median(np.diff(depths))
    place = found.most_relevant().iloc[0]
    index = np.unravel_index(np.asarray(image.dataobj).argmax(), image.shape)
    told = image.affine[:3] @ [*index, 1]
    assert_allclose(told, place[["x", "y", "z"]].astype(float), atol=6 * step / 2 + 1e-6)
    assert_allclose(place["z"], AFFINE[2, 2] * depths[15] + AFFINE[2, 3])
    assert_allclose(place["size"], 0.192)  # a slice of twice the thickness
