"""The page on numbers, run as a reader would run it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from skedema import AttentionMixerRegressor
from skedema.evaluation.metrics import NUMBER_METRICS

PAGE = (Path(__file__).parents[1] / "docs" / "regression.md").read_text(encoding="utf-8")


# Heads of so few voxels.
@pytest.mark.filterwarnings("ignore:.*not in HU:UserWarning")
def test_examples_of_the_page_run_one_after_the_other(capsys):
    names = {"__name__": "regression_page"}
    examples = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(examples) == 3
    for number, example in enumerate(examples):
        exec(compile(example, f"docs/regression.md, example {number + 1}", "exec"), names)
    assert np.all((names["low"] <= names["median"]) & (names["median"] <= names["high"]))
    assert names["result"].quantiles == names["reg"].quantiles
    told = capsys.readouterr().out
    assert "scan and table" in told
    assert "coverage" in told


def test_the_page_has_a_row_for_every_loss_and_figure():
    for loss in AttentionMixerRegressor._parameter_constraints["loss"][0].options:
        assert f'| `"{loss}"` |' in PAGE, loss
    figures = "".join(re.findall(r"^\| (`\w+`.*?) \|", PAGE, re.MULTILINE))
    for name in NUMBER_METRICS:
        assert f"`{name}`" in figures, name
