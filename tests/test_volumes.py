from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skedema import ScanError, VolumeReader
from skedema._scan_column import Scans, take_scans
from skedema._volumes import Volumes
from skedema.frames import read_table
from skedema.scans.cache import volumes

CELLS = [np.full((4, 4, 4), float(k)) for k in range(3)]


def scans(cells: list) -> Scans:
    column = np.empty(len(cells), dtype=object)
    for row, cell in enumerate(cells):
        column[row] = cell
    return take_scans(read_table(pd.DataFrame({"scan": column})), 0)


def test_volumes_are_those_of_the_reader_for_who_has_a_scan():
    reader = VolumeReader(shape=4, spacing=None)
    found = Volumes(scans([CELLS[1], None, CELLS[2]]), reader)
    assert (len(found), found.rows.tolist(), found.shape) == (3, [0, 2], (1, 4, 4, 4))
    expected = reader.transform([CELLS[1], CELLS[2]])
    np.testing.assert_array_equal(found[2], expected[1])
    np.testing.assert_array_equal(list(found.stream(found.rows)), expected)
    assert list(found.keys) == list(found.about()) == [0, 2]


def test_what_is_streamed_is_kept_if_it_comes_again():
    found = Volumes(
        scans([np.full((4, 4, 4), 7.0), np.full((4, 4, 4), 8.0)]), VolumeReader(shape=4)
    )
    for keep, again in ((False, 2), (True, 0)):
        volumes.clear()
        list(found.stream(found.rows, keep=keep))
        before = volumes.n_reads
        _ = found[0], found[1]
        assert volumes.n_reads - before == again


def test_nothing_is_told_of_scans_that_are_read_in_a_way_not_known():
    found = Volumes(scans(CELLS), None)
    assert found.about() == {}
    found.tell_odd()


def test_digests_tell_scans_files_and_readers_apart(tmp_path):
    path = tmp_path / "a.npy"

    def digest(cells: list, **reader: object) -> str:
        return Volumes(scans(cells), VolumeReader(**reader)).digest()

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
    source = Volumes(scans(cells), VolumeReader(shape=4), None, 2)
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
    source = Volumes(scans([CELLS[0], tmp_path / "bad.npy"]), VolumeReader(), None, 2)
    (rows,) = source.batches([np.array([0, 1])])
    with pytest.raises(ScanError, match=r"row 1: .*bad\.npy.*NaN"):
        source[int(rows[1])]
