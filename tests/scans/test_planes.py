from __future__ import annotations

import sys

import nibabel as nib
import numpy as np
import pytest

from skedema.scans import ScanError, VolumeReader
from skedema.scans._planes import voxel_size
from skedema.scans.scan import Scan

plt = pytest.importorskip("matplotlib.pyplot")

# A mark (x, y, z) near the right, anterior, superior corner, on the planes x = 0, y = 0 and z = 0
# (at index 8 of 16) once each.
MARKS = {"axial": (12, 11, 8), "coronal": (12, 8, 13), "sagittal": (8, 11, 13)}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def marked():
    voxels = np.zeros((16, 16, 16), dtype=np.int16)
    for at in MARKS.values():
        voxels[at] = 80
    return nib.Nifti1Image(voxels, np.diag([2.0, 2.0, 2.0, 1.0]))


def brightest(figure, axes):
    """Where the bright pixels lie on the paper, from the left and the bottom of axes (0 to 1)."""
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[::-1, :, 0].astype(float)
    box = axes.get_window_extent()
    inner = pixels[round(box.y0) + 3 : round(box.y1) - 3, round(box.x0) + 3 : round(box.x1) - 3]
    rows, columns = np.nonzero(inner > 200)
    return columns.mean() / inner.shape[1], rows.mean() / inner.shape[0]


@pytest.mark.parametrize("turn", ["RAS", "LAS", "LPI", "PSR"])
def test_right_is_left_and_anterior_superior_are_up_whatever_the_file(marked, turn):
    codes = nib.orientations.axcodes2ornt(turn)
    turned = marked.as_reoriented(
        nib.orientations.ornt_transform(nib.io_orientation(marked.affine), codes)
    )
    figure = VolumeReader(shape=16, spacing=2).show(turned)
    assert len(figure.axes) == 3
    for axes, (plane, at) in zip(figure.axes, MARKS.items(), strict=True):
        assert axes.get_title() == f"{plane}, brain (0 to 80 HU)"
        x, y, z = (np.array(at) + 0.5) / 16
        expected = {"axial": (1 - x, y), "coronal": (1 - x, z), "sagittal": (1 - y, z)}[plane]
        np.testing.assert_allclose(brightest(figure, axes), expected, atol=0.03)


def test_axes_say_which_side_is_which(marked):
    axial, coronal, sagittal = VolumeReader(shape=16, spacing=2).show(marked).axes
    assert axial.get_xlabel() == coronal.get_xlabel() == "R ← x (mm) → L"
    assert axial.get_ylabel() == "P ← y (mm) → A"
    assert sagittal.get_xlabel() == "A ← y (mm) → P"
    assert coronal.get_ylabel() == sagittal.get_ylabel() == "I ← z (mm) → S"


def test_voxels_have_their_true_proportions(marked):
    figure = VolumeReader(shape=(8, 16, 4), spacing=(1, 2, 9)).show(marked)
    half = {"x": 4, "y": 16, "z": 18}
    for axes, (across, upward) in zip(figure.axes, ["xy", "xz", "yz"], strict=True):
        assert axes.get_aspect() == 1
        assert axes.get_xlim() == (half[across], -half[across])
        assert axes.get_ylim() == (-half[upward], half[upward])


def test_each_window_is_a_row_and_nothing_else_is_drawn(marked):
    reader = VolumeReader(shape=8, windows=["brain", (100, 40), "bone"])
    figure = reader.show(marked)
    assert [axes.get_title() for axes in figure.axes[::3]] == [
        "axial, brain (0 to 80 HU)",
        "axial, -10 to 90 HU",
        "axial, bone (-400 to 1600 HU)",
    ]
    volume = reader.read(marked)
    for axes, channel in zip(figure.axes[::3], volume, strict=True):
        [image] = axes.get_images()
        np.testing.assert_array_equal(image.get_array(), channel[:, :, 4].T)
        assert image.get_clim() == (0, 1)
    assert figure.get_suptitle().endswith(f"\n{reader.summary()}")


def test_raw_intensities_span_black_to_white(marked):
    figure = VolumeReader(shape=16, spacing=2.0, windows=None).show(marked)
    assert figure.axes[0].get_title() == "axial, 0 to 80 HU"
    assert {axes.get_images()[0].get_clim() for axes in figure.axes} == {(0, 80)}


def test_an_array_is_drawn_in_its_own_proportions_and_says_so():
    figure = VolumeReader(shape=8).show(np.zeros((20, 10, 6)))
    axes = figure.axes[1]
    assert axes.get_xlim() == (10, -10)
    assert axes.get_ylim() == (-3, 3)
    assert axes.get_xlabel() == "R ← x (voxels) → L"
    assert "array of shape (20, 10, 6); no geometry: axes taken to be" in figure.get_suptitle()


def test_the_file_is_named_and_what_cannot_be_read_is_not_drawn(write_scan, tmp_path):
    path = write_scan(np.arange(64, dtype=np.int16).reshape(4, 4, 4))
    reader = VolumeReader(shape=4)
    assert reader.show(path).get_suptitle().startswith(f"{path}\n")
    with pytest.raises(ScanError, match=r"gone\.nii: there is no such file"):
        reader.show(tmp_path / "gone.nii")
    assert len(plt.get_fignums()) == 1


def test_the_remedy_is_named_where_matplotlib_is_missing(marked, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="show needs matplotlib: pip install matplotlib"):
        VolumeReader(shape=4).show(marked)


def test_size_of_a_voxel():
    voxels = np.zeros((10, 20, 5), dtype=np.float32)
    affine = np.array([[0, 0, 4.0, 0], [-2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    scan = Scan(voxels, affine)
    assert voxel_size(scan, (1, 2, 3), (5, 5, 5)).tolist() == [1, 2, 3]
    assert voxel_size(scan, None, (5, 5, 5)).tolist() == [4, 4, 4]
    assert voxel_size(Scan(voxels, None), (1, 2, 3), (5, 5, 5)).tolist() == [2, 4, 1]
    uneven = Scan(voxels, affine, np.array([0, 1, 2, 3, 6.0]))  # from -0.5 to 7.5
    assert voxel_size(uneven, None, (4, 5, 5)).tolist() == [8, 4, 4]
