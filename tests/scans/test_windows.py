from __future__ import annotations

import numpy as np
import pytest

from skedema.scans.windows import WINDOWS, range_name, resolve_windows, to_channels


def test_the_named_windows():
    assert set(WINDOWS) == {"brain", "stroke", "subdural", "bone", "bone_wide"}
    ranges = resolve_windows(("brain", "stroke", "subdural", "bone", "bone_wide"))
    assert ranges == ((0, 80), (20, 60), (-20, 180), (-400, 1600), (-800, 2000))


@pytest.mark.parametrize(
    ("windows", "ranges"),
    [
        (None, ()),
        ("brain", ((0, 80),)),
        ((80, 40), ((0, 80),)),
        ([80, 40], ((0, 80),)),
        (np.array([80, 40]), ((0, 80),)),
        (["brain"], ((0, 80),)),
        ([(80, 40)], ((0, 80),)),
        (["brain", "stroke"], ((0, 80), (20, 60))),
        (("brain", (10, 0.5)), ((0, 80), (-4.5, 5.5))),
        (np.array([[80, 40], [40, 40]]), ((0, 80), (20, 60))),
    ],
    ids=str,
)
def test_every_spelling_of_windows(windows, ranges):
    assert resolve_windows(windows) == ranges


@pytest.mark.parametrize(
    ("windows", "error", "message"),
    [
        ("brian", ValueError, "'brian' is not a known name .did you mean 'brain'"),
        ("Subdural", ValueError, "did you mean 'subdural'"),
        (["brain", "bones"], ValueError, "did you mean 'bone'"),
        ("xyz", ValueError, r"'xyz' is not a known name; give a name \(brain, stroke"),
        ([], ValueError, "is empty"),
        ((0, 40), ValueError, "the width is positive"),
        ((-80, 40), ValueError, "the width is positive"),
        ((np.inf, 40), ValueError, "both are finite"),
        (80, TypeError, "windows=80 is not a window"),
        ((80, 40, 20), TypeError, "80 is not a window"),
        ([("brain", 40)], TypeError, "is not a window"),
        ([None], TypeError, "None is not a window"),
    ],
    ids=str,
)
def test_bad_windows_are_named_with_the_remedy(windows, error, message):
    with pytest.raises(error, match=message):
        resolve_windows(windows)


def test_a_window_maps_its_range_to_0_and_1_and_clips():
    hu = np.array([-1024, 0, 20, 40, 60, 80, 3000], np.float32).reshape(1, 1, 7)
    channels = to_channels(hu, ((0, 80), (20, 60)))
    assert channels.dtype == np.float32
    assert channels[0].ravel().tolist() == [0, 0, 0.25, 0.5, 0.75, 1, 1]
    assert channels[1].ravel().tolist() == [0, 0, 0, 0.5, 1, 1, 1]


def test_no_window_leaves_the_voxels_as_they_are():
    hu = np.array([[[-1024, 3000.5]]], np.float32)
    assert (to_channels(hu, ())[0] == hu).all()


def test_ranges_are_named_for_people():
    ranges = resolve_windows([*WINDOWS, (80, 40), (81, 40)])
    assert [range_name(*each) for each in ranges] == [
        "brain (0 to 80 HU)",
        "stroke (20 to 60 HU)",
        "subdural (-20 to 180 HU)",
        "bone (-400 to 1600 HU)",
        "bone_wide (-800 to 2000 HU)",
        "brain (0 to 80 HU)",
        "-0.5 to 80.5 HU",
    ]
