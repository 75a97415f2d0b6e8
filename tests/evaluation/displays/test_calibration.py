from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, norm
from sklearn.calibration import calibration_curve
from sklearn.isotonic import IsotonicRegression

from skedema.evaluation.displays import CalibrationDisplay

from ._drawn import line, of


@pytest.mark.parametrize("n_bins", [3, 5])
def test_points_are_those_of_scikit_learn(once, n_bins):
    display = once.metrics.calibration(n_bins=n_bins).plot()
    for ax, name in zip(display.ax_, once.names, strict=True):
        wanted = calibration_curve(*of(once, name, "edema"), n_bins=n_bins, strategy="quantile")
        points = np.array(ax.containers[0].lines[0].get_data(), dtype=float)
        np.testing.assert_allclose(points, wanted[::-1])
        frame = display.frame().query("estimator == @name")
        np.testing.assert_allclose(frame[["observed", "predicted"]].T, wanted)


def test_line_is_the_isotonic_regression(once):
    ax = once.metrics.calibration().plot().ax_[1]
    label, probability = of(once, "strong", "edema")
    x, y = line(ax, "isotonic")
    np.testing.assert_allclose(
        y, IsotonicRegression(y_min=0, y_max=1).fit(probability, label).predict(x)
    )
    assert (np.diff(y) >= 0).all()


def test_intervals_are_wilsons_and_never_empty(once):
    frame = once.metrics.calibration(n_bins=4).frame()
    for row in frame.itertuples():
        found = binomtest(round(row.observed * row.n_rows), row.n_rows)
        wanted = found.proportion_ci(method="wilson")
        np.testing.assert_allclose([row.low, row.high], wanted)
    certain = CalibrationDisplay.from_predictions([0, 0, 0, 1, 1, 1], [0.1] * 3 + [0.9] * 3)
    assert (certain.frame()["high"] - certain.frame()["low"] > 0.3).all()


def test_repeats_do_not_make_more_patients(twice):
    frame = twice.metrics.calibration(n_bins=3).frame().query("estimator == 'weak'")
    assert frame["n_rows"].sum() == 180
    assert frame["n_patients"].max() < 60 + 10
    assert (frame["n_patients"] < frame["n_rows"]).all()


def test_histogram_holds_every_row(once):
    ax = once.metrics.calibration().plot().ax_[0]
    (below,) = ax.child_axes
    assert sum(bar.get_height() for bar in below.patches) == 90
    assert below.get_xlabel() == "Predicted probability"


def test_each_estimator_and_class_has_a_panel(kinds):
    display = kinds.metrics.calibration().plot()
    assert len(display.ax_) == 6
    assert display.ax_[0].get_title() == "weak, class 'mild' against the rest"
    one = kinds.metrics.calibration(pos_label="severe")
    assert set(one.frame()["class"]) == {"class 'severe' against the rest"}
    assert "predicted" in one.description


def test_share_of_few_patients_with_many_rows_is_not_rounded():
    """Two patients with five rows each: a share of 0.6 is none of 0, 1 and 2 of 2."""
    label, patient = [1, 0, 1, 0, 1, 1, 0, 1, 0, 1], np.repeat([0, 1], 5)
    display = CalibrationDisplay.from_predictions(label, [0.6] * 10, groups=patient)
    (row,) = display.frame().itertuples()
    assert (row.n_rows, row.n_patients, row.observed) == (10, 2, 0.6)
    z2, n = norm.ppf(0.975) ** 2, 2
    for end in (row.low, row.high):  # where Wilson's score test just rejects
        assert (0.6 - end) ** 2 == pytest.approx(z2 * end * (1 - end) / n)


@pytest.mark.parametrize("n_bins", [0, 2.5])
def test_number_of_bins_is_checked(once, n_bins):
    with pytest.raises((TypeError, ValueError), match="n_bins"):
        once.metrics.calibration(n_bins=n_bins)
