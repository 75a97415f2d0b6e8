from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

from skedema import VolumeReader
from skedema.encoders import CNN, Density, EncoderUnion, MirroredTokens, ViT, make_encoder
from skedema.scans._remarks import Remark, Told, tell

SCANS = [np.random.default_rng(k).normal(40, 9, (4, 4, 4)) for k in range(3)]


class Quantiles(TransformerMixin, BaseEstimator):
    """Numbers without names, of scans that need no geometry."""

    def __init__(self, n=3, mirrors=True):
        self.n = n
        self.mirrors = mirrors

    def fit(self, X, y=None):
        self.classes_ = None if y is None else set(y)
        return self

    def transform(self, X):
        scans = X["scan"] if isinstance(X, pd.DataFrame) else X
        return np.array([np.quantile(each, np.linspace(0, 1, self.n)) for each in scans])

    def __getattr__(self, name):
        if name == "transform_mirrored" and self.mirrors:
            return lambda X: -self.transform(X)
        raise AttributeError(name)


class Halves(Quantiles):
    """Two parts of its own."""

    def fit(self, X, y=None):
        self.token_widths_ = {"low": 1, "high": self.n - 1}
        return self

    def features_digest(self):
        return f"halves {self.n}"


def test_features_stand_side_by_side_and_parts_keep_their_names():
    union = EncoderUnion([("few", Quantiles()), ("halves", Halves(n=5))]).fit(SCANS, [0, 1, 0])
    found = union.transform(SCANS)
    assert_array_equal(found, np.hstack([Quantiles(k).transform(SCANS) for k in (3, 5)]))
    assert union.token_widths_ == {"few": 3, "halves__low": 1, "halves__high": 4}
    names = [*(f"few__{k}" for k in range(3)), *(f"halves__{k}" for k in range(5))]
    assert union.get_feature_names_out().tolist() == names
    assert union.encoders_[0][1].classes_ == {0, 1}
    assert not hasattr(union.encoders[0][1], "classes_")  # a copy is fitted
    scans = pd.DataFrame({"scan": pd.Series(SCANS, index=[7, 8, 9])})
    table = union.set_output(transform="pandas").transform(scans)
    assert (list(table), table.index.tolist()) == (names, [7, 8, 9])


def test_names_of_features_are_those_of_the_part():
    union = EncoderUnion([("density", Density(edges=[30]))]).fit([None])
    assert union.token_widths_ == {"density": 12}
    first = "density__ml of tissue below 30 HU, inner, mean of both sides"
    assert union.get_feature_names_out()[0] == first


def test_parameters_are_reached_by_the_name_of_the_part():
    union = EncoderUnion([("density", Density()), ("few", Quantiles())])
    assert union.get_params()["density__rim"] == 10.0
    assert union.set_params(density__rim=5, few=Quantiles(7)) is union
    assert (union.encoders[0][1].rim, union.get_params()["few__n"]) == (5, 7)
    twin = clone(union)
    assert twin.get_params()["density__rim"] == 5
    assert twin.encoders[0][1] is not union.encoders[0][1]


def test_scans_are_mirrored_where_every_part_can():
    union = EncoderUnion([("few", Quantiles()), ("more", Quantiles(5))]).fit(SCANS)
    assert_array_equal(union.transform_mirrored(SCANS), -union.transform(SCANS))
    assert not hasattr(union.set_params(more__mirrors=False), "transform_mirrored")


def test_the_digest_is_that_of_all_parts():
    def digest(*parts):
        return EncoderUnion([(f"p{k}", part) for k, part in enumerate(parts)]).fit(SCANS)

    one, same = (digest(Halves(), Quantiles()).features_digest() for _ in range(2))
    assert one == same
    assert digest(Halves(n=4), Quantiles()).features_digest() != one
    assert digest(Halves(), Quantiles(4)).features_digest() != one
    assert digest(Halves(), Unpicklable()).features_digest() is None


class Unpicklable(Quantiles):
    def __reduce__(self):
        raise TypeError("no")


