from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import skedema
from skedema import AttentionMixerClassifier
from skedema.cli._model import load_model

from ._options import COLUMNS, SMALL


def test_a_fitted_model_is_that_of_the_class(run, cohort, model):
    held = load_model(model, "classifier")
    assert held["target"] == "edema"
    classifier = held["model"]
    assert list(classifier.feature_names_in_) == ["scan", "age", "sex", "gcs", "sodium", "site"]
    assert (classifier.max_epochs, classifier.volume.shape) == (1, 16)


def test_predictions_stand_beside_the_rows_as_they_are(run, cohort, model, tmp_path):
    out = tmp_path / "predictions.csv"
    ended = run("predict", model, cohort, "-o", out)
    assert ended.code == 0, ended.err
    assert ended.out == ""
    given = pd.read_csv(cohort, dtype=str, keep_default_na=False)
    found = pd.read_csv(out, dtype=str, keep_default_na=False)
    pd.testing.assert_frame_equal(found[list(given)], given)
    added = ["probability_edema", "probability_none", "predicted", "missing"]
    assert list(found) == [*given, *added]
    classifier = skedema.load(model)
    X = pd.read_csv(cohort)[list(classifier.feature_names_in_)]
    X["scan"] = [str(cohort.parent / scan) for scan in X["scan"]]
    expected = classifier.predict_proba(X)[:, 0]
    assert found["probability_edema"].astype(float).to_numpy() == pytest.approx(expected)
    assert found["predicted"].tolist() == classifier.predict(X).tolist()
    empty = X.isna()
    assert found["missing"].tolist() == [
        "; ".join(name for name in X if empty.loc[k, name]) for k in range(len(X))
    ]
    assert empty.any(axis=None)


def test_columns_may_be_in_another_order_and_scans_missing(run, cohort, model, tmp_path):
    table = pd.read_csv(cohort, dtype=str, keep_default_na=False)[::-1].head(3)
    table["scan"] = "n/a"
    table = table[["site", "sodium", "gcs", "scan", "sex", "age"]]
    table.to_csv(tmp_path / "new.tsv", index=False, sep="\t")
    ended = run("predict", model, tmp_path / "new.tsv", "-q")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert len(lines) == 4
    assert all("scan" in line.rsplit(",", 1)[1] for line in lines[1:])


def test_a_column_that_the_model_needs_gets_the_nearest_name(run, cohort, model, tmp_path):
    table = pd.read_csv(cohort).rename(columns={"sodium": "Sodium_"}).drop(columns="scan")
    table.to_csv(tmp_path / "new.csv", index=False)
    ended = run("predict", model, tmp_path / "new.csv")
    assert ended.code == 1
    assert "'sodium': Did you mean 'Sodium_'" in ended.err
    assert "2 of the 6 columns" in ended.err


def test_scans_of_other_patients_that_are_not_there_are_named(run, cohort, model, tmp_path):
    pd.read_csv(cohort).to_csv(tmp_path / "new.csv", index=False)
    ended = run("predict", model, tmp_path / "new.csv")
    assert ended.code == 1
    assert "line 2: scans/patient-0001.nii.gz" in ended.err
    assert run("predict", model, tmp_path / "new.csv", "--root", cohort.parent).code == 0


def test_predictions_that_are_predicted_again_replace_the_old(run, cohort, model, tmp_path):
    out = tmp_path / "predictions.csv"
    run("predict", model, cohort, "-o", out, "-q")
    first = out.read_bytes()
    ended = run("predict", model, out, "--root", cohort.parent, "-o", out)
    assert "which are replaced" in ended.err
    assert out.read_bytes() == first


