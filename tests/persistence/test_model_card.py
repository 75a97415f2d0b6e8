from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skedema import AttentionMixerClassifier

rng = np.random.default_rng(0)
NAMES = ["sodium", "a | b\n# <b>", "site"]
X = pd.DataFrame(
    {
        "sodium": rng.normal(138, 5, 20),
        "a | b\n# <b>": rng.normal(0, 1, 20),
        "site": ["Lake Clinic", "Hill Clinic"] * 10,
    }
)


@pytest.fixture(scope="module")
def clf() -> AttentionMixerClassifier:
    y = rng.permutation(["none", "edema"] * 10)
    return AttentionMixerClassifier(max_epochs=1, random_state=0).fit(X, y)


def card(clf: AttentionMixerClassifier, folder: Path, **how: object) -> str:
    clf.save_pretrained(folder, **how)
    return (folder / "README.md").read_text(encoding="utf-8")


def test_a_card_tells_what_the_model_is_for_and_what_it_is_not(clf, tmp_path):
    text = card(clf, tmp_path / "model", metrics={"AUC": 0.81})
    head = text.split("---\n")[1].splitlines()
    assert head[:2] == ["library_name: skedema", "pipeline_tag: tabular-classification"]
    assert "probabilities of these classes: edema, none" in text
    assert "no medical device" in text
    assert "- patients: 20" in text
    assert "| AUC | 0.81 |" in text
    assert "encoder" not in text  # it has no scans


def test_a_card_holds_nothing_of_patients(clf, tmp_path):
    text = card(clf, tmp_path / "model")
    for name in NAMES[:2]:
        for value in X[name]:
            assert f"{value:.6}" not in text
    assert "Clinic" not in text
    assert "categorical, 2 categories" in text


def test_names_cannot_break_out_of_their_cells(clf, tmp_path):
    text = card(clf, tmp_path / "model", metrics={"<script>|": 1})
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert r"| a \| b \# \<b\> | numeric |" in rows
    assert r"| \<script\>\| | 1 |" in rows


def test_a_figure_that_is_none_is_refused_before_anything_is_written(clf, tmp_path):
    with pytest.raises(ValueError, match="'AUC' is nan; give a finite number"):
        clf.save_pretrained(tmp_path / "model", metrics={"AUC": float("nan")})
    assert not (tmp_path / "model").exists()
