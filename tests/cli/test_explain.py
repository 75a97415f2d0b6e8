from __future__ import annotations

import pandas as pd
import pytest

from skedema import inspection


@pytest.fixture
def asked(monkeypatch):
    """Take down what is to be explained."""
    found = []

    class Explanation:
        def report(self, path):
            found.append(path)

        def __str__(self):
            return "explained"

    def explain(classifier, row, *, target, scan):
        assert (target, scan) == ("edema", True)
        found.append(row)
        return Explanation()

    monkeypatch.setattr(inspection, "explain", explain, raising=False)
    return found


@pytest.mark.parametrize("which", [["--row", "4"], ["--id", "patient=patient-0003"]])
def test_a_row_is_found_by_its_line_or_by_who_it_is(run, cohort, model, asked, tmp_path, which):
    page = tmp_path / "page.html"
    ended = run("explain", model, cohort, *which, "--scan", "--positive", "edema", "--report", page)
    assert ended.code == 0, ended.err
    assert ended.out == "explained\n"
    row, path = asked
    assert path == page
    expected = pd.read_csv(cohort).iloc[2]
    assert len(row) == 1
    assert row["age"].item() == expected["age"]
    assert row["scan"].item() == str(cohort.parent / expected["scan"])
    assert "edema" not in row


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ([], "--row LINE, or --id COLUMN=VALUE"),
        (["--row", "3", "--id", "patient=a"], "--row LINE, or --id COLUMN=VALUE"),
        (["--row", "99"], "rows from line 2 to line 41"),
        (["--id", "patient"], "COLUMN=VALUE"),
        (["--id", "pateint=a"], "Did you mean 'patient'"),
        (["--id", "patient=patient-003"], "Did you mean 'patient-00"),
        (["--id", "sex=male"], "give --row"),
    ],
)
def test_a_row_that_is_not_there_ends_by_2(run, cohort, model, asked, which, said):
    ended = run("explain", model, cohort, *which)
    assert ended.code == 2
    assert said in ended.err
    assert not asked


def test_what_is_read_is_kept_where_it_is_asked_for(run, cohort, model, monkeypatch, tmp_path):
    found = []

    def explain(classifier, row, **_):
        found.append((classifier.memory, classifier.n_jobs))

    monkeypatch.setattr(inspection, "explain", explain)
    which = ["explain", model, cohort, "--row", "4", "--jobs", "1"]
    folder = tmp_path / "memory"
    for more in (["--memory", folder], []):
        ended = run(*which, *more)
        assert ended.code == 0, ended.err
    assert found == [(str(folder), 1), (None, 1)]
