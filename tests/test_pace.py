"""A fit that takes long says so once, and no short one says anything."""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import cross_val_score

import skedema._pace as pace
from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema.encoders import CNN
from skedema.evaluation import evaluate

N, READER = 40, VolumeReader(spacing=None, shape=8)
RNG = np.random.default_rng(0)
X = pd.DataFrame({"scan": list(RNG.normal(40, 8, (N, 8, 8, 8))), "age": RNG.normal(60, 9, N)})
Y = np.arange(N) % 2


def classifier(**parameters):
    defaults = {"encoder": CNN(width=4, depth=2), "volume": READER, "max_epochs": 4}
    return AttentionMixerClassifier(image="scan", random_state=0, **(defaults | parameters))


@pytest.fixture
def slow(monkeypatch, caplog):
    """Take every fit for a long one, and give what was said."""
    monkeypatch.setattr(pace, "_LONG", 0.0)
    monkeypatch.setattr(pace, "_FROM", 0.0)
    return lambda: [record.getMessage() for record in caplog.records]


def test_a_short_fit_says_nothing(caplog):
    classifier().fit(X, Y)
    assert caplog.records == []


def test_a_long_fit_says_so_once_and_how_to_make_it_shorter(slow):
    clf = classifier(fine_tune=False).fit(X, Y)
    (said,) = slow()
    assert "most of it encoding 40 scans" in said
    assert 'memory="a folder"' in said
    clf.predict(X.assign(scan=list(X["scan"] + 1)))  # a prediction is no fit
    assert len(slow()) == 1
    classifier().fit(X, Y)
    assert "training for 4 epochs at most. fine_tune=False encodes each scan once" in slow()[1]
    assert "max_epochs below 4" in slow()[1]


def test_what_takes_less_time_is_not_advised_twice(slow, tmp_path):
    classifier(fine_tune=False, memory=tmp_path, n_jobs=1).fit(X, Y)
    assert "a folder" not in slow()[0]
    ViTAutoencoder(size="tiny", volume=READER, max_epochs=3, memory=tmp_path).fit(list(X["scan"]))
    assert "most of it pre-training. Fewer max_epochs than 3" in slow()[1]
    assert "tiny" not in slow()[1]
    assert "checkpoint_dir" not in slow()[1]


def test_the_folds_of_a_cross_validation_say_so_once(slow):
    clf = classifier(max_epochs=2)
    cross_val_score(clf, X, Y, cv=3)
    assert len(slow()) == 1
    cross_val_score(clf, X, Y, cv=3)
    assert len(slow()) == 2
    evaluate({"one": clf, "other": clf}, X, Y, cv=2)
    assert len(slow()) == 3


def test_what_a_classifier_pre_trains_is_a_part_of_its_fit(slow):
    encoder = ViTAutoencoder(size="tiny", volume=READER, max_epochs=2)
    classifier(encoder=encoder, max_epochs=2).fit(X, Y)
    assert len(slow()) == 1
    classifier(encoder=encoder, max_epochs=2).estimate(X, Y, cv=2)
    assert len(slow()) == 1


def test_it_is_no_warning_can_be_silenced_and_leaves_nothing_behind(slow):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf = classifier().fit(X, Y)
    assert "_pace" not in vars(pickle.loads(pickle.dumps(clf)).net_)
    logger = logging.getLogger("skedema")
    level = logger.level
    logger.setLevel("ERROR")
    try:
        classifier().fit(X, Y)
    finally:
        logger.setLevel(level)
    assert len(slow()) == 1


def test_without_settings_it_is_a_line_of_standard_error():
    code = (
        "import skedema._pace as pace; pace._LONG = pace._FROM = 0\n"
        "from skedema import AttentionMixerClassifier\n"
        "AttentionMixerClassifier().fit([[0.0], [1.0]] * 5, [0, 1] * 5)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr.startswith("skedema: this fit will take about ")
    assert done.stderr.count("\n") == 1
