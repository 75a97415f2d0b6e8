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
