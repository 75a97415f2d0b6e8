from __future__ import annotations

import numpy as np
import pytest

from skedema.scans import ScanError
from skedema.scans.dicom._load import load_dicom
from skedema.scans.grid import resample

from ._ramp import (
    AXIAL,
    CHANGING,
    COLUMNS,
    EVEN,
    ROWS,
    SLOPE,
    assert_is_the_ramp,
    cosines,
    positions_of,
    write_series,
)

TILT = tuple(-np.tan(np.radians(18.5)) * np.array(cosines(18.5)[3:]))


@pytest.mark.parametrize("steps", [EVEN, CHANGING], ids=["even", "uneven"])
@pytest.mark.parametrize(
    ("orientation", "slide"),
    [
        (AXIAL, (0, 0, 0)),
        (AXIAL, (0, -0.3, 0)),
        (cosines(18.5), TILT),  # the table moves along z, the gantry is tilted
        (cosines(20), (0, 0, 0)),
        (cosines(33, "z"), (0.1, 0.1, 0)),
        ((-1, 0, 0, 0, 1, 0), (0, 0, 0)),
        ((0, 1, 0, 1, 0, 0), (0, 0, 0)),
        ((1, 0, 0, 0, 0, -1), (0, 0, 0)),
    ],
    ids=["axial", "slid", "tilted", "oblique", "turned", "mirrored", "transposed", "coronal"],
)
def test_every_voxel_lies_where_the_positions_say(tmp_path, orientation, slide, steps):
    write_series(tmp_path, steps, orientation, slide)
    scan = load_dicom(tmp_path, "exam")
    assert scan.voxels.shape == (COLUMNS, ROWS, len(steps) + 1)
    assert scan.voxels.dtype == np.float32
    assert scan.affine.dtype == np.float64
    assert (scan.depths is None) == (steps == EVEN)
    assert_is_the_ramp(scan)


def test_a_tilted_uneven_series_is_a_ramp_on_the_grid_too(tmp_path):
    write_series(tmp_path, CHANGING, cosines(18.5), TILT)
    scan = load_dicom(tmp_path, "exam")
    grid = resample(*scan[:2], (0.8, 0.9, 0.7), (5, 5, 5), -1024, scan.depths)
    slopes = [np.diff(grid, axis=axis).mean() for axis in range(3)]
    np.testing.assert_allclose(slopes, SLOPE * (0.8, 0.9, 0.7), atol=0.1)


def test_depths_are_the_positions_of_the_slices(tmp_path):
    write_series(tmp_path, CHANGING, slide=(0, 0.2, 0))
    scan = load_dicom(tmp_path, "exam")
    assert scan.depths[0] == 0
    assert scan.depths[-1] == pytest.approx(len(CHANGING))
    assert (np.diff(scan.depths) > 0).all()
    origins = scan.affine[:3, 2:3] * scan.depths + scan.affine[:3, 3:]
    expected = positions_of(CHANGING, slide=(0, 0.2, 0)).T * [[-1], [-1], [1]]
    np.testing.assert_allclose(origins, expected, atol=1e-6)


def test_steps_rounded_to_a_hundredth_of_a_mm_are_even(tmp_path):
    write_series(tmp_path / "a", np.diff(np.round(np.arange(9) * 0.625, 2)))
    assert load_dicom(tmp_path / "a", "exam").depths is None
    write_series(tmp_path / "b", np.diff(np.round(np.arange(9) * 0.625, 1)))
    assert load_dicom(tmp_path / "b", "exam").depths is not None


@pytest.mark.parametrize(
    "steps",
    [(5, 5, 10, 5, 5), (5, 5, 5, 15, 15, 5, 5), (40, 5, 5, 5), (5, 5, 5, 9.1), (20, 20, 20)],
    ids=str,
)
def test_missing_slices_are_not_interpolated(tmp_path, steps):
    write_series(tmp_path, steps)
    with pytest.raises(ScanError, match=r"slices are missing between positions -?\d+\.\d\d and -?"):
        load_dicom(tmp_path, "exam")


@pytest.mark.parametrize(
    "steps",
    [
        (4.22, 4.22, 4.22, 1.14, 7.38, 7.38, 7.38),
        (3, 3, 3, 10, 10, 10),
        (1, 5, 1, 5, 1, 5),
        (10, 10),
        (5,),
    ],
    ids=str,
)
def test_steps_may_change_within_a_series(tmp_path, steps):
    write_series(tmp_path, steps)
    assert_is_the_ramp(load_dicom(tmp_path, "exam"))


def test_orientations_that_are_no_directions_are_refused(tmp_path):
    for k, orientation in enumerate([(0.5, 0, 0, 0, 1, 0), (1, 0, 0, 0.6, 0.8, 0), (0,) * 6]):
        write_series(tmp_path / str(k), orientation=orientation, steps=(0,) * 3)
        with pytest.raises(ScanError, match="is not two unit vectors at right angles"):
            load_dicom(tmp_path / str(k), "exam")


def test_slices_that_slide_more_than_they_rise_are_refused(tmp_path):
    write_series(tmp_path, slide=(0, 1.5, 0))
    with pytest.raises(ScanError, match=r"slide sideways, by an angle of 56 degrees"):
        load_dicom(tmp_path, "exam")
