from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from skedema import ScanError, VolumeReader
from skedema._pretraining.source import RowSource, ScanSource, holds_rows, take_every_scan
from skedema.scans.cache import volumes

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


def test_digests_tell_scans_files_and_readers_apart(tmp_path):
    path = tmp_path / "a.npy"

    def digest(cells: list, **reader: object) -> str:
        return ScanSource(take_every_scan(cells), VolumeReader(**reader), None, None).digest()

    assert digest(CELLS) == digest([cell.copy() for cell in CELLS])
    assert digest(CELLS) != digest(CELLS[::-1])
    assert digest(CELLS) != digest(CELLS, shape=8)
    np.save(path, CELLS[0])
    before = digest([path])
    content = path.read_bytes()
    np.save(path, np.zeros((5, 5, 5)))
    assert digest([path]) != before
    path.unlink()
    path.write_bytes(content)  # as from a backup
    assert digest([path]) == before


@pytest.mark.slow
def test_processes_read_ahead_what_batches_need():
    cells = [np.full((4, 4, 4), float(100 + k)) for k in range(20)]
    source = ScanSource(take_every_scan(cells), VolumeReader(shape=4), None, 2)
    batches = [np.array(rows) for rows in ([3, 1], [0, 19], [5, 4], [7, 8], [2, 6])]
    volumes.clear()
    before = volumes.n_reads
    given = []
    for rows in source.batches(batches):
        given.append(rows)
        reads = volumes.n_reads
        for row in rows:
            assert source[row].shape == (1, 4, 4, 4)
        assert volumes.n_reads >= reads
    assert all((a == b).all() for a, b in zip(given, batches, strict=True))
    assert volumes.n_reads - before == 10  # each once: none was left for the batch to read


def test_a_scan_that_cannot_be_read_ahead_is_named_when_its_batch_is_due(tmp_path):
    np.save(tmp_path / "bad.npy", np.full((4, 4, 4), np.nan))
    source = ScanSource(take_every_scan([CELLS[0], tmp_path / "bad.npy"]), VolumeReader(), None, 2)
    (rows,) = source.batches([np.array([0, 1])])
    with pytest.raises(ScanError, match=r"row 1: .*bad\.npy.*NaN"):
        source[int(rows[1])]
