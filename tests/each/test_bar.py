from __future__ import annotations

import sys

import pytest

from skedema._each import bar, each


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_bar_moves_on_with_each_result_and_is_closed(n_jobs, capsys):
    progress = bar("dividing", "number", 5, done=2)
    results = each(divmod, [(k, 3) for k in range(3)], n_jobs, progress)
    next(results)
    assert progress.n == 3
    list(results)
    out, err = capsys.readouterr()
    assert out == ""
    assert "dividing: 100%" in err
    assert "5/5" in err
    assert progress.disable  # closed


def test_a_bar_that_is_not_shown_writes_nothing_and_takes_no_lock(capsys, monkeypatch):
    # That of tqdm is shared by forks: of 30 runs in forks that were killed the 23rd hung.
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with bar("dividing", "number", 1, shown=0) as progress:
        progress.set_postfix(left=1, refresh=False)
        progress.set_postfix_str("left", refresh=False)
        progress.update()
    assert progress.disable
    assert capsys.readouterr() == ("", "")


def test_a_bar_is_closed_when_nobody_asks_on(capsys):
    progress = bar("dividing", "number", 3)
    results = each(divmod, [(k, 3) for k in range(3)], 1, progress)
    next(results)
    results.close()
    assert progress.disable


def test_a_bar_in_a_log_file_is_a_line_and_not_a_flood(capsys):
    with bar("reading", "scan", 2000) as progress:
        for _ in range(2000):
            progress.update()
    lines = capsys.readouterr().err.split("\n")
    assert len(lines) < 6
    assert not any("\r" in line for line in lines)
    assert "2000/2000" in lines[-2]
