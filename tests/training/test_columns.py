from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skedema._training.columns import Columns
from skedema.frames import read_table

X = pd.DataFrame(
    {"age": [61.0, 70.0, 55.0], "scan": [np.zeros((2, 2, 2)), None, None], "sex": ["f", "m", "m"]}
)


def test_a_table_is_split_into_scans_and_the_rest():
    columns = Columns(read_table(X), "scan", "Anything")
    assert (columns.images, columns.clinical) == ([1], [0, 2])
    table = columns.read(X[["sex", "scan", "age"]])
    assert columns.clinical_part(table).names == ["age", "sex"]
    assert columns.scans(table).present.tolist() == [True, False, False]
    without = Columns(read_table(X.drop(columns="scan")), None, "Anything")
    assert without.clinical == [0, 1]
    assert not without.scans(read_table(X.drop(columns="scan"))).present.any()


def test_one_patient_and_columns_of_others_are_told_apart():
    columns = Columns(read_table(X), -2, "Anything")
    assert len(columns.read(X.iloc[1])) == 1
    assert not columns.scans(columns.read({"age": 5, "sex": "f"})).present.any()
    with pytest.raises(ValueError, match=r"columns Anything was fitted on.*missing now: 'sex'"):
        columns.read(X.drop(columns="sex"))


def test_patients_to_learn_from_have_a_scan_between_them():
    columns = Columns(read_table(X), "scan", "Anything")
    columns.refuse_no_scan(columns.scans(read_table(X)))
    with pytest.raises(ValueError, match=r"Column 'scan' holds no scan at all.*encoder=None"):
        columns.refuse_no_scan(columns.scans(read_table(X[1:])))


def test_scans_that_are_not_read_are_left_out_with_their_column():
    columns = Columns(read_table(X), "scan", "Anything", reads_scans=False)
    assert columns.clinical == [0, 2]
    gone = X.assign(scan=["gone.nii", 3.5, object()])  # not looked at
    assert not columns.scans(columns.read(gone)).present.any()
    columns.refuse_no_scan(columns.scans(read_table(X[1:])))
    with pytest.raises(ValueError, match=r"'scan' there is nothing to learn from.*encoder=None"):
        Columns(read_table(X[["scan"]]), "scan", "Anything", reads_scans=False)


def test_several_columns_of_scans_keep_their_order():
    pairs = X.assign(later=[None, np.ones((2, 2, 2)), None])
    columns = Columns(read_table(pairs), ["later", "scan"], "Anything")
    assert (columns.images, columns.clinical) == ([3, 1], [0, 2])
    assert columns.scan_names == ["later", "scan"]
    scans = columns.scans(columns.read(pairs[["sex", "scan", "later", "age"]]))
    assert scans.by_patient(scans.present).tolist() == [[False, True], [True, False], [False] * 2]
    assert not columns.scans(columns.read({"age": 5, "sex": "f"})).present.any()
    assert Columns(read_table(X), ["scan"], "Anything").images == [1]
    columns.refuse_no_scan(columns.scans(read_table(pairs)))
    with pytest.raises(ValueError, match=r"^Columns 'later' and 'scan' hold no scan at all.*out\."):
        columns.refuse_no_scan(columns.scans(read_table(pairs[2:])))
