from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skedema import (
    AttentionMixerClassifier,
    AttentionMixerRegressor,
    ClinicalTokenizer,
    VolumeReader,
)
from skedema.encoders import CNN
from skedema.fusion import CrossAttention
from skedema.refiners import Mixer


def short(**parameters: object) -> AttentionMixerClassifier:
    """Make a classifier that learns the checks' toy data in fewer epochs than the default."""
    return AttentionMixerClassifier(max_epochs=10, lr=5e-3, **parameters)


# Settings that no classifier can have and pass every check are left out, each for its reason:
# - dropout > 0, batch_size below the sample size, dtype="float32", and metadata that takes no
#   sample_weight (a Pipeline): a weight of two is compared with a repeated row to 1e-7;
# - early_stopping=True: sets of ten patients in three classes cannot spare a stratified tenth
#   ("auto", the default, does not try);
# - class_weight="balanced": partial_fit cannot know the balance, and says so;
# - warm_start=True: checks fit one object to unrelated tables and expect a fresh start.
CONFIGURED = [
    short(fusion="concat"),
    short(fusion="concat", refiner=None, weight_decay=0.0),
    short(refiner=None),
    short(dim=16, n_heads=2, depth=2),
    short(fusion=CrossAttention(query="tokens"), refiner=Mixer(expansion=1.0)),
    short(metadata=StandardScaler()),
    # Parameters of scans are legal without scans, and do nothing.
    short(encoder=CNN(width=4), volume=VolumeReader(shape=8), fine_tune=False),
    short(encoder="vit", fine_tune=True, n_jobs=2, random_state=0),
]


@parametrize_with_checks(
    [AttentionMixerClassifier(), AttentionMixerRegressor(), ClinicalTokenizer()]
)
def test_default_estimators_pass_every_check(estimator, check):
    check(estimator)


@parametrize_with_checks(CONFIGURED)
def test_configured_estimators_pass_every_check(estimator, check):
    check(estimator)


NUMBER_CODED = ClinicalTokenizer(categorical_features=[0])


# The checks' columns are continuous: codes made of them are new in every other table.
@pytest.mark.filterwarnings("ignore:Treated as missing:UserWarning")
@parametrize_with_checks([NUMBER_CODED, short(metadata=NUMBER_CODED)])
def test_number_coded_categories_pass_every_check(estimator, check):
    check(estimator)


_EVERY_CHECK = """
import json

from sklearn.utils.estimator_checks import check_estimator

from skedema import AttentionMixerClassifier, AttentionMixerRegressor, ClinicalTokenizer

log = []
for estimator in (AttentionMixerClassifier(), AttentionMixerRegressor(), ClinicalTokenizer()):
    for entry in check_estimator(estimator, on_skip=None, on_fail=None):
        name = type(estimator).__name__
        log.append([name, entry["check_name"], entry["status"], repr(entry["exception"])])
print(json.dumps(log))
"""


@pytest.mark.slow
def test_nothing_is_skipped_with_array_api_dispatch_available():
    # SCIPY_ARRAY_API has to be set before scipy is imported, so this needs a new interpreter.
    one_thread = {f"{pool}_NUM_THREADS": "1" for pool in ("OMP", "MKL", "OPENBLAS")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _EVERY_CHECK],
        env={**os.environ, **one_thread, "SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    log = json.loads(done.stdout.splitlines()[-1])
    # One check is of a method that there is not.
    of_none = "check_classifiers_multilabel_output_format_decision_function"
    assert [entry for entry in log if entry[2] != "passed" and entry[1] != of_none] == []
    counts = {name: sum(entry[0] == name for entry in log) for name, *_ in log}
    assert counts["AttentionMixerClassifier"] >= 60
    assert counts["AttentionMixerRegressor"] >= 55
    assert counts["ClinicalTokenizer"] >= 50
