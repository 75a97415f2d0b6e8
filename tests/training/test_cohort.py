from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skedema import ScanError
from skedema._training.classes import Classes, read_labels
from skedema._training.cohort import read_cohort, split_patients
from skedema._training.columns import Columns
from skedema._training.target import Target
from skedema.frames import read_table

X = pd.DataFrame({"age": [61.0, 70.0, 55.0, 48.0], "scan": [None, "gone.nii", None, None]})
Y = np.array([0, 1, 0, 1])


def read(X, y=Y, weight=None, columns=None, image=None):
    def new_columns(table):
        return Columns(table, image, "Anything")

    return read_cohort(X, y, weight, read_y=read_labels, columns=columns, new_columns=new_columns)


def test_patients_of_weight_0_are_left_out_before_files_are_looked_for():
    with pytest.raises(ScanError, match=r"1 of 1 scans .* is not there, in row 1: 'gone.nii'"):
        read(X, image="scan")
    cohort = read(X, weight=[1, 0, 2, 1], image="scan")
    assert len(cohort.table) == len(cohort.scans) == 3
    assert cohort.labels.tolist() == [0, 0, 1]
    assert cohort.weight.tolist() == [1, 2, 1]
    some = cohort.take(np.array([2]))
    assert some.table.rows(np.array([0])).startswith("row 3")  # of the whole table
    assert (some.labels.tolist(), len(some.scans)) == ([1], 1)


def test_a_fit_that_goes_on_keeps_its_columns():
    columns = Columns(read_table(X), "scan", "Anything")
    other = X[["scan", "age"]].assign(scan=None)
    cohort = read(other, columns=columns)
    assert cohort.columns is columns
    assert cohort.table.names == ["age", "scan"]


def test_a_table_and_labels_that_were_swapped_are_told():
    with pytest.raises(ValueError, match="X and y look swapped"):
        read(Y, X)


def of_codes(codes: np.ndarray) -> Target:
    return Target(Classes(2), codes, np.ones(len(codes)), codes)


def test_who_is_watched_is_of_every_class_and_not_learned_from():
    codes = np.repeat([0, 1], [30, 10])
    asked = {"early_stopping": True, "validation_fraction": 0.2, "seed": 0}
    train, valid = split_patients(of_codes(codes), **asked)
    assert np.bincount(codes[valid]).tolist() == [6, 2]
    assert sorted([*train, *valid]) == list(range(40))
    everyone, nobody = split_patients(of_codes(codes), **(asked | {"early_stopping": "auto"}))
    assert (len(everyone), nobody) == (40, None)
    with pytest.raises(ValueError, match=r"the classes have \[3, 1\].*early_stopping=False"):
        split_patients(of_codes(np.array([0, 0, 0, 1])), **asked)
