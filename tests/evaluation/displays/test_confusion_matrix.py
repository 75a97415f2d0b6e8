from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from skedema.evaluation.displays import ConfusionMatrixDisplay


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_cells_are_the_counts_of_scikit_learn(kinds):
    display = kinds.metrics.confusion_matrix().plot()
    for ax, name in zip(display.ax_, kinds.names, strict=True):
        part = kinds.predictions.query("estimator == @name")
        counts = confusion_matrix(part["label"], part["predicted"])
        assert [text.split("\n")[0] for text in texts(ax)] == [f"{c}" for c in counts.ravel()]
        shares = counts / counts.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(ax.images[0].get_array(), shares)
        frame = display.frame().query("estimator == @name")
        np.testing.assert_array_equal(frame["count"], counts.ravel())
        np.testing.assert_allclose(frame["share"], shares.ravel())
        assert ax.get_title() == name
        assert [tick.get_text() for tick in ax.get_yticklabels()] == list(kinds.classes)


def test_positive_class_is_the_last(once):
    display = once.metrics.confusion_matrix()
    assert display.frame()["label"].tolist() == ["none", "none", "edema", "edema"] * 2
    assert "taken for none" in display.description


def test_counts_of_repeats_are_means(twice):
    frame = twice.metrics.confusion_matrix().frame()
    table = twice.confusion_matrix()
    np.testing.assert_array_equal(frame["count"], table.to_numpy().ravel())


def test_label_that_nobody_has_has_no_share():
    display = ConfusionMatrixDisplay.from_predictions(
        ["a", "b", "a"], [[1, 0, 0], [0, 1, 0], [0, 1, 0]], classes=["a", "b", "c"]
    ).plot()
    assert display.frame().set_index("label").loc["c", "share"].isna().all()
    assert texts(display.ax_)[-1] == "0"
    with pytest.raises(ValueError, match="none of the classes"):
        ConfusionMatrixDisplay.from_predictions(["d"], [[1, 0]], classes=["a", "b"])
