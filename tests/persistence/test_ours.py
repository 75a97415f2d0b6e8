from __future__ import annotations

import copy
import pickle
import re
import struct

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

import skedema
from skedema._features import features
from skedema.encoders import CNN, EncoderUnion
from skedema.fusion import list_fusions
from skedema.inspection import explain
from skedema.persistence import ModelFileError
from skedema.scans import ScanError

from .._autoencoders import make
from ._models import again, classifier, load_parts, make_table, tokens

X, y = make_table()
FEW = X.head(6)


@pytest.fixture(scope="module")
def autoencoder():
    return make(max_epochs=0).fit(X["scan"].dropna())


def encoders(autoencoder):
    frozen = FrozenEstimator(autoencoder)
    return {
        "trained": {"encoder": CNN(width=2, depth=1), "n_members": 1},
        "fixed": {"encoder": CNN(width=2, depth=1), "fine_tune": False},
        "both sides": {"encoder": tokens()},
        "regions": {"encoder": tokens(regions=(1, 2, 1))},
        "an autoencoder": {"encoder": make(max_epochs=0), "fine_tune": False},
        "frozen": {"encoder": frozen},
        "frozen and trained": {"encoder": frozen, "fine_tune": True, "n_members": 1},
        "sides of an autoencoder": {"encoder": tokens(encoder=frozen)},
        "side by side": {"encoder": [("one", tokens()), ("other", frozen)]},
    }


@pytest.mark.parametrize("name", list(encoders(None)))
def test_every_kind_of_encoder_comes_back(name, autoencoder, tmp_path):
    clf = classifier(**encoders(autoencoder)[name]).fit(X, y)
    expected = clf.predict_proba(FEW), clf.image_features(FEW), clf.attention(FEW)
    loaded = again(clf, tmp_path)
    assert np.array_equal(loaded.predict_proba(FEW), expected[0])
    assert np.array_equal(loaded.image_features(FEW), expected[1])
    pd.testing.assert_frame_equal(loaded.attention(FEW), expected[2])
    assert loaded.volume_.get_params() == clf.volume_.get_params()
    assert repr(clone(loaded)) == repr(clone(clf))


@pytest.mark.parametrize("fusion", list_fusions())
def test_every_fusion_comes_back(fusion, tmp_path):
    table, labels = X.drop(columns="scan").iloc[:12], y[:12]
    clf = classifier(image=None, fusion=fusion, n_members=1, refiner=None).fit(table, labels)
    assert np.array_equal(again(clf, tmp_path).predict_proba(table), clf.predict_proba(table))


def test_other_parameters_after_the_fit_change_nothing_of_what_was_fitted(tmp_path):
    clf = classifier(encoder=CNN(width=2, depth=1), n_members=1).fit(X, y)
    expected = clf.predict_proba(FEW)
    clf.set_params(encoder__width=4, dim=16, n_heads=2, fusion="film")
    loaded = again(clf, tmp_path)
    assert np.array_equal(loaded.predict_proba(FEW), expected)
    assert loaded.encoder.width == 4


def test_a_union_of_encoders_is_kept_by_itself(autoencoder, tmp_path):
    union = EncoderUnion([("one", tokens()), ("other", FrozenEstimator(autoencoder))])
    scans = X["scan"].dropna().head(4)
    expected = union.fit(scans).transform(scans)
    loaded = again(union, tmp_path)
    assert np.array_equal(loaded.transform(scans), expected)
    assert loaded.get_feature_names_out().tolist() == union.get_feature_names_out().tolist()


def test_what_several_hold_is_written_once(autoencoder, tmp_path):
    skedema.save(autoencoder, tmp_path / "encoder.skedema")
    alone = (tmp_path / "encoder.skedema").stat().st_size
    loaded = again(classifier(encoder=FrozenEstimator(autoencoder)).fit(X, y), tmp_path)
    assert (tmp_path / "model.skedema").stat().st_size < 1.5 * alone
    assert loaded.encoder is loaded.encoder_


def test_a_loaded_model_goes_on_as_an_unpickled_one(tmp_path):
    clf = classifier().fit(X, y)
    ways = pickle.loads(pickle.dumps(clf)), again(clf, tmp_path)
    for each in ways:
        each.set_params(warm_start=True).fit(X, y)
    assert np.array_equal(ways[0].predict_proba(X), ways[1].predict_proba(X))
    assert len(ways[1].history_) == 2
    one = classifier(n_members=1).partial_fit(X, y, classes=["edema", "none"])
    one.net_.forget_optimizer()
    ways = copy.deepcopy(one), again(one, tmp_path)
    for each in ways:
        each.partial_fit(X, y)
    assert np.array_equal(ways[0].predict_proba(X), ways[1].predict_proba(X))


def test_an_autoencoder_goes_on(tmp_path):
    scans = X["scan"].dropna().head(5)
    first = make(max_epochs=1).fit(scans)
    ways = pickle.loads(pickle.dumps(first)), again(first, tmp_path)
    for each in ways:
        each.partial_fit(scans)
    assert np.array_equal(ways[0].transform(scans), ways[1].transform(scans))


