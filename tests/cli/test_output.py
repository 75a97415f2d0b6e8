from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skedema.cli._codes import MissingPackage, UsageError
from skedema.cli._output import check_place, write_table


def test_a_place_that_cannot_be_written_to_is_refused_beforehand(tmp_path):
    file = tmp_path / "cohort.csv"
    file.write_text("")
    with pytest.raises(UsageError, match=r"--report .*r.html: nothing can be written to"):
        check_place(file / "r.html", "--report")
    with pytest.raises(UsageError, match="this is a folder"):
        check_place(tmp_path, "--report")
    with pytest.raises(UsageError, match="a device or a pipe, which no file replaces"):
        check_place(Path(os.devnull), "--report")
    check_place(tmp_path / "new" / "r.html", "--report")
    assert sorted(tmp_path.iterdir()) == [file]  # no folder is made yet


def test_the_ending_decides_how_a_table_is_written(tmp_path):
    table = pd.DataFrame({"patient": ["01", "02"], "ml, inner": [1.5, np.nan]})
    for ending, sep in (("csv", ","), ("tsv", "\t"), ("TAB", "\t")):
        write_table(table, tmp_path / f"features.{ending}")
        again = pd.read_csv(tmp_path / f"features.{ending}", sep=sep, dtype={"patient": str})
        pd.testing.assert_frame_equal(again, table)


def test_parquet_is_written_whole(tmp_path):
    pytest.importorskip("pyarrow")
    table = pd.DataFrame({"patient": ["01", "02"], "ml, inner": [1.5, np.nan]})
    check_place(tmp_path / "features.parquet", "--output")
    write_table(table, tmp_path / "features.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "features.parquet"), table)
    assert len(list(tmp_path.iterdir())) == 1


def test_parquet_says_beforehand_what_it_needs(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=r"--output .*f.parquet needs .*pip install pyarrow"):
        check_place(tmp_path / "f.parquet", "--output")
