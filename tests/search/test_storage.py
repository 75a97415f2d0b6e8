from __future__ import annotations

import re
import subprocess

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import InMemoryStorage
from optuna.study import Study
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from skedema.search import StudySearchCV
from skedema.search._storage import open_study

X, Y = make_classification(90, 5, flip_y=0.3, random_state=0)
C = {"C": FloatDistribution(1e-4, 10, log=True)}


def search(storage, **parameters):
    given = {"n_trials": 14, "cv": 5, "scoring": "neg_log_loss", "random_state": 0} | parameters
    return StudySearchCV(LogisticRegression(), C, storage=storage, **given)


def test_studies_that_are_not_ours_are_refused(tmp_path):
    store = InMemoryStorage()
    for name, direction in (("theirs", "maximize"), ("losses", "minimize")):
        study = optuna.create_study(storage=store, study_name=name, direction=direction)
        study.add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(ValueError, match="'theirs' has trials that StudySearchCV did not make"):
        search(store, study_name="theirs").fit(X, Y)
    with pytest.raises(ValueError, match="'losses' does not maximise"):
        search(store, study_name="losses").fit(X, Y)


def test_storages_of_other_kinds_are_refused_with_the_remedy(tmp_path):
    with pytest.raises(ValueError, match="sqlite:///"):
        search(str(tmp_path / "study.db")).fit(X, Y)
    with pytest.raises(TypeError, match="path of a journal file"):
        search(3).fit(X, Y)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        search(tmp_path / "nowhere" / "study.journal").fit(X, Y)


def test_journal_whose_last_line_was_cut_off_is_read_and_goes_on(tmp_path):
    path = tmp_path / "study.journal"
    search(path, n_trials=2).fit(X, Y)
    with path.open("ab") as journal:
        journal.write(b'{"op_code":4,"worker_id":"x')
    assert len(search(path, n_trials=4).fit(X, Y).trials_) == 4
    assert len(search(path, n_trials=4).fit(X, Y).trials_) == 4


def test_journal_that_is_damaged_is_named_and_so_is_the_remedy(tmp_path):
    path = tmp_path / "study.journal"
    whole = search(path, n_trials=4).fit(X, Y)
    lines = path.read_bytes().splitlines(keepends=True)
    for at, flip in ((len(lines) // 2, b"{"), (len(lines) // 2, b"op_code"), (3, b'"study_id"')):
        bad = bytearray(lines[at])
        bad[bad.index(flip) + 1] ^= 0x80
        path.write_bytes(b"".join([*lines[:at], bytes(bad), *lines[at + 1 :]]))
        with pytest.raises(ValueError, match=f"study.journal: line {at + 1} of this journal") as no:
            search(path, n_trials=4).fit(X, Y)
    command = re.search(r"keep the trials before it: (head .*)\.$", str(no.value))[1]
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    found = search(tmp_path / "another.journal", n_trials=4).fit(X, Y)
    assert found.best_params_ == whole.best_params_


def test_a_database_that_cannot_be_opened_is_refused_at_once(tmp_path):
    with pytest.raises(Exception, match="unable to open"):
        search(f"sqlite:///{tmp_path / 'nowhere' / 'a.db'}").fit(X, Y)


def test_a_study_that_another_process_begins_meanwhile_is_gone_on_with(tmp_path, monkeypatch):
    url, parts = f"sqlite:///{tmp_path / 'a.db'}", {"cv": "this"}
    get_trials = Study.get_trials

    def begun_meanwhile(study, **parameters):
        found = get_trials(study, **parameters)
        monkeypatch.undo()
        open_study(url, "a", parts).ask()
        return found

    monkeypatch.setattr(Study, "get_trials", begun_meanwhile)
    assert len(open_study(url, "a", parts).trials) == 1