def test_it_is_what_a_list_becomes():
    frozen = FrozenEstimator(Quantiles().fit(SCANS))
    made = make_encoder(["density", ("mine", Halves()), frozen])
    assert [name for name, _ in made.encoders] == ["density", "mine", "quantiles"]
    assert isinstance(made.encoders[0][1], Density)
    assert made.fit(SCANS[:1]).encoders_[2][1] is frozen
    assert pickle.loads(pickle.dumps(made)).token_widths_ == made.token_widths_


def test_the_first_part_that_reads_by_a_reader_tells_how():
    class Reading(Quantiles):
        volume_ = VolumeReader(shape=4)

    union = EncoderUnion([("few", Quantiles()), ("reading", Reading()), ("more", Reading())])
    assert not hasattr(union, "volume_")
    assert union.fit(SCANS).volume_ is Reading.volume_


def test_what_parts_tell_of_a_scan_is_told_once():
    class Telling(Quantiles):
        def transform(self, X):
            tell([Told("row 0", "'a.nii'", Remark("intensity", "what to do"))], len(X))
            return super().transform(X)

    union = EncoderUnion([("one", Telling()), ("other", Telling(4))])
    with pytest.warns(UserWarning, match="1 of 1 scans"):
        union.fit(SCANS)
    with pytest.warns(UserWarning, match=r"^1 of 3 scans is not in HU \(row 0 'a\.nii'\)") as heard:
        union.transform(SCANS)
    assert len(heard) == 1


def test_transform_needs_fit():
    with pytest.raises(NotFittedError):
        EncoderUnion([("few", Quantiles())]).transform(SCANS)


@pytest.mark.parametrize(
    ("parts", "error", "message"),
    [
        ([], ValueError, "No encoder is given"),
        ([Quantiles(), Quantiles()], ValueError, r"Two parts have the name 'quantiles'\. Give na"),
        (["density", CNN()], TypeError, r"The part 'cnn' must be a transformer.*such as CNN\(\)"),
        ([("a__b", Quantiles())], ValueError, "cannot have the name 'a__b'"),
        (["densty"], ValueError, "Did you mean 'density'"),
        ([Quantiles], TypeError, r"encoder=Quantiles is a class; give an object"),
    ],
)
def test_what_cannot_stand_side_by_side_is_refused(parts, error, message):
    with pytest.raises(error, match=message):
        make_encoder(parts)


@pytest.mark.parametrize("encoders", [[Quantiles()], {"few": Quantiles()}, "density", [("a",)]])
def test_a_union_takes_names_and_transformers(encoders):
    with pytest.raises(TypeError, match=r"is a list of \(name, encoder\)"):
        EncoderUnion(encoders).fit(SCANS)
    with pytest.raises(TypeError, match=r"The part 'few' must be a transformer .* got 'density'"):
        EncoderUnion([("few", "density")]).fit(SCANS)


@pytest.mark.parametrize("long", ["", "x" * 90])
@pytest.mark.parametrize("kind", [str, Path])
def test_an_odd_scan_is_counted_once_whichever_parts_tell_of_it(tmp_path, kind, long):
    reader = VolumeReader(template="head", shape=8)
    paths = [tmp_path / f"{long}{k}.npy" for k in range(2)]
    for path, scan in zip(paths, SCANS[:2], strict=True):
        np.save(path, scan)  # without geometry
    X = pd.Series([kind(path) for path in paths], index=["patient-0001", "patient-0002"])
    tokens = MirroredTokens(ViT(dim=12, depth=1, n_heads=2, patch=4), volume=reader)
    union = EncoderUnion([("plain", Flat(reader)), ("tokens", tokens)])
    for call in (union.fit, union.transform, union.transform_mirrored):
        with pytest.warns(UserWarning, match=r"^2 of 2 scans are read .*no geometry") as told:
            call(X)
        assert len(told) == 1
        assert f"row 1 (index 'patient-0002') '{paths[1]}')" in str(told[0].message)


class Flat(TransformerMixin, BaseEstimator):
    def __init__(self, reader):
        self.reader = reader

    def fit(self, X, y=None):
        self.transform(X)
        return self

    def transform(self, X):
        return self.reader.transform(X).reshape(len(X), -1)[:, :2]

    transform_mirrored = transform
