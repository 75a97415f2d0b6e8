"""The benchmark with the tables of the paper, as small as it can be made."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import binary_erosion
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skedema import AttentionMixerClassifier
from skedema.datasets import make_head_ct_cohort
from skedema.encoders import make_encoder
from skedema.scans.brain import brain_mask

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


@pytest.fixture
def plan(part, tmp_path):
    return part("plan").Plan(tmp_path, 0, (71,), 3, 2, 1, False)


def some_patients(n, seed):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    return rng.normal(size=(n, 2)) + 0.5 * y[:, None], y


def test_a_model_that_fails_has_a_row_that_says_why(part, plan):
    X, y = some_patients(60, 0)

    def models_of(seed):
        models = {"whole": LogisticRegression(), "none": Refuses()}
        return models | ({"few seeds": DummyClassifier()} if seed == 0 else {})

    done = part("runs").run("a test", models_of, X, y, plan, 2)
    done = part("runs").with_known(done, "whole", {"truth": y.astype(float)})
    tables = part("tables")
    notes = {"few seeds": "1 seed"}
    rows = rows_of(tables.comparison_table(done, "whole", notes=notes, known=["truth"]))
    assert list(rows) == ["whole", "none", "few seeds (1 seed)", "truth"]
    assert rows["none"][1] == "failed: ValueError: it cannot be"
    assert rows["truth"][1] == "1.000 (0.933 to 1.000)"
    assert rows["truth"][4:6] == ["1.000", "1.000"]
    assert rows["truth"][6].startswith("+0.")
    assert len(rows["truth"]) == 7  # no competitor, so not tested
    assert rows["few seeds (1 seed)"][1].startswith("0.500")
    assert rows["few seeds (1 seed)"][7]  # compared, on the seed that both have
    over = rows_of(tables.cohorts_table({71: done}, "whole"))
    assert over["none"][1] == "failed on cohort 71: ValueError: it cannot be"


def test_means_over_cohorts_are_those_of_each_with_intervals_of_their_patients(part, plan):
    runs, aucs, losses = {}, {"first": [], "second": []}, []
    for seed in (71, 72, 73):
        X, y = some_patients(80, seed)
        models = {"first": LogisticRegression(), "same": LogisticRegression(max_iter=99)}
        models["second"] = make_pipeline(FunctionTransformer(first_column), LogisticRegression())
        done = runs[seed] = part("runs").run("a test", lambda _, given=models: given, X, y, plan, 1)
        for name in aucs:
            rows = done.evaluation.predictions.query("estimator == @name")
            aucs[name].append(roc_auc_score(rows["label"], rows["probability"]))
        first = done.evaluation.predictions.query("estimator == 'first'")
        losses.append(log_loss(first["label"], first["probability"]))
    rows = rows_of(part("tables").cohorts_table(runs, "first"))
    mean = {name: np.mean(values) for name, values in aucs.items()}
    point, low, high = interval(rows["first"][1])
    assert point == pytest.approx(mean["first"], abs=6e-4)
    assert low < point < high
    assert interval(rows["first"][2])[0] == pytest.approx(np.mean(losses), abs=6e-4)
    assert rows["first"][6] == ", ".join(f"{auc:.3f}" for auc in aucs["first"])
    assert interval(rows["same"][4]) == [0.0, 0.0, 0.0]  # the same draws for both
    difference, below, above = interval(rows["second"][4])
    assert difference == pytest.approx(mean["second"] - mean["first"], abs=6e-4)
    # Three cohorts tell more than one: about a factor of sqrt(3).
    alone = interval(rows_of(part("tables").cohorts_table({71: runs[71]}, "first"))["second"][4])
    assert 0.4 < (above - below) / (alone[2] - alone[1]) < 0.85


def interval(cell):
    return [float(number) for number in re.findall(r"[+-]?[\d.]+", cell.replace(" to ", " "))]


def first_column(X):
    return X[:, :1]


def test_networks_are_as_they_are_and_others_are_tuned_within_their_training_part(part, plan):
    X = pd.DataFrame({"scan": ["one.nii", "two.nii"], "age": [50.0, 60.0]})
    models = part("models").comparison(X, 0, plan)
    ours = AttentionMixerClassifier(image="scan", memory=plan.memory, random_state=0)
    assert repr(models["AttentionMixer"]) == repr(ours)
    tuned = [name for name, model in models.items() if isinstance(model, GridSearchCV)]
    kinds = ("logistic regression", "gradient boosting", "MLP")
    assert tuned == [
        *(f"metadata alone, {kind}" for kind in kinds),
        "frozen features, gradient boosting",
    ]
    for name in tuned:
        model = models[name]
        assert model.scoring == "neg_log_loss"
        assert set(model.param_grid) <= set(model.estimator.get_params())
    tune_themselves = [name for name in models if "probe" in name or "density" in name]
    for name in ("frozen features, logistic regression", *tune_themselves):
        if name != "AttentionMixer, with density":
            assert isinstance(models[name].steps[-1][1], GridSearchCV), name
    names = part("real").COMPARED + part("real").ON_EDEMA + part("models").ON_INTERACTION
    assert set(names) <= set(models)


def test_every_side_of_the_ablation_differs_from_the_others(part, plan):
    mixer = part("models").attention_mixer(0, plan)
    sides = part("ablation").scan_sides(mixer)
    assert next(iter(sides)) == "AttentionMixer"
    assert len({repr(make_encoder(model.encoder)) for model in sides.values()}) == len(sides)
    differing = {
        name
        for model in sides.values()
        for name, value in model.get_params(deep=False).items()
        if repr(value) != repr(mixer.get_params(deep=False)[name])
    }
    assert differing == {"encoder", "fine_tune"}


def test_a_transformer_of_random_weights_learns_alike_in_all_its_layers(part, plan, monkeypatch):
    ablation, models = part("ablation"), {}
    patients = SimpleNamespace(frame=pd.DataFrame({"scan": ["a.nii"], "age": [60.0]}), target=[0])
    monkeypatch.setattr(ablation, "cohort", lambda plan, seed: patients)
    monkeypatch.setattr(ablation, "comparison_table", lambda done, name: "")
    monkeypatch.setattr(ablation, "run", lambda name, models_of, *_: models.update(models_of(0)))
    ablation.trained_table(plan)
    name = "a vision transformer, trained on labels"
    alone = models[f"scan alone, {name}"][-1]
    assert models[name].layer_decay == alone.layer_decay == 1.0


def test_the_rim_of_a_brain_is_taken_out_and_nothing_else(part, tmp_path):
    cohort = make_head_ct_cohort(1, tmp_path, random_state=0)
    image = nib.load(cohort.frame["scan"].iloc[0])
    hu, spacing = np.asarray(image.dataobj), image.header.get_zooms()
    changed = part("real")._without_rim(0, hu, spacing)
    brain = brain_mask(hu, spacing)
    inner = binary_erosion(brain, iterations=2)  # 6.5 mm along the axes
    np.testing.assert_array_equal(changed[inner | ~brain], hu[inner | ~brain])
    rim = brain & ~binary_erosion(brain)  # 3.25 mm
    assert (changed[rim] == np.median(hu[brain]).astype(np.int16)).all()
    assert changed.dtype == hu.dtype


@pytest.mark.slow
def test_tables_hold_every_model_and_are_not_computed_twice(part, tmp_path, capsys, monkeypatch):
    from skedema.evaluation import _folds

    command = part("__main__")
    arguments = ["--quick", "--patients", "40", "--cohorts", "71", "--jobs", "1"]
    arguments += ["--only", "comparison,interaction", "--storage", str(tmp_path)]
    command.main(arguments)
    text = capsys.readouterr().out
    assert "failed" not in text
    first, second = text.split("## Interaction")
    over, alone = (rows_of(table) for table in first.split("### Cohort 71"))
    assert list(over) == list(alone)
    assert next(iter(over)) == "AttentionMixer"
    assert {"scan alone, density", "metadata alone, MLP", "fusion, film", "averaging"} <= set(over)
    assert len(over) >= 28
    oracles = [
        "oracle, image findings only",
        "oracle, clinical only",
        "oracle, both",
        "oracle, the two as if independent",
    ]
    for rows in (over, rows_of(second)):
        assert list(rows)[-4:] == oracles
        both, independent = (interval(rows[name][1])[0] for name in oracles[2:])
        assert both > independent
    assert text.splitlines()[-1].startswith("`python -m benchmarks.paper --quick")

    def again(*_):
        raise AssertionError("this fold is kept")

    monkeypatch.setattr(_folds, "_fit_and_ask", again)
    command.main(arguments)
    assert capsys.readouterr().out == text
