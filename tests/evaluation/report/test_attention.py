from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

from skedema import AttentionMixerClassifier, VolumeReader
from skedema.datasets import make_head_ct_cohort
from skedema.evaluation import evaluate

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")


def test_attention_is_drawn_and_a_hidden_column_has_no_name(tmp_path):
    cohort = make_head_ct_cohort(16, tmp_path, shape=[16] * 3, spacing=[13] * 3, random_state=0)
    numbers = np.random.default_rng(0).permutation(16) + 83_000_000
    X = cohort.frame[["scan", "age"]].assign(mrn=numbers)
    clf = AttentionMixerClassifier(
        image="scan", encoder="cnn", fine_tune=False, max_epochs=1, n_members=1, random_state=0,
        volume=VolumeReader(spacing=13, shape=16),
    )  # fmt: skip
    y = np.arange(16) % 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of the number that is a patient's
        result = evaluate({"fused": clf}, X, y, cv=2, random_state=0)
        html = result.report(sections=["attention"]).html
    (alt,) = re.findall(r'<img [^>]*alt="([^"]*)"', html)
    assert "age 0." in alt
    assert "not shown 1 0." in alt
    assert "mrn" not in re.sub(r"base64,[^\"']*", "", html)
