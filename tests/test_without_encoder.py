"""encoder=None: the column of scans is known, and left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV

from skedema import AttentionMixerClassifier, VolumeReader
from skedema.baselines import ablations, baselines, missing_arms
from skedema.encoders import CNN
from skedema.inspection import explain_scan

N, READER = 44, VolumeReader(spacing=None, shape=8)
RNG = np.random.default_rng(0)
X = pd.DataFrame(
    {"age": RNG.normal(60, 9, N), "scan": list(RNG.normal(40, 8, (N, 8, 8, 8))), "gcs": 9.0}
)
Y = np.arange(N) % 2


def classifier(**parameters):
    defaults = {"image": "scan", "encoder": None, "volume": READER, "max_epochs": 2}
    return AttentionMixerClassifier(random_state=0, **(defaults | parameters))


def test_it_is_the_model_of_the_other_columns_to_the_bit():
    clf = classifier().fit(X, Y)
    alone = classifier(image=None, encoder="cnn").fit(X.drop(columns="scan"), Y)
    np.testing.assert_array_equal(clf.predict_proba(X), alone.predict_proba(X.drop(columns="scan")))
    assert clf.n_features_in_ == 3
    assert list(clf.attention(X)) == ["age", "gcs"]
    assert clf.encoder_ is None
    assert clf.volume_ is None
    assert clf.image_features(X).shape == (N, 32)
    assert len(clf.net_.module_.members) == 4  # prompted as for a table
    with pytest.raises(ValueError, match="fitted without scans"):
        clf.scan_importance(X, Y)
    with pytest.raises(ValueError, match="fitted without scans"):
        explain_scan(clf, X.iloc[0])


def test_scans_are_neither_looked_for_nor_checked():
    gone = X.assign(scan=["gone.nii", 3.5] * (N // 2))
    clf = classifier(fine_tune=True, mirror=True).fit(gone, Y)
    clf.partial_fit(gone, Y)
    np.testing.assert_array_equal(clf.predict(gone), clf.predict(X))
    assert clf.predict_proba({"age": 61, "gcs": 8}).shape == (1, 2)
    by_position = classifier(image=1).fit(gone.to_numpy(), Y)
    assert by_position.predict(X.to_numpy()).shape == (N,)


def test_the_ablation_is_a_grid_search():
    search = GridSearchCV(
        classifier(), {"encoder": [CNN(width=4, depth=2), None]}, cv=2, error_score="raise"
    ).fit(X, Y)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    expected = GridSearchCV(classifier(image=None), {"dim": [32]}, cv=2, error_score="raise").fit(
        X.drop(columns="scan"), Y
    )
    assert scores[1] == expected.cv_results_["mean_test_score"][0]


def test_what_it_needs_is_said():
    with pytest.raises(ValueError, match=r"nothing to learn from: encoder=None needs clinical"):
        classifier().fit(X[["scan"]], Y)
    with pytest.raises(ValueError, match=r"encoder__depth cannot be set while encoder=None"):
        classifier().set_params(encoder__depth=2)
    assert classifier().set_params(encoder=CNN(), encoder__depth=2).encoder.depth == 2
    with pytest.raises(ValueError, match="image='scan': X has no such column"):
        classifier().fit(X.drop(columns="scan"), Y)


def test_a_column_of_scans_left_in_the_table_names_both_remedies():
    paths = X.assign(scan=[f"scans/{k}.nii.gz" for k in range(N)])
    alone = classifier(image=None)
    with pytest.raises(ValueError, match=r"image='scan'.*encoder=None") as caught:
        alone.fit(paths, Y)
    assert "drop" in str(caught.value)
    alone.set_params(image="scan", encoder=None).fit(paths, Y)  # as the message says
    classifier(image=None).fit(paths.drop(columns="scan"), Y)


def test_baselines_and_ablations_know_that_there_are_no_scans():
    assert ablations(classifier()).keys() == ablations(classifier(image=None)).keys()
    assert missing_arms(classifier()).keys() == missing_arms(classifier(image=None)).keys()
    assert (
        baselines(classifier(), X).keys()
        == baselines(classifier(image=None), X.drop(columns="scan")).keys()
    )
    for model in baselines(classifier(), X).values():
        model.fit(X, Y).predict_proba(X)
        break