def test_a_patient_is_explained_as_before(tmp_path):
    clf = classifier().fit(X, y)
    row = X.iloc[[0]]
    before, after = explain(clf, row), explain(again(clf, tmp_path), row)
    pd.testing.assert_frame_equal(after.contributions, before.contributions)
    pd.testing.assert_frame_equal(after.interval, before.interval, rtol=1e-6)
    pd.testing.assert_frame_equal(after.flips, before.flips)


def test_warnings_of_unusual_values_and_scans_are_as_before(tmp_path):
    clf = classifier(encoder=tokens()).fit(X, y)
    odd = FEW.copy()
    odd.loc[0, "age"] = 6000.0
    odd.at[1, "scan"] = np.full_like(odd.at[0, "scan"], 300.0)
    told = []
    for each in (clf, again(clf, tmp_path)):
        features.clear()
        with pytest.warns(UserWarning, match="age|scans") as caught:
            each.predict_proba(odd)
        told.append([str(each.message) for each in caught])
    assert told[0] == told[1]
    assert any("unlike all" in text for text in told[0])


def test_nothing_of_the_training_rows_is_in_the_file(tmp_path):
    folder = tmp_path / "planted-folder"
    folder.mkdir()
    table, labels = make_table()
    table["age"] = np.linspace(40, 80, 40) + np.random.default_rng(2).random(40)
    for row, voxels in table["scan"].dropna().items():
        path = folder / f"planted-name-{row}.npy"
        np.save(path, voxels)
        table.at[row, "scan"] = str(path)
    table.index = [f"planted-patient-{row}" for row in range(40)]
    weight = np.random.default_rng(3).random(40)
    clf = classifier(encoder=tokens(memory=folder / "a"), memory=folder / "b", n_members=1)
    clf.fit(table, labels, sample_weight=weight)
    skedema.save(clf, tmp_path / "model.skedema")
    content = (tmp_path / "model.skedema").read_bytes()
    assert b"planted" not in content
    middle = np.sort(table["age"])[20]
    known = {table["age"].min(), table["age"].max(), middle}  # the range, and the scale's centre
    known |= {each for each in table["age"] if each == clf.metadata_.center_[0]}
    for value in {*table["age"], *weight} - known:
        for text in (repr(value).encode(), struct.pack("<d", value), struct.pack("<f", value)):
            assert text not in content, value
    for scan in clf._usual.known:
        assert scan[5:].tobytes() not in content


def test_predictions_of_those_held_out_are_in_no_order(tmp_path):
    clf = classifier().fit(X, y)
    held, kept = clf.held_out_, again(clf, tmp_path).held_out_
    assert kept.y.tolist() != held.y.tolist()
    assert sorted(zip(held.proba[:, 0], held.y, strict=True)) == sorted(
        zip(kept.proba[:, 0], kept.y, strict=True)
    )
    order = np.lexsort([*held.proba.T, held.y])
    assert np.array_equal(held.proba[order], kept.proba)


@pytest.mark.parametrize("grid", [{"shape": 3000}, {"shape": 300, "windows": ["brain"] * 40}])
def test_no_reader_of_a_file_fills_the_memory(grid, tmp_path):
    with pytest.raises(ModelFileError, match="give a smaller shape"):
        skedema.save(skedema.VolumeReader(**grid), tmp_path / "model.skedema")
    with pytest.raises(ModelFileError, match="give a smaller shape"):
        load_parts(tmp_path, ["skedema.VolumeReader", grid])
    again(skedema.VolumeReader(shape=512), tmp_path)  # the remedy


def test_how_large_a_scan_may_be_is_not_said_by_a_file(tmp_path):
    for asked, allowed in ((2**40, 2**31), (2**20, 2**20)):
        reader = skedema.VolumeReader(shape=8, max_bytes=asked)
        clf = classifier(encoder=CNN(width=2, depth=1), n_members=1, volume=reader).fit(X, y)
        loaded = again(clf, tmp_path)
        assert loaded.volume_.max_bytes == loaded.volume.max_bytes == allowed
    # What the page says to do about it.
    large = X.assign(scan=[np.zeros((64, 64, 65), dtype=np.float32)] * len(X))
    with pytest.raises(ScanError, match="at most 1,048,576 are taken"):
        loaded.predict_proba(large)
    loaded.set_params(warn_unusual=False).volume_.set_params(max_bytes=2**21)
    loaded.predict_proba(large)


def test_messages_name_the_part_and_where_it_sits(tmp_path):
    clf = classifier(encoder=tokens(random_state=object()))
    with pytest.raises(ModelFileError, match=re.escape("AttentionMixerClassifier.encoder.random")):
        skedema.save(clf, tmp_path / "model.skedema")
    assert not list(tmp_path.iterdir())
