from __future__ import annotations

import numpy as np
import pytest

from skedema.frames import read_table
from skedema.inspection._asked import asked_about
from skedema.inspection._flips import flips
from skedema.inspection._values import Taken, values_taken

from ._patients import cohort, model, patient


def flips_of(row, reference=None):
    asked = asked_about(model(), row)
    read = None if reference is None else read_table(reference)
    return flips(asked, 0, values_taken(asked, read))


def label_with(row, **values):
    return model().predict(row | values)[0]


def test_each_flip_when_followed_changes_the_prediction_and_just_before_it_does_not():
    row = patient(side="right", sodium=134.0)
    found = flips_of(row)
    own = label_with(row)
    assert len(found)
    for flip in found.itertuples():
        assert label_with(row, **{flip.variable: flip.to}) == flip.label != own
        proba = model().predict_proba(row | {flip.variable: flip.to})[0, 0]
        assert flip.probability == pytest.approx(proba, abs=1e-12)
    (sodium,) = [f for f in found.itertuples() if f.variable == "sodium"]
    step = 1e-2 * (134.0 - sodium.to)
    assert label_with(row, sodium=sodium.to + step) == own
    assert abs(model().predict_proba(row | {"sodium": sodium.to})[0, 0] - 0.5) < 1e-3


def test_a_flip_lies_within_the_values_of_training_or_of_the_reference():
    row = patient(side="right", sodium=134.0)
    (sodium,) = flips_of(row).query("variable == 'sodium'")["to"]
    X, _ = cohort()
    assert X["sodium"].min() <= sodium <= X["sodium"].max()
    assert sodium > 134
    narrow = X[(X["sodium"] < sodium - 0.5) | X["sodium"].isna()]
    assert "sodium" not in set(flips_of(row, narrow)["variable"])


def test_a_category_is_tried_as_it_is_written_and_a_whole_number_stays_whole():
    row = patient(sodium=139.0)
    found = flips_of(row)
    other = found[found["variable"] == "side"]
    assert set(other["to"]) <= {"right", "both"}
    assert (other["side"] == "other").all()
    assert all(float(value).is_integer() for value in found.query("variable == 'gcs'")["to"])


def test_a_missing_value_flips_by_becoming_known():
    row = patient(sodium=None, side=None)
    found = flips_of(row)
    assert (found["side"] == "known").any()
    assert found.loc[found["variable"] == "sodium", "value"].isna().all()
    for flip in found.itertuples():
        assert label_with(row, **{flip.variable: flip.to}) != label_with(row)


def test_nothing_flips_has_no_rows():
    asked = asked_about(model(), patient())
    assert len(flips(asked, 0, {})) == 0
    assert len(flips(asked, 0, {"noise": Taken([0.1, 0.1, 0.1], numeric=False)})) == 0


def test_two_values_are_no_range():
    asked = asked_about(model(), patient())
    taken = values_taken(asked, None)
    assert not taken["coma"].numeric
    assert set(taken["coma"].values) == {0.0, 1.0}
    assert taken["gcs"].whole
    assert not taken["sodium"].whole
    X, _ = cohort()
    assert taken["sodium"].values[0] == X["sodium"].min()
    assert taken["gcs"].grid().tolist() == np.arange(3, 16).tolist()
