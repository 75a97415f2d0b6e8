from __future__ import annotations

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skedema import AttentionMixerClassifier, VolumeReader
from skedema.inspection import SaliencyDisplay, ScanRelevance, explain_scan

pyplot = pytest.importorskip("matplotlib.pyplot")
from skedema.datasets._grid import rotation  # noqa: E402

SHAPE = (40, 44, 20)


def affine_of(flips, degrees=(0, 0, 0)):
    affine = np.eye(4)
    affine[:3, :3] = rotation(np.array(degrees, float)) @ np.diag(np.multiply((4.0, 4, 8), flips))
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(SHAPE) - 1) / 2)
    return affine


def found_at(mm, affine, **fields):
    """Make relevance of a ball around a place, for a scan that is bright there."""
    index = np.moveaxis(np.indices(SHAPE), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    ball = np.exp(-(((index - mm) / 9) ** 2).sum(axis=-1)).astype(np.float32)
    return ScanRelevance(0.3 * ball, 80 * ball, affine, target=1, baseline=0.6, **fields)


@pytest.fixture(autouse=True)
def _closed():
    yield
    pyplot.close("all")


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, -1, 1), (-1, 1, -1)])
@pytest.mark.parametrize("degrees", [(0, 0, 0), (10, -6, 15)])
def test_the_place_is_drawn_where_it_lies_whatever_the_axes(flips, degrees):
    mm = np.array([36.0, -28.0, 16.0])  # right, behind, above
    display = SaliencyDisplay.from_relevance(found_at(mm, affine_of(flips, degrees)))
    display.plot()
    assert len(display.ax_) == 3
    for ax, (i, j) in zip(display.ax_, [(0, 1), (0, 2), (1, 2)], strict=True):
        grey, over = ax.images
        assert grey.get_extent() == over.get_extent()
        for image in (grey.get_array(), over.get_array()[..., 3]):
            row, column = np.unravel_index(image.argmax(), image.shape)
            left, right, bottom, top = grey.get_extent()
            x = left + (column + 0.5) * (right - left) / image.shape[1]
            y = bottom + (row + 0.5) * (top - bottom) / image.shape[0]
            assert_allclose([x, y], mm[[i, j]], atol=4.5)
        assert ax.get_aspect() == 1.0
        assert ax.xaxis_inverted()  # right and front are on the left
    texts = [[text.get_text() for text in ax.texts] for ax in display.ax_]
    assert texts == [["R", "L"], ["R", "L"], ["A", "P"]]
    assert "right (R) is on the left" in display.figure_._suptitle.get_text()


def test_colours_are_signed_and_have_a_unit():
    found = found_at([0, 0, 0], affine_of((1, 1, 1)), unit="change of the probability")
    for sign, channel in ((1, 0), (-1, 2)):
        signed = ScanRelevance(
            sign * found.relevance, found.hu, found.affine, target=1, unit=found.unit
        )
        display = SaliencyDisplay(signed).plot()
        rgba = display.ax_[0].images[1].get_array()
        middle = rgba[np.unravel_index(rgba[..., 3].argmax(), rgba.shape[:2])]
        assert middle[channel] > 2 * middle[2 - channel]
        bar = display.figure_.axes[-1]
        assert bar.get_ylabel() == "occlusion: change of the probability"
        low, high = bar.get_ylim()
        assert_allclose([low, high], [-np.abs(signed.relevance).max(), -low], rtol=1e-5)


def test_it_is_made_of_a_classifier_too(heads):
    X, y = heads
    clf = AttentionMixerClassifier(
        image="scan", encoder="cnn", volume=VolumeReader(spacing=11, shape=18), max_epochs=1
    )
    clf.set_params(random_state=0, trusted_columns=["gcs"]).fit(X, y)
    display = SaliencyDisplay.from_estimator(clf, X.iloc[0], size=60, target=0)
    found = explain_scan(clf, X.iloc[0], size=60, target=0)
    assert display.description == found.description
    assert display.frame().equals(found.most_relevant())
    _, axes = pyplot.subplots(1, 3)
    assert display.plot(axes, window=(100, 30)) is display
    assert list(display.ax_) == list(axes)
    assert axes[0].images[0].get_clim() == (-20, 80)


def test_uneven_slices_and_scans_without_geometry_are_drawn():
    depths = np.concatenate([np.arange(10.0), 10 + 2 * np.arange(10.0)])
    found = found_at([0, 0, 0], affine_of((1, 1, 1)), depths=depths)
    *_, bottom, top = SaliencyDisplay(found).plot().ax_[1].images[0].get_extent()
    assert top - bottom > 8 * 28 * 0.95
    bare = ScanRelevance(found.relevance, found.hu, None, target=1)
    assert "voxels" in SaliencyDisplay(bare).plot().ax_[0].get_xlabel()


def test_nothing_relevant_is_drawn_through_the_middle():
    none = ScanRelevance(
        np.zeros(SHAPE, np.float32), np.zeros(SHAPE), affine_of((1, 1, 1)), target=1
    )
    display = SaliencyDisplay(none).plot()
    assert display.ax_[0].get_title().endswith("z = 0 mm")
    assert display.frame().empty


def test_three_axes_are_needed_and_matplotlib(monkeypatch):
    display = SaliencyDisplay(found_at([0, 0, 0], affine_of((1, 1, 1))))
    _, ax = pyplot.subplots()
    with pytest.raises(ValueError, match="3 panels"):
        display.plot(ax)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        display.plot()
