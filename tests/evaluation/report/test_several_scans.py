from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest

from skedema import AttentionMixerClassifier, VolumeReader, inspection
from skedema.evaluation import evaluate

pytest.importorskip("jinja2")


def test_a_report_shows_each_scan(monkeypatch):
    rng, n = np.random.default_rng(0), 40
    X = pd.DataFrame({"age": rng.normal(60, 9, n)})
    for name in ("baseline", "followup"):
        scans = [rng.normal(40, 10, (8, 8, 8)).astype("f4") for _ in range(n)]
        X[name] = pd.Series(scans, dtype=object)
    y = rng.integers(0, 2, n)
    clf = AttentionMixerClassifier(
        image=["baseline", "followup"],
        encoder="cnn",
        fine_tune=False,
        max_epochs=1,
        n_members=1,
        volume=VolumeReader(shape=8),
        random_state=0,
    )
    result = evaluate({"both": clf}, X, y, cv=2, random_state=0)
    whole = functools.partial(inspection.explain_scan, size=8)
    monkeypatch.setattr(inspection, "explain_scan", whole)
    sections = ["gallery", "scans", "model_card"]
    html = result.report(sections=sections, n_cases=1, identifiers=True).html
    for text in ("baseline:", "followup:", "of &#39;followup&#39; for", "and 2 scans"):
        assert text in html, text
    looked_at = html.split("Scans looked at")[1][:200]
    assert "80" in looked_at
