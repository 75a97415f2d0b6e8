from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_validate

from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema._features import features
from skedema._scan_column import take_scans
from skedema._training.union_side import UnionSide, make_image_side
from skedema.baselines import ScanFeatures
from skedema.encoders import EncoderUnion, make_encoder
from skedema.frames import read_table
from skedema.scans._remarks import Remark, Told, tell

CPU, READER = torch.device("cpu"), VolumeReader(spacing=None, shape=8)
N = 12


@pytest.fixture
def patients():
    rng = np.random.default_rng(0)
    y = np.arange(N) % 2
    scans = pd.Series([rng.normal(40 - 5 * label, 8, (8, 8, 8)) for label in y], dtype=object)
    scans[3] = None
    return pd.DataFrame({"age": rng.normal(60, 9, N), "scan": scans}), y


class Spread(TransformerMixin, BaseEstimator):
    """Learns nothing: the same numbers in every fold."""

    def __init__(self, n=3, verbose=0, odd=()):
        self.n = n
        self.verbose = verbose
        self.odd = odd

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        for kind in self.odd:
            tell([Told("row 0", "'a.nii'", Remark(kind, f"{kind} is odd"))], 1)
        return np.array([np.quantile(each, np.linspace(0.1, 0.9, self.n)) for each in X])


class Centred(Spread):
    """Learns from the scans that it is fitted on."""

    def fit(self, X, y=None):
        self.mean_ = super().transform(X).mean(axis=0)
        return self

    def transform(self, X):
        return super().transform(X) - self.mean_


class Named(Spread):
    def fit(self, X, y=None):
        self.token_widths_ = {"low": 1, "high": self.n - 1}
        return self


def small(**parameters):
    given = {"size": "tiny", "patch": 4, "depth": 1, "decoder_depth": 1, "max_epochs": 1}
    return ViTAutoencoder(**(given | parameters))


def classifier(encoder, **parameters):
    given = {"image": "scan", "volume": READER, "dim": 8, "max_epochs": 2, "random_state": 0}
    return AttentionMixerClassifier(encoder=encoder, **(given | parameters))


def opened(side, scans):
    return side.volumes(take_scans(read_table(pd.DataFrame({"scan": scans})), 0), None, None)


def test_each_part_is_a_token_of_its_own_width(patients):
    X, y = patients
    clf = classifier([("a", Spread()), ("b", Named(n=5)), ("c", small())]).fit(X, y)
    widths = {"a": 3, "b__low": 1, "b__high": 4, "c": 96}
    assert clf.encoder_.token_widths_ == widths
    assert [each.in_features for each in clf.net_.module_.scan_tokens.project.each] == [3, 1, 4, 96]
    copied = pickle.loads(pickle.dumps(clf))
    assert copied.encoder_.token_widths_ == widths
    assert_array_equal(copied.predict_proba(X), clf.predict_proba(X))
    assert clf.predict_proba(X.assign(scan=None)).shape == (N, 2)


@pytest.mark.parametrize("encoder", [Centred(), small()])
def test_one_part_is_the_same_as_the_encoder_alone(patients, encoder):
    X, y = patients
    alone, listed = (
        classifier(each, fine_tune=False).fit(X, y).predict_proba(X)
        for each in (encoder, [encoder])
    )
    assert_array_equal(alone, listed)


def test_a_part_that_learns_nothing_is_computed_once_for_all_folds(patients):
    X, y = patients
    before = features.n_encoded
    cross_validate(classifier([Spread(n=6), Centred(n=6)]), X, y, cv=3)
    assert features.n_encoded - before == (N - 1) + 3 * (N - 1)
    before = features.n_encoded
    ScanFeatures(image="scan", encoder=[Spread(n=6)]).fit_transform(X)
    assert features.n_encoded == before


def test_parts_are_handed_what_they_leave_open_and_read_as_each_does(patients):
    X, y = patients
    other = VolumeReader(spacing=None, shape=16)
    parts = [("spread", Spread()), ("one", small(random_state=3)), ("own", small(volume=other))]
    clf = classifier(parts, n_jobs=1, random_state=5, verbose=1, max_epochs=1).fit(X, y)
    spread, one, own = (part for _, part in clf.encoder_.encoders_)
    assert (spread.verbose, one.n_jobs, one.random_state) == (1, 1, 3)
    assert own.random_state == clf._seed
    assert (one.volume_.shape, own.volume_.shape, clf.encoder_.volume_.shape) == (8, 16, 8)
    assert clf.get_params()["encoder"] == parts


