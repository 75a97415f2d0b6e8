from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from skedema import ScanError, VolumeReader
from skedema._pretraining.source import RowSource, holds_rows
from skedema._scan_column import take_every_scan

CELLS = [np.full((4, 4, 4), float(k)) for k in range(3)]


def in_a_column(cells: list) -> np.ndarray:
    column = np.empty((len(cells), 1), dtype=object)
    column[:, 0] = [0] * len(cells)
    for row, cell in enumerate(cells):
        column[row, 0] = cell
    return column


@pytest.mark.parametrize(
    "X",
    [
        np.zeros((3, 4)),
        np.zeros(3),
        np.zeros((3, 1)),
        np.zeros((3, 4)).astype(object),
        [[1.0, 2.0], [3.0, 4.0]],
        [1.0, 2.0],
        [np.zeros(4)],
        pd.DataFrame(np.zeros((3, 4))),
        pd.DataFrame({"a": [1.0, 2.0]}),
        pl.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0]}),
        sparse.csr_array(np.zeros((3, 4))),
    ],
)
def test_tables_of_numbers_are_rows(X):
    assert holds_rows(X)


@pytest.mark.parametrize(
    "X",
    [
        CELLS,
        tuple(CELLS),
        np.stack(CELLS),
        in_a_column(CELLS),
        in_a_column(CELLS)[:, 0],
        pd.Series(CELLS),
        pd.DataFrame({"scan": CELLS}),
    ],
)
def test_every_container_of_scans_gives_its_scans(X):
    assert not holds_rows(X)
    scans = take_every_scan(X)
    assert [cell[0, 0, 0] for cell in scans.cells] == [0, 1, 2]


@pytest.mark.parametrize("container", [list, np.array, pd.Series, pl.Series])
def test_paths_are_scans_in_any_container(container, tmp_path):
    paths = [str(tmp_path / f"{k}.npy") for k in range(3)]
    for path, cell in zip(paths, CELLS, strict=True):
        np.save(path, cell)
    X = container(paths)
    assert not holds_rows(X)
    assert take_every_scan(X).cells.tolist() == paths


def test_missing_scans_are_named_by_row_and_index():
    X = pd.Series([CELLS[0], None, CELLS[1], np.nan], index=["P1", "P2", "P3", "P4"])
    with pytest.raises(ScanError, match=r"2 of 4 scans are missing, in rows 1, 3.*'P2', 'P4'"):
        take_every_scan(X)


def test_files_that_are_not_there_are_named_before_anything_is_read(tmp_path):
    with pytest.raises(ScanError, match=r"row 1.*nowhere\.nii"):
        take_every_scan([CELLS[0], str(tmp_path / "nowhere.nii")])


def test_rows_of_another_length_say_what_is_expected():
    with pytest.raises(ValueError, match=r"\(4, 4, 4\) voxels.*rows of 128.*n_features=7"):
        RowSource(np.zeros((3, 7), dtype=np.float32), (2, 4, 4, 4))


def test_a_row_is_a_volume_as_the_reader_gives_it():
    reader = VolumeReader(shape=(4, 3, 2), windows=["brain", "bone"])
    made = reader.transform([np.random.default_rng(0).normal(40, 20, (4, 3, 2))])
    rows = RowSource(made.reshape(1, -1), (2, 4, 3, 2))
    assert (rows[0] == made[0]).all()
