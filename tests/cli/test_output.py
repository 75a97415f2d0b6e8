from __future__ import annotations

import os
from pathlib import Path

import pytest

from skedema.cli._codes import UsageError
from skedema.cli._output import check_place


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
