from __future__ import annotations

import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from skedema import ViTAutoencoder, VolumeReader
from skedema.modules.autoencoder_sizes import AutoencoderSize
from skedema.modules.masked_autoencoder import MaskedAutoencoder
from skedema.modules.reference_weights import ReferenceWeightsError, reference_state

from .._autoencoders import SIDE, make, make_cohort, same_weights

pytestmark = pytest.mark.numerical


@pytest.fixture(scope="module")
def scans():
    return list(make_cohort(40)[0])


@pytest.fixture(scope="module")
def fitted(scans):
    return make().fit(scans)


# Features


@pytest.mark.parametrize(("pool", "width"), [("mean", 24), ("cls", 24), ("patches", 27 * 24)])
def test_features_are_deterministic_and_do_not_depend_on_the_batch(fitted, scans, pool, width):
    autoencoder = pickle.loads(pickle.dumps(fitted)).set_params(pool=pool)
    features = autoencoder.transform(scans)
    assert features.shape == (len(scans), width)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert_array_equal(features, autoencoder.transform(scans))
    for rows in ([3], [5, 3, 9]):
        assert_array_equal(features[rows], autoencoder.transform([scans[row] for row in rows]))
    with torch.no_grad():
        batch = torch.from_numpy(fitted.volume_.transform(scans))
        assert_allclose(features, autoencoder.module_.features(batch, pool), atol=2e-6)


def test_the_network_gives_tokens_of_a_grid_as_well(fitted, scans):
    network = fitted.network(pool="tokens").eval()
    assert network.grid == (3, 3, 3)
    with torch.no_grad():
        tokens = network(torch.from_numpy(fitted.volume_.transform(scans[:2])))
    assert tokens.shape == (2, 27, 24)
    side_by_side = pickle.loads(pickle.dumps(fitted)).set_params(pool="patches")
    assert_allclose(tokens.flatten(1), side_by_side.transform(scans[:2]), atol=2e-6)


def test_names_of_features_and_pandas_output(fitted, scans):
    names = [f"vitautoencoder{k}" for k in range(24)]
    assert fitted.get_feature_names_out().tolist() == names
    X = pd.DataFrame({"scan": scans}, index=[f"P{k}" for k in range(len(scans))])
    frame = clone(fitted).set_output(transform="pandas").fit_transform(X)
    assert list(frame) == names
    assert frame.index.equals(X.index)
    assert_array_equal(frame.to_numpy(), fitted.transform(scans))


def test_the_pool_may_be_changed_after_the_fit_and_names_follow(fitted, scans):
    autoencoder = pickle.loads(pickle.dumps(fitted))
    digests, names = set(), []
    for pool in ("mean", "patches", "cls", "patches"):
        autoencoder.set_params(pool=pool)
        digests.add(autoencoder.features_digest())
        names.append(len(autoencoder.get_feature_names_out()))
        assert autoencoder.transform(scans[:3]).shape == (3, names[-1])
    assert names == [24, 27 * 24, 24, 27 * 24]
    assert len(digests) == 3
    frame = autoencoder.set_output(transform="pandas").transform(scans[:3])
    assert list(frame)[-1] == f"vitautoencoder{27 * 24 - 1}"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("pool", ["mean", "cls", "patches"])
def test_mirrored_features_are_those_of_the_mirrored_scan(fitted, scans, pool, dtype):
    autoencoder = pickle.loads(pickle.dumps(fitted)).set_params(pool=pool, dtype=dtype)
    found = autoencoder.transform_mirrored(scans)
    assert np.abs(found - autoencoder.transform(scans)).max() > 1e-3
    assert_array_equal(found, autoencoder.transform([scan[::-1] for scan in scans]))
    assert_array_equal(found[[3]], autoencoder.transform_mirrored([scans[3]]))
    rows = fitted.volume_.transform(scans).reshape(len(scans), -1)
    assert_array_equal(found, autoencoder.transform_mirrored(rows))


def test_scans_as_arrays_images_files_and_rows_give_the_same(fitted, scans, tmp_path):
    expected = fitted.transform(scans)
    arrays = [scan.astype(np.float32) for scan in scans]
    paths = []
    for number, array in enumerate(arrays):
        paths.append(str(tmp_path / f"{number}.npy"))
        np.save(paths[-1], array)
    rows = fitted.volume_.transform(scans).reshape(len(scans), -1)
    for X in (
        paths,
        pd.Series(paths),
        pd.DataFrame({"scan": paths}),
        pl.Series(paths),
        np.array(paths, dtype=object)[:, None],
        np.stack(arrays),
        rows,
    ):
        assert_array_equal(fitted.transform(X), expected)


def test_number_of_columns_is_known_only_for_rows(scans, fitted):
    assert not hasattr(fitted, "n_features_in_")
    rows = fitted.volume_.transform(scans).reshape(len(scans), -1)
    from_rows = make().fit(rows)
    assert from_rows.n_features_in_ == SIDE**3
    assert same_weights(from_rows, fitted)
    assert not hasattr(from_rows.fit(scans), "n_features_in_")


