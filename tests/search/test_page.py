"""The page on tuning and the example run as a reader would run them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

import skedema.search

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "search.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.usefixtures("quiet_optuna")
def test_examples_of_the_page_run_one_after_the_other(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    names = {"__name__": "search_page"}
    for number, example in enumerate(examples):
        quick = example.replace("n_trials=30", "n_trials=2")
        # Epochs and trials are what takes time; what is drawn is looked at elsewhere.
        quick = quick.replace("head_space()", "(head_space() | {'max_epochs': BRIEF})")
        names["BRIEF"] = optuna.distributions.IntDistribution(1, 2)
        exec(compile(quick, f"docs/search.md, example {number + 1}", "exec"), names)
    assert len(examples) == 7
    for trial in ({"backbone": "cnn", "lr": 1e-3}, {"backbone": "vit", "lr": 1e-3, "blocks": 2}):
        drawn = names["space_of_encoders"](optuna.trial.FixedTrial(trial))
        names["clf"].set_params(**drawn)
    names["clf"].set_params(encoder=names["autoencoder"])
    assert set(names["deep"]) <= set(names["clf"].get_params())
    assert (tmp_path / "nested.journal").exists()
    assert "class_weight" in capsys.readouterr().out


def test_page_names_everything_public():
    for name in skedema.search.__all__:
        assert name in PAGE, name


def test_importing_the_package_does_not_import_optuna():
    code = (
        "import sys, skedema; sys.exit('optuna' in sys.modules or 'skedema.search' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