def test_a_model_that_is_interrupted_is_not_written(run, cohort, tmp_path, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(AttentionMixerClassifier, "fit", stop)
    out = tmp_path / "model.skedema"
    ended = run("fit", cohort, "--target", "edema", *COLUMNS, *SMALL, "-o", out)
    assert ended.code == 130
    assert "no model was written" in ended.err
    assert not list(tmp_path.iterdir())
    kept = tmp_path / "run"
    for how in (["--checkpoints", kept], ["--set", f"checkpoint_dir={kept}"]):
        ended = run("fit", cohort, "--target", "edema", *COLUMNS, *SMALL, *how, "-o", out)
        assert f"goes on from the checkpoint in {kept}" in ended.err


def test_a_fit_leaves_its_end_where_checkpoints_are_asked_for(run, cohort, tmp_path):
    for how in (["--checkpoints", tmp_path / "a"], ["--set", f"checkpoint_dir={tmp_path / 'b'}"]):
        arguments = [*COLUMNS, *SMALL, *how, "-q", "-o", tmp_path / "model"]
        assert run("fit", cohort, "--target", "edema", *arguments).code == 0
    ends = [path.relative_to(tmp_path).parts[1:] for path in tmp_path.rglob("classifier.ckpt")]
    assert len(ends) == 2
    assert ends[0] == ends[1], "the same fit"


def test_a_model_without_names_of_columns_is_told_of(run, cohort, tmp_path):
    classifier = skedema.AttentionMixerClassifier(max_epochs=1, random_state=0)
    skedema.save(classifier, tmp_path / "new.skedema")
    table = pd.read_csv(cohort)
    skedema.save(
        classifier.fit(table[["age"]].to_numpy(), table["edema"]), tmp_path / "bare.skedema"
    )
    for name in ("new", "bare"):
        ended = run("predict", tmp_path / f"{name}.skedema", cohort)
        assert ended.code == 1
        assert "Fit it on such a table" in ended.err
    # The remedy, and a scan by its position.
    classifier.set_params(image=1, encoder=None).fit(table[["age", "scan"]], table["edema"])
    skedema.save(classifier, tmp_path / "named.skedema")
    assert run("predict", tmp_path / "named.skedema", cohort).code == 0


def test_numbers_are_fitted_evaluated_and_predicted(run, cohort, tmp_path):
    asked = ["--target", "sodium", "--task", "regression", "--drop", "scan", "--id", "patient"]
    small = ["--set", "max_epochs=1", "--set", "n_members=1", "--set", "loss=quantile"]
    out = tmp_path / "model.skedema"
    ended = run("fit", cohort, *asked, *small, "-o", out)
    assert ended.code == 0, ended.err
    ended = run("predict", out, cohort, "-o", tmp_path / "predictions.csv")
    assert ended.code == 0, ended.err
    found = pd.read_csv(tmp_path / "predictions.csv")
    low, median, high = (found[f"quantile_{q}"] for q in ("0.05", "0.5", "0.95"))
    assert ((low <= median) & (median <= high)).all()
    assert found["predicted"].tolist() == median.tolist()
    ended = run("evaluate", cohort, *asked, *small, "--cv", 2, "-o", tmp_path / "evaluation")
    assert ended.code == 0, ended.err
    assert "mae" in ended.out
    assert "coverage" in ended.out
    ended = run("evaluate", cohort, *asked, "--positive", "1")
    assert "--positive is for classes" in ended.err
    ended = run("explain", out, cohort, "--row", 2)
    assert "holds a regressor; give a file of skedema fit with a classifier" in ended.err


def test_a_model_of_several_labels_gives_each_its_columns(run, tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(20, 2)), columns=["age", "sodium"])
    y = pd.DataFrame(rng.integers(0, 2, (20, 2)), columns=["edema", "shift"])
    clf = AttentionMixerClassifier(dim=8, max_epochs=1, random_state=0).fit(table, y)
    skedema.save(clf, tmp_path / "model.skedema")
    table.to_csv(tmp_path / "new.csv", index=False)
    ended = run(
        "predict", tmp_path / "model.skedema", tmp_path / "new.csv", "-o", tmp_path / "out.csv"
    )
    assert ended.code == 0, ended.err
    found = pd.read_csv(tmp_path / "out.csv")
    for k, name in enumerate(y):
        assert found[f"probability_{name}"].to_numpy() == pytest.approx(
            clf.predict_proba(table)[:, k]
        )
        assert found[f"predicted_{name}"].tolist() == clf.predict(table)[:, k].tolist()
    ended = run("explain", tmp_path / "model.skedema", tmp_path / "new.csv", "--row", "2")
    assert ended.code == 1
    assert "this is about one outcome" in ended.err