def test_a_frozen_part_and_a_frozen_union_stay_as_they_are(patients):
    X, y = patients
    scans = X["scan"].dropna()
    frozen = FrozenEstimator(Centred().fit(scans[:4]))
    union = EncoderUnion([("frozen", frozen), ("new", Centred())])
    assert dict(classifier(union).fit(X, y).encoder_.encoders_)["frozen"] is frozen
    whole = FrozenEstimator(union.fit(scans[:4]))
    clf = classifier(whole).fit(X, y)
    assert dict(clf.encoder_.encoders_)["new"] is dict(union.encoders_)["new"]
    assert len(clf.net_.module_.scan_tokens.project.each) == 2
    side = make_image_side(whole, "auto", READER, torch.float32)
    found = side.transform(side.fit(opened(side, scans), y, seed=0), opened(side, scans), CPU)
    assert_array_equal(found[:, 0], union.transform(scans))


def test_a_frozen_union_has_to_be_fitted(patients):
    X, y = patients
    with pytest.raises(NotFittedError):
        classifier(FrozenEstimator(EncoderUnion([("new", Centred())]))).fit(X, y)


def test_both_views_are_learned_from_where_every_part_can_mirror(patients):
    X, y = patients
    side = make_image_side(
        [("a", small()), ("b", small(pool="cls"))], "auto", READER, torch.float32
    )
    assert isinstance(side, UnionSide)
    volumes = opened(side, X["scan"])
    encoder = side.fit(volumes, y, seed=0)
    learned = side.learn(encoder, volumes, CPU, mirror=True)
    scans = list(X["scan"].dropna())
    assert_array_equal(learned["mirrored"][volumes.rows, 0], encoder.transform_mirrored(scans))
    assert_array_equal(learned["features"][volumes.rows, 0], encoder.transform(scans))
    assert not learned["features"][3].any()
    with pytest.raises(ValueError, match=r"Spread is a .* no method transform_mirrored.*=False"):
        classifier([small(), Spread()], mirror=True).fit(X, y)


def test_gradients_reach_no_part(patients):
    X, y = patients
    with pytest.raises(ValueError, match=r"fine_tune=True .* EncoderUnion .* Use fine_tune=False"):
        classifier([small(), Spread()], fine_tune=True).fit(X, y)
    clf = classifier([small(), Spread()], fine_tune=False).fit(X, y)
    assert clf.net_.module_.encoder is None


def test_parameters_of_a_part_are_set_once_there_is_an_object(patients):
    clf = classifier(["density", Spread()])
    with pytest.raises(ValueError, match=r"a list has no parameters\. Give .*make_encoder"):
        clf.set_params(encoder__density__rim=5)
    clf.set_params(encoder=make_encoder(["density", Spread()])).set_params(encoder__density__rim=5)
    assert clone(clf).get_params()["encoder__density__rim"] == 5


def test_odd_scans_are_told_of_once(patients):
    X, y = patients
    parts = [Spread(n=5, odd=("intensity", "mask")), ("same", Spread(n=4, odd=("intensity",)))]
    with pytest.warns(
        UserWarning, match=r"1 of 11 scans is not in HU \('a.nii'\).*without a b"
    ) as h:
        classifier(parts).fit(X, y)
    assert len(h) == 1
    # a reader tells of intensities itself, but not of masks that it does not look for
    with pytest.warns(UserWarning, match=r"^1 of 11 scans is read without a brain mask") as heard:
        classifier([*parts[:1], small()]).fit(X, y)
    assert len(heard) == 1
    assert "intensity" not in str(heard[0].message)


class Wrong(Spread):
    def __init__(self, widths=None):
        self.widths = widths

    def fit(self, X, y=None):
        self.token_widths_ = self.widths
        return self

    def transform(self, X):
        return np.array([[np.mean(each), np.std(each)] for each in X])


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ({"a": 1}, "share out the columns of the features of a scan: it names 1, and there are 2"),
        ({"a": 2, "b": 1}, "it names 3, and there are 2"),
        ({"a": 2, "b": 0}, r"from names to positive numbers of columns, got \{'a': 2, 'b': 0\}"),
        ({"a": 1, 1: 1}, "from names to positive numbers"),
        ({}, "from names to positive numbers"),
        ([("a", 1), ("a", 1)], "from names to positive numbers"),
    ],
)
def test_widths_that_are_none_are_refused(patients, widths, message):
    with pytest.raises(ValueError, match=f"token_widths_ of Wrong must .*{message}"):
        classifier(Wrong(widths)).fit(*patients)
