"""The benchmark with the tables of the paper, as small as it can be made."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

ROOT = Path(__file__).parents[1]
pytestmark = [
    pytest.mark.skipif(
        not (ROOT / "benchmarks" / "paper").is_dir(), reason="an sdist holds no benchmarks"
    ),
    # Categories that a dozen training patients lack, and classes too small for inner folds.
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture
def part(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"benchmarks.paper.{name}")


class Refuses(LogisticRegression):
    def fit(self, X, y):
        raise ValueError("it cannot be\nfitted")


def rows_of(text: str) -> dict[str, list[str]]:
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line[:2] == "| "]
    return {row[0]: row for row in rows if row[0] not in ("model", "---")}


def test_a_model_that_fails_has_a_row_that_says_why(part, tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), np.arange(60) % 2
    plan = part("plan").Plan(tmp_path, 0, 0, 3, 2, 1, False)

    def models_of(seed):
        models = {"whole": LogisticRegression(), "none": Refuses()}
        return models | ({"few seeds": DummyClassifier()} if seed == 0 else {})

    done = part("runs").run("a test", models_of, X, y, plan, 2)
    known = part("runs").with_known(done, "whole", {"truth": y.astype(float)})
    table = part("tables").comparison_table(
        done, "whole", notes={"few seeds": "1 seed"}, known=known
    )
    rows = rows_of(table)
    assert list(rows) == ["whole", "none", "few seeds (1 seed)", "truth"]
    assert rows["none"][1] == "failed: ValueError: it cannot be"
    assert rows["truth"][4] == "1.000 (no interval)"
    assert rows["truth"][1:4] == ["1.000", "1.000", "1.000"]
    assert rows["few seeds (1 seed)"][4].startswith("0.500")
    assert rows["few seeds (1 seed)"][6]  # compared, on the seed that both have


def test_every_trained_model_is_tuned_within_its_training_part(part, tmp_path):
    import pandas as pd
    from sklearn.decomposition import PCA
    from sklearn.frozen import FrozenEstimator
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    from skedema import ViTAutoencoder, VolumeReader

    scans = [np.random.default_rng(i).normal(40, 10, (16, 16, 16)) for i in range(2)]
    reader = VolumeReader(shape=16)
    encoder = ViTAutoencoder(size="tiny", volume=reader, max_epochs=1, random_state=0).fit(scans)
    X = pd.DataFrame({"scan": pd.Series(scans, dtype=object), "age": [50.0, 60.0]})
    plan = part("plan").Plan(tmp_path, 2, 2, 5, 1, 1, False)
    given = part("models").Encoders(encoder, make_pipeline(encoder, PCA(1)))
    models = part("models").comparison(given, X, 0, plan)
    for name, model in models.items():
        if name == "averaging":
            assert all(isinstance(member, GridSearchCV) for _, member in model.estimators)
        elif name in ("stacking", "scan alone, 3-D CNN"):
            assert not isinstance(model, GridSearchCV)
        elif "linear probe" in name or name == "frozen features, logistic regression":
            assert isinstance(model.steps[-1][1], GridSearchCV)
        else:
            assert isinstance(model, GridSearchCV), name
            assert model.scoring == "neg_log_loss"
            assert set(model.param_grid) <= set(model.estimator.get_params())
    whole = models["AttentionMixer"].estimator
    assert isinstance(whole.encoder, FrozenEstimator)
    assert whole.fine_tune is False


@pytest.mark.slow
def test_tables_hold_every_model_and_are_not_computed_twice(part, tmp_path, capsys, monkeypatch):
    from skedema import VolumeReader
    from skedema.evaluation import _folds

    command, models = part("__main__"), part("models")
    whole = models.autoencoder
    coarse = VolumeReader(spacing=13.5, shape=16, windows=[(40, 30)])

    def smaller(plan, **options):
        return whole(plan, **options).set_params(size="tiny", volume=coarse, verbose=0)

    monkeypatch.setattr(models, "autoencoder", smaller)
    monkeypatch.setattr(models, "READER", coarse)
    monkeypatch.setattr(models, "CNN_EPOCHS", 1)
    arguments = ["--quick", "--patients", "40", "--unlabelled", "8", "--folds", "2", "--jobs", "1"]
    arguments += ["--only", "comparison,ablation", "--storage", str(tmp_path)]
    command.main(arguments)
    text = capsys.readouterr().out
    assert "failed" not in text
    first, second = (rows_of(table) for table in text.split("## Ablation"))
    assert next(iter(first)) == "AttentionMixer"
    assert {"scan alone, 3-D CNN", "metadata alone, MLP", "fusion, film", "stacking"} <= set(first)
    assert list(first)[-4:] == [
        "oracle, image findings only",
        "oracle, clinical only",
        "oracle, both",
        "oracle, the two as if independent",
    ]
    assert len(first) == len(set(first)) >= 28
    assert {"no mixer", "attention mask", "no pre-training, frozen"} <= set(second)
    assert sum("1 seed, 1 epochs, not tuned" in name for name in second) == 2
    assert text.splitlines()[-1].startswith("`python -m benchmarks.paper --quick")

    def again(*_):
        raise AssertionError("this fold is kept")

    monkeypatch.setattr(_folds, "_fit_and_ask", again)
    command.main(arguments)
    assert capsys.readouterr().out == text
