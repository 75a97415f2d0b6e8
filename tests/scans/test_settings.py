from __future__ import annotations

import numpy as np
import pytest

from skedema.scans import VolumeReader


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"spacing": 0}, ValueError, "spacing=0: give a number of mm above 0, or three"),
        ({"spacing": (1, 2)}, ValueError, "spacing="),
        ({"spacing": (1, 2, -3)}, ValueError, "spacing="),
        ({"spacing": (1, 2, np.nan)}, ValueError, "spacing="),
        ({"spacing": np.inf}, ValueError, "spacing="),
        ({"spacing": "1mm"}, TypeError, "spacing='1mm': give a number of mm"),
        ({"spacing": True}, TypeError, "spacing=True"),
        ({"shape": 0}, ValueError, "shape=0: give a whole number above 0"),
        ({"shape": (96, 96)}, ValueError, "shape="),
        ({"shape": 96.0}, TypeError, "shape=96.0: give a whole number"),
        ({"shape": None}, TypeError, "shape=None"),
        ({"windows": "brian"}, ValueError, "did you mean 'brain'"),
        ({"windows": 3}, TypeError, "windows=3"),
    ],
    ids=str,
)
def test_bad_parameters_are_named_at_fit_read_and_transform(parameters, error, message):
    reader = VolumeReader(**parameters)
    for call in (reader.fit, reader.transform, reader.read, reader.show):
        with pytest.raises(error, match=message):
            call([np.zeros((2, 2, 2))])
    with pytest.raises(error, match=message):
        reader.summary()


def test_equal_settings_mean_equal_volumes():
    same = [
        VolumeReader(spacing=2, shape=8, windows="brain"),
        VolumeReader(spacing=(2.0, 2, 2), shape=[8, 8, 8], windows=[(80, 40)], n_jobs=2, verbose=1),
    ]
    assert len({reader.settings() for reader in same}) == 1
    assert VolumeReader(windows="stroke").settings() != VolumeReader().settings()


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"head_margin": -1}, ValueError),
        ({"head_margin": np.nan}, ValueError),
        ({"head_margin": True}, TypeError),
        ({"skull_strip": 1}, TypeError),
    ],
)
def test_senseless_cuts_are_refused(parameters, error):
    with pytest.raises(error, match=next(iter(parameters))):
        VolumeReader(**parameters).settings()


SCAN = {"axes": "scan"}


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"axes": "patients"}, ValueError, 'give "patient" or "scan"'),
        ({"axes": None}, ValueError, "axes: None"),
        ({**SCAN, "first_spacing": 0}, ValueError, "first_spacing=0: give a number of mm"),
        ({**SCAN, "first_spacing": "1"}, TypeError, "first_spacing='1'"),
        ({"crop": "head"}, ValueError, 'give "foreground", a number of HU, or None'),
        ({"crop": True}, TypeError, "crop=True"),
        ({"crop": np.nan}, ValueError, "crop=nan"),
        ({"window_first": 1}, TypeError, "window_first=1: give True or False"),
        ({"window_first": True, "windows": None}, ValueError, "needs windows, not windows=None"),
        ({**SCAN, "interpolation": "bilinear"}, ValueError, '"linear", "cubic", "area" or "near'),
        ({**SCAN, "interpolation": ("area", "area")}, ValueError, "give one, or three"),
        ({**SCAN, "interpolation": None}, ValueError, "interpolation: None is not known"),
        ({"spacing": "squared"}, TypeError, "spacing='squared'"),
        ({"crop": 0, "head_margin": 5}, ValueError, "leave one of them None"),
    ],
    ids=str,
)
def test_what_is_done_before_the_grid_is_validated(parameters, error, message):
    with pytest.raises(error, match=message):
        VolumeReader(**parameters).settings()


@pytest.mark.parametrize("own", [{"first_spacing": 1.0}, {"interpolation": "area"}], ids=str)
def test_what_goes_along_the_axes_of_the_scan_says_so(own):
    with pytest.raises(ValueError, match=f'{next(iter(own))}=.*give axes="scan" with it'):
        VolumeReader(**own).settings()
    VolumeReader(**own, axes="scan").settings()


@pytest.mark.parametrize("turning", [{"align": True}, {"template": "head"}], ids=str)
@pytest.mark.parametrize(
    "own",
    [SCAN, {**SCAN, "first_spacing": 1.0}, {"crop": 0}, {**SCAN, "interpolation": "area"}],
    ids=str,
)
def test_heads_that_are_turned_have_no_other_axes_and_the_remedies_work(turning, own):
    with pytest.raises(ValueError, match=f"leave {', '.join(own)} at the default, or "):
        VolumeReader(**turning, **own).settings()
    VolumeReader(**turning).settings()
    VolumeReader(**own).settings()
    with pytest.raises(ValueError, match="needs a spacing in mm, not spacing='square'"):
        VolumeReader(**turning, spacing="square").settings()


def test_new_parameters_are_told_only_where_they_differ_so_that_older_volumes_are_known():
    old = ((2.25,) * 3, (96,) * 3, ((0.0, 80.0),), None, False, False, None, None, None)
    assert VolumeReader().settings().identity == old
    same = VolumeReader(axes="patient", window_first=True, interpolation=["linear"] * 3)
    assert same.settings().identity == old  # one window is clipped to first, anyway
    readers = [
        VolumeReader(),
        VolumeReader(axes="scan"),
        VolumeReader(axes="scan", first_spacing=1),
        VolumeReader(axes="scan", interpolation="area"),
        VolumeReader(axes="scan", interpolation=("area", "area", "nearest")),
        VolumeReader(crop="foreground"),
        VolumeReader(crop=-300),
        VolumeReader(spacing="square"),
        VolumeReader(spacing=None),
        VolumeReader(windows=["brain", "bone"]),
        VolumeReader(windows=["brain", "bone"], window_first=True),
    ]
    assert len({reader.settings().identity for reader in readers}) == len(readers)
    assert len({reader.summary() for reader in readers}) == len(readers)
    assert VolumeReader(crop="foreground").settings() == VolumeReader(crop=0).settings()


def test_all_that_is_done_is_told_in_its_order():
    reader = VolumeReader(
        spacing="square",
        shape=(256, 256, 48),
        windows=["brain", "bone_wide"],
        axes="scan",
        first_spacing=(1, 1, 2),
        crop="foreground",
        window_first=True,
        interpolation=("area", "area", "nearest"),
    )
    assert reader.summary() == (
        "along each scan's own axes, first 1 x 1 x 2 mm by cubic splines, cropped to what is above "
        "0 HU, RAS grid of 256 x 256 x 48 voxels over each scan's field of view, made square by "
        "area x area x nearest voxel, windows brain (0 to 80 HU), bone_wide (-800 to 2000 HU), "
        "each before it is brought there"
    )
