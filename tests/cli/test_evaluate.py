from __future__ import annotations

import pandas as pd
import pytest

from skedema.evaluation import evaluate

from ._options import COLUMNS, SMALL


def test_figures_are_those_of_evaluate(run, cohort, tmp_path):
    arguments = ["--target", "edema", "--drop", "scan", "--id", "patient", "--cv", "3", "-q"]
    small = ["--set", "max_epochs=1", "--positive", "edema"]
    ended = run("evaluate", cohort, *arguments, *small, "-o", tmp_path / "out")
    assert ended.code == 0, ended.err
    assert "positive class 'edema'" in ended.out

    from skedema import AttentionMixerClassifier

    table = pd.read_csv(cohort, index_col="patient", keep_default_na=True)
    X, y = table.drop(columns=["scan", "edema"]), table["edema"]
    model = AttentionMixerClassifier(max_epochs=1, random_state=0)
    expected = evaluate({"skedema": model}, X, y, cv=3, random_state=0, pos_label="edema")
    found = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert found["probability"].tolist() == pytest.approx(
        expected.predictions["probability"].tolist()
    )
    assert found["patient"].tolist() == [X.index[row] for row in expected.predictions["row"]]
    lines = [f"line {row + 2}" for row in expected.predictions["row"]]
    assert found["row"].tolist() == lines


def test_a_second_run_with_the_same_folder_fits_nothing(run, cohort, tmp_path, monkeypatch):
    from skedema import AttentionMixerClassifier

    arguments = ["--target", "edema", *COLUMNS, *SMALL, "--cv", "2", "-q", "-o", tmp_path / "out"]
    first = run("evaluate", cohort, *arguments)
    monkeypatch.setattr(AttentionMixerClassifier, "fit", None)
    assert run("evaluate", cohort, *arguments) == first
    assert first.code == 0, first.err


def test_groups_repeats_baselines_and_subgroups(run, cohort, tmp_path):
    table = pd.read_csv(cohort, dtype=str, keep_default_na=False)
    table["ward"] = [f"w{k // 2}" for k in range(len(table))]
    table.drop(columns="scan").to_csv(tmp_path / "cohort.csv", index=False)
    ended = run(
        "evaluate", tmp_path / "cohort.csv", "--target", "edema", "--groups", "ward",
        "--id", "patient", "--repeats", "2", "--cv", "2", "--set", "max_epochs=1",
        "--baseline", "metadata alone, gradient boosting", "--subgroups", "sex",
        "-o", tmp_path / "out",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert "AUC, difference to skedema" in ended.out
    folds = pd.read_csv(tmp_path / "out" / "folds.csv")
    assert folds["repeat"].nunique() == 2
    assert folds["estimator"].nunique() == 2
    predictions = pd.read_csv(tmp_path / "out" / "predictions.csv")
    ward = table.set_index("patient")["ward"]
    predictions["ward"] = predictions["patient"].map(ward)
    assert (predictions.groupby(["repeat", "estimator", "ward"])["fold"].nunique() == 1).all()
    parts = pd.read_csv(tmp_path / "out" / "subgroups-sex.csv")
    assert set(parts["subgroup"]) == {"female", "male"}
    assert "second by alphabet; --positive edema" in ended.err


def test_other_patients_are_tested_by_a_model_of_all(run, cohort, tmp_path):
    table = pd.read_csv(cohort, dtype=str, keep_default_na=False)
    table = table.drop(columns="scan")
    table.head(30).to_csv(tmp_path / "here.csv", index=False)
    there = table.tail(10)[list(table.columns[::-1])].assign(ward="x")
    there.to_csv(tmp_path / "there.csv", index=False)
    arguments = ["--target", "edema", "--id", "patient", "--set", "max_epochs=1", "-q"]
    ended = run(
        "evaluate", tmp_path / "here.csv", *arguments, "--cv", "2", "--test",
        tmp_path / "there.csv", "-o", tmp_path / "out",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert "10 rows of 10 patients" in ended.out
    found = pd.read_csv(tmp_path / "out" / "test" / "predictions.csv")
    assert found["patient"].tolist() == there["patient"].tolist()
    run("fit", tmp_path / "here.csv", *arguments, "-o", tmp_path / "model.skedema")
    run("predict", tmp_path / "model.skedema", tmp_path / "there.csv", "-o", tmp_path / "p.csv")
    expected = pd.read_csv(tmp_path / "p.csv")["probability_none"]
    assert found["probability"].tolist() == pytest.approx(expected.tolist())

    there.drop(columns="sodium").to_csv(tmp_path / "there.csv", index=False)
    ended = run("evaluate", tmp_path / "here.csv", *arguments, "--test", tmp_path / "there.csv")
    assert ended.code == 2
    assert "--test sodium" in ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--target", "edma"], "Did you mean 'edema'"),
        (["--target", "edema", "--positive", "edma"], "Did you mean 'edema'"),
        (["--target", "edema", "--groups", "pateint"], "Did you mean 'patient'"),
        (["--target", "edema", "--subgroups", "siet"], "Did you mean 'site'"),
        (["--target", "edema", "--set", "epochs"], "NAME=VALUE"),
        (["--target", "edema", "--set", "max_epoch=1"], "Did you mean 'max_epochs'"),
        (["--target", "edema", "--set", "dim=0"], "'dim' parameter"),
        (["--target", "edema", "--baseline", "metadata"], "Known: "),
        (["--target", "edema", "--encoder", "cn"], "Did you mean 'cnn'"),
        (["--target", "edema", "--set", "fusion=contact"], "Did you mean 'concat'"),
        (["--target", "edema", "--set", "refiner=5"], "--set refiner=5"),
        (["--target", "edema", "--report", "."], "this is a folder"),
        ([], "--target"),
    ],
)
def test_what_is_not_there_ends_by_2(run, cohort, arguments, said):
    ended = run("evaluate", cohort, "--image", "scan", *arguments)
    assert ended.code == 2
    assert said in ended.err
    assert ended.out == ""