def test_reconstruction_replaces_the_hidden_patches_only(fitted, scans):
    rebuilt = fitted.reconstruct(scans)
    given = fitted.volume_.transform(scans)
    assert rebuilt.shape == given.shape
    assert rebuilt.dtype == np.float32
    same = (rebuilt == given).reshape(len(scans), 3, 4, 3, 4, 3, 4).all(axis=(2, 4, 6))
    assert (same.sum(axis=(1, 2, 3)) == 6).all()  # int(27 patches x 0.25) are shown
    assert (same == same[0]).all()
    assert_array_equal(rebuilt, fitted.reconstruct(scans))
    assert_array_equal(rebuilt[3:5], fitted.reconstruct(scans[3:5]))
    assert (rebuilt != fitted.reconstruct(scans, random_state=1)).any()


def test_anisotropic_volumes_and_patches_with_several_windows(scans):
    reader = VolumeReader(shape=(12, 10, 7), windows=["brain", "stroke", "subdural"])
    autoencoder = make(volume=reader, patch=(4, 5, 3), max_epochs=1).fit(scans)
    assert autoencoder.transform(scans).shape == (len(scans), 24)
    assert autoencoder.reconstruct(scans[:2]).shape == (2, 3, 12, 10, 7)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_features_in_bfloat16_are_within_one_percent(scans, dtype):
    autoencoder = make(dtype=dtype, max_epochs=10).fit(scans)
    single = autoencoder.set_params(dtype="float32").transform(scans)
    half = autoencoder.set_params(dtype="bfloat16").transform(scans)
    assert half.dtype == np.float32
    assert (half != single).any()
    error = np.linalg.norm(half - single, axis=1) / np.linalg.norm(single, axis=1)
    assert error.max() < 0.01
    assert_array_equal(autoencoder.set_params(dtype="auto").transform(scans), single)


# Kept, and from other weights


def test_a_frozen_one_survives_clone_and_pickle(fitted, scans):
    frozen = FrozenEstimator(fitted)
    expected = fitted.transform(scans)
    for copy in (clone(frozen), pickle.loads(pickle.dumps(frozen)), clone(frozen).fit(scans, None)):
        assert_array_equal(copy.transform(scans), expected)
    assert not hasattr(clone(fitted), "module_")


def test_joblib_keeps_it(fitted, scans, tmp_path):
    joblib.dump(fitted, tmp_path / "autoencoder.joblib")
    again = joblib.load(tmp_path / "autoencoder.joblib")
    assert_array_equal(again.transform(scans), fitted.transform(scans))
    assert again.volume_.get_params() == fitted.volume_.get_params()


SIZE = AutoencoderSize(24, 1, 2, 16, 1, 2, (4, 4, 4))
AS_SIZE = {k: v for k, v in vars(SIZE).items() if k != "expansion"}


def reference_weights() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    state = reference_state(MaskedAutoencoder(1, (SIDE,) * 3, SIZE, predictor_norm="batch"))
    return {
        k: v
        if "pos_embed" in k or not v.is_floating_point()
        else torch.randn(v.shape, generator=generator).abs() / 10
        for k, v in state.items()
    }


def test_reference_weights_make_a_fitted_estimator(scans):
    state, reader = reference_weights(), VolumeReader(shape=SIDE)
    autoencoder = ViTAutoencoder.from_reference(state, volume=reader, size="tiny", **AS_SIZE)
    assert autoencoder.weights_report_.fits
    assert autoencoder.n_iter_ == 0
    assert autoencoder.history_.empty
    assert_array_equal(autoencoder.module_.norm.weight.detach(), state["norm.weight"])
    features = autoencoder.transform(scans)
    assert_array_equal(clone(FrozenEstimator(autoencoder)).transform(scans), features)
    assert autoencoder.partial_fit(scans).n_iter_ == 1
    assert (autoencoder.transform(scans) != features).any()


def test_reference_weights_that_do_not_fit_are_all_named(scans):
    state, reader = reference_weights(), VolumeReader(shape=SIDE)
    state["extra.weight"] = state.pop("norm.weight")
    state["cls_token"] = torch.zeros(1, 1, 7)
    arguments = {"volume": reader, "size": "tiny", **AS_SIZE}
    with pytest.raises(ReferenceWeightsError) as error:
        ViTAutoencoder.from_reference(state, **arguments)
    for name in ("extra.weight", "norm.weight", "cls_token"):
        assert name in str(error.value)
    with pytest.warns(UserWarning, match=r"Not all.*missing: norm\.weight"):
        loose = ViTAutoencoder.from_reference(state, strict=False, **arguments)
    report = loose.weights_report_
    assert (report.missing, report.unexpected) == (("norm.weight",), ("extra.weight",))
    assert "cls_token" in report.misshapen[0]
