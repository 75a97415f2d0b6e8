"""The report of an evaluation with scans, in a real browser."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest
from sklearn.dummy import DummyClassifier

from skedema import AttentionMixerClassifier, VolumeReader
from skedema.datasets import make_head_ct_cohort
from skedema.encoders import CNN
from skedema.evaluation import evaluate

from ._chromium import Watched, chromium
from .evaluation.report._cohort import all_that_is_in

N = 24


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """Patients with coarse scans in files, whose names nobody is to read on a page."""
    folder = tmp_path_factory.mktemp("Mustermann")
    cohort = make_head_ct_cohort(N, folder, random_state=0)
    X = cohort.frame[["scan", "age", "gcs"]]
    clf = AttentionMixerClassifier(
        image="scan",
        encoder=CNN(width=4, depth=1),
        volume=VolumeReader(spacing=26, shape=8),
        max_epochs=2,
        n_members=1,
        random_state=0,
    )
    models = {"fused": clf, "prevalence": DummyClassifier()}
    return evaluate(models, X, cohort.target, cv=3, random_state=0)


@pytest.fixture(scope="module")
def path(result, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    result.report(path, n_cases=2, n_resamples=50)
    return path


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


def test_page_works_from_a_file_without_a_network(browser, path):
    watched = Watched(browser, path)
    watched.until("window.viewer")
    assert watched.requests
    assert not watched.network
    assert not watched.complaints
    page = watched.page
    assert page.locator("h1").count() == 1
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert all(after - before <= 1 for before, after in pairwise(levels))
    alts = page.evaluate("[...document.images].map(image => image.alt)")
    assert len(alts) >= 8
    assert all(len(alt) > 20 for alt in alts)
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    tables = page.evaluate(
        "[...document.querySelectorAll('table')].every(t => t.caption && t.rows[0].cells[0].scope)"
    )
    assert tables
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.get_by_role("button", name="Show in the viewer").nth(1).click()
    watched.until("document.getElementById('viewer-state').textContent.includes('Patient 2')")
    assert page.evaluate("viewer.nv.volumes.length") == 2  # the scan, and where it looked
    assert not watched.complaints


def test_page_fits_a_phone(browser, path):
    watched = Watched(browser, path, width=390, color_scheme="dark")
    assert watched.page.evaluate("document.documentElement.scrollWidth") == 390
    assert not watched.complaints


def test_page_prints_with_all_that_is_folded(browser, path):
    page = Watched(browser, path).page
    printed = page.pdf()
    assert printed.startswith(b"%PDF")
    page.emulate_media(media="print")
    assert page.evaluate("[...document.querySelectorAll('details')].every(each => each.open)")
    assert not page.locator("nav").is_visible()
    assert not page.locator(".viewer").is_visible()


def test_page_in_a_notebook_is_a_frame_whose_links_stay_in_it(browser, result, tmp_path):
    made = result.report(sections=["summary", "methods", "tripod"], n_resamples=50)
    path = tmp_path / "notebook.html"
    path.write_text(f"<!doctype html>{made._repr_html_()}", encoding="utf-8")
    watched = Watched(browser, path)
    frame = watched.page.frames[1]
    frame.click("text=TRIPOD+AI items >> nth=0")
    assert frame.evaluate("document.activeElement.id") == "tripod-ai-items"
    assert not watched.network


def test_nobody_is_recognised_by_the_page_of_their_scans(path, result):
    html = path.read_text(encoding="utf-8")
    everything = all_that_is_in(html)
    names = [name for scan in result.X["scan"] for name in scan.rsplit("/", 1)]
    assert not [name for name in [*names, *result.X.index, "Mustermann"] if name in everything]
    told = json.loads(re.search(r'id="viewer-data">(.*?)</script>', html).group(1))
    assert [case["label"] for case in told["cases"]] == ["Patient 1", "Patient 2"]


def test_mistakes_are_looked_at_by_a_model_that_did_not_see_them(result, monkeypatch):
    from skedema import inspection

    asked = []
    real = inspection.explain_scan

    def explain(clf, row, **options):
        asked.append((clf, row))
        return real(clf, row, **options)

    monkeypatch.setattr(inspection, "explain_scan", explain)
    result.report(sections=["gallery"], n_cases=3)
    assert len(asked) == 3
    table = result.predictions.query("estimator == 'fused'")
    for clf, row in asked:
        position = result.X.index.get_loc(row.index[0])
        fold = table.set_index("row").loc[position, "fold"]
        assert result.estimators["fused"][fold] is clf