def test_a_table_that_cannot_be_used_ends_by_1(run, tmp_path):
    (tmp_path / "cohort.csv").write_text("age,edema\n61,1\n70,1\n")
    ended = run("evaluate", tmp_path / "cohort.csv", "--target", "edema")
    assert ended.code == 1
    assert ended.err.startswith("skedema: error: y has one class only")


def test_a_dry_run_checks_all_tells_the_cost_and_fits_nothing(run, cohort, tmp_path):
    arguments = [cohort, "--target", "edema", *COLUMNS, *SMALL, "-q"]
    ended = run("evaluate", *arguments, "--dry-run", "-o", tmp_path / "out")
    assert ended.code == 0, ended.err
    assert ended.out.startswith("40 rows, 40 scans, 5 clinical columns\n")
    assert "thick slices" in ended.out
    assert " s" in ended.out.splitlines()[-1]
    assert not list(tmp_path.rglob("*.estimator"))

    table = pd.read_csv(cohort, dtype=str, keep_default_na=False)
    (tmp_path / "damaged.nii").write_bytes(b"no scan")
    table["scan"] = [str(cohort.parent / scan) for scan in table["scan"]]
    table.loc[2, "scan"] = "damaged.nii"
    table.to_csv(tmp_path / "cohort.csv", index=False)
    ended = run("fit", tmp_path / "cohort.csv", *arguments[1:], "--dry-run")
    assert ended.code == 1
    assert "line 4" in ended.out
    assert "STOPS A FIT" in ended.out


def test_a_report_is_written_where_it_is_wanted(run, cohort, tmp_path, monkeypatch):
    from skedema.evaluation import Evaluation

    asked = []
    monkeypatch.setattr(Evaluation, "report", lambda self, path: asked.append(path), raising=False)
    arguments = ["--target", "edema", "--id", "patient", "--drop", "scan", "--cv", "2", "-q"]
    page = tmp_path / "new" / "report.html"
    ended = run("evaluate", cohort, *arguments, "--set", "max_epochs=1", "--report", page)
    assert ended.code == 0, ended.err
    assert asked == [page]  # whose folder the page makes itself


def test_a_column_that_is_trusted_is_not_told_of(run, tmp_path):
    rows = [f"{k * 37 % 90},{k % 2},{k % 2}" for k in range(80)]
    (tmp_path / "cohort.csv").write_text("\n".join(["age,given,y", *rows]) + "\n")
    arguments = ["evaluate", tmp_path / "cohort.csv", "--target", "y", "--cv", "2", "-q"]
    small = ["--set", "max_epochs=1", "--set", "n_members=1"]
    assert "'given'" in run(*arguments, *small).err
    assert "'given'" not in run(*arguments, *small, "--set", "trusted_columns=['given']").err
