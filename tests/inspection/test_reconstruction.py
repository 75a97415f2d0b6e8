from __future__ import annotations

import numpy as np
import pytest

from skedema.inspection import ReconstructionDisplay

from .._autoencoders import make, make_cohort


@pytest.fixture(scope="module")
def display():
    scans, _ = make_cohort(8)
    return ReconstructionDisplay.from_estimator(make(max_epochs=1).fit(scans), scans.iloc[0])


def test_only_what_was_hidden_differs(display):
    frame = display.frame().set_index("part")
    assert frame.loc["shown", "mean_absolute"] == 0
    off = (display.rebuilt - display.volume)[display.hidden]
    assert frame.loc["hidden", "mean_absolute"] == pytest.approx(np.abs(off).mean())
    assert frame["n_voxels"].sum() == display.volume.size
    assert display.hidden.mean() == pytest.approx(0.75, abs=0.05)  # the autoencoder's mask ratio


def test_planes_go_through_the_middle(display):
    axes = display.plot().ax_
    assert len(axes) == 12
    middle = display.volume.shape[2] // 2
    scan, shown, rebuilt, difference = (each.images[0].get_array() for each in axes[:4])
    np.testing.assert_array_equal(scan, display.volume[:, :, middle].T)
    np.testing.assert_array_equal(shown.mask, display.hidden[:, :, middle].T)
    np.testing.assert_allclose(difference, np.abs(rebuilt - scan))
    assert display.figure_.axes[12].get_ylabel().startswith("Absolute difference")
    assert axes[0].xaxis_inverted()  # the patient's right on the left
    assert axes[0].get_xlabel() == "R ← → L"


def test_description_has_the_numbers(display):
    off = display.frame()["mean_absolute"][0]
    assert f"differ by {off:.3f}" in display.description
