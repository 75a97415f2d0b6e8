from __future__ import annotations

import tomllib

import pandas as pd
import pytest

from skedema.search import StudySearchCV

ARGUMENTS = ["--target", "edema", "--id", "patient", "--drop", "scan", "--cv", "2", "-q"]


def test_a_search_goes_on_and_its_best_is_a_file_of_options(run, cohort, tmp_path):
    out = tmp_path / "tuning"
    ended = run("tune", cohort, *ARGUMENTS, "--trials", "1", "-o", out)
    assert ended.code == 0, ended.err
    ended = run("tune", cohort, *ARGUMENTS, "--trials", "2", "-o", out)
    assert ended.code == 0, ended.err
    trials = pd.read_csv(out / "trials.csv")
    assert len(trials) == 2
    best = tomllib.loads((out / "best.toml").read_text())["model"]
    assert best["lr"] == pytest.approx(trials.loc[trials["score"].idxmax(), "lr"])
    ended = run(
        "evaluate", cohort, *ARGUMENTS, "--config", out / "best.toml", "--set", "max_epochs=1"
    )
    assert ended.code == 0, ended.err
    assert run("predict", out / "model.skedema", cohort, "-q").code == 0


def test_trials_are_kept_where_it_is_told(run, cohort, tmp_path, monkeypatch):
    seen = []

    def stop(search, *arguments):
        seen.append(search.storage)
        raise KeyboardInterrupt

    monkeypatch.setattr(StudySearchCV, "fit", stop)
    run("tune", cohort, *ARGUMENTS, "-o", tmp_path / "a", "--storage", "postgresql://me@b/c")
    run("tune", cohort, *ARGUMENTS, "-o", tmp_path / "a")
    assert seen == ["postgresql://me@b/c", str(tmp_path / "a" / "tuning.journal")]


def test_a_storage_that_cannot_be_opened_is_told_without_its_password(run, cohort, tmp_path):
    url = "postgresql://me:secret@127.0.0.1:1/studies"
    ended = run("tune", cohort, *ARGUMENTS, "--storage", url, "-o", tmp_path / "tuning")
    assert ended.code != 0
    assert "me:***@127.0.0.1:1/studies' cannot be opened" in ended.err
    assert "secret" not in ended.out + ended.err


def test_an_interrupt_says_how_to_go_on(run, cohort, tmp_path, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(StudySearchCV, "fit", stop)
    ended = run("tune", cohort, *ARGUMENTS, "-o", tmp_path / "tuning")
    assert ended.code == 130
    assert f"kept in {tmp_path / 'tuning'}, and the same command goes on" in ended.err


@pytest.mark.parametrize(
    ("option", "said"),
    [(["--space", "haed"], "Did you mean 'head'"), (["--scoring", "roc"], "roc_auc")],
)
def test_what_is_not_there_ends_by_2(run, cohort, tmp_path, option, said):
    ended = run("tune", cohort, *ARGUMENTS, *option, "-o", tmp_path / "tuning")
    assert ended.code == 2
    assert said in ended.err
    assert not (tmp_path / "tuning").exists()
