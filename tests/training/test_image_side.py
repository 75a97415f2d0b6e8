from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from skedema import ViTAutoencoder, VolumeReader
from skedema._caching.identity import module_identity
from skedema._features import features
from skedema._scan_column import take_scans
from skedema._training.image_side import ImageSide, can_be_trained, is_trained
from skedema.encoders import CNN, MirroredTokens
from skedema.frames import read_table
from skedema.scans.cache import volumes as kept_volumes

CPU, READER = torch.device("cpu"), VolumeReader(spacing=None, shape=8)


@pytest.fixture
def scans():
    rng = np.random.default_rng(0)
    cells = np.empty(4, dtype=object)
    for row in range(4):
        cells[row] = rng.normal(40, 8, (8, 8, 8))
    cells[2] = None
    return take_scans(read_table(pd.DataFrame({"scan": cells})), 0)


def side(encoder, fine_tune="auto", volume=READER):
    return ImageSide(encoder, fine_tune, volume, torch.float32)


def test_what_gradients_can_reach_is_trained_unless_told():
    assert can_be_trained("cnn")
    assert can_be_trained(ViTAutoencoder())
    assert not can_be_trained(PCA())
    assert not is_trained(CNN(), False)
    assert not is_trained(PCA(), "auto")
    with pytest.raises(ValueError, match=r"PCA is a scikit-learn transformer.*fine_tune=False"):
        is_trained(PCA(), True)


def test_a_fixed_module_encodes_each_scan_alone(scans):
    image = side(CNN(width=4, depth=2), fine_tune=False)
    volumes = image.volumes(scans, None, None)
    module = image.fit(volumes, np.zeros(4), seed=0)
    assert not any(part.training for part in module.modules())
    found = image.transform(module, volumes, CPU)
    assert found.shape == (4, *image.shape)
    assert not found[2].any()
    with torch.inference_mode():
        expected = module(torch.as_tensor(READER.transform([scans.cells[3]])))
    assert_array_equal(found[3], expected[0])
    nobody = image.volumes(scans.take(np.array([2])), None, None)
    assert image.transform(module, nobody, CPU).shape == (1, *image.shape)


def test_learning_is_from_volumes_where_the_encoder_is_trained(scans):
    image = side(CNN(width=4, depth=2))
    volumes = image.volumes(scans, None, None)
    module = image.fit(volumes, np.zeros(4), seed=0)
    learned = image.learn(module, volumes, CPU, "auto")
    assert learned["mirror"]
    assert all(part.training for part in module.modules())
    assert learned["volume_shape"] == (READER.n_channels, 8, 8, 8)
    assert_array_equal(learned["volume"](1), READER.read(scans.cells[1]))
    assert image.network(module, volumes, CPU) == (module, [])


def test_features_of_both_views_are_learned_from_where_it_is_fixed(scans):
    image = side(CNN(width=4, depth=2), fine_tune=False)
    volumes = image.volumes(scans, None, None)
    module = image.fit(volumes, np.zeros(4), seed=0)
    assert list(image.learn(module, volumes, CPU, "auto")) == ["features"]
    kept_volumes.clear(), features.clear()
    both = image.learn(module, volumes, CPU, mirror=True)
    assert len(kept_volumes) == 0  # one reading is enough for both
    turned = np.empty(4, dtype=object)
    for row in volumes.rows:
        turned[row] = np.ascontiguousarray(scans.cells[row][::-1])
    other = image.volumes(take_scans(read_table(pd.DataFrame({"scan": turned})), 0), None, None)
    assert_array_equal(both["mirrored"], image.transform(module, other, CPU))


class Lengths(TransformerMixin, BaseEstimator):
    """Reads scans itself; what it leaves open is filled in."""

    def __init__(self, scale=1.0, memory=None, n_jobs=None, random_state=None, verbose=0):
        self.scale = scale
        self.memory = memory
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None):
        self.fitted_ = len(X)
        return self

    def transform(self, X):
        return np.array([[self.scale * np.mean(each)] for each in X])


def test_a_transformer_gets_what_it_leaves_open_and_gives_one_token(scans, tmp_path):
    image = side(Lengths(random_state=3))
    volumes = image.volumes(scans, tmp_path, 2, verbose=1)
    encoder = image.fit(volumes, np.zeros(4), seed=7)
    given = {"memory": str(tmp_path), "n_jobs": 2, "verbose": 1, "random_state": 3}
    assert encoder.get_params() == {"scale": 1.0} | given
    assert image.reader is None
    assert encoder.fitted_ == 3
    found = image.transform(encoder, image.volumes(scans, None, None), CPU)
    assert found.shape == (4, 1, 1)
    assert found[1, 0, 0] == np.mean(scans.cells[1])


def test_features_that_are_not_finite_are_refused_by_row(scans):
    image = side(Lengths(scale=np.inf))
    volumes = image.volumes(scans, None, None)
    with pytest.raises(ValueError, match=r"Lengths gave features .* not finite for rows 0, 1, 3"):
        image.transform(image.fit(volumes, np.zeros(4), seed=0), volumes, CPU)


def test_what_is_left_open_is_as_an_encoder_has_it_that_tells_how_it_reads(scans, tmp_path):
    encoder = ViTAutoencoder(size="tiny", volume=READER, max_epochs=1, memory=tmp_path, n_jobs=2)
    cells = list(scans.cells[scans.present])
    frozen = FrozenEstimator(encoder.set_params(n_jobs=1).fit(cells).set_params(n_jobs=2))
    image = side(frozen)
    image.fit(image.volumes(scans, None, None), np.zeros(4), seed=0)
    own = image.volumes(scans, None, None)
    assert (own.reader, own.memory, own.n_jobs) == (encoder.volume_, tmp_path, 2)
    told = image.volumes(scans, tmp_path / "other", 1)
    assert (told.memory, told.n_jobs) == (tmp_path / "other", 1)
    for other in (
        Lengths(memory=tmp_path),
        Lengths(memory=32, n_jobs="all"),
    ):  # mean what they like
        left = side(other).volumes(scans, None, None)
        assert (left.memory, left.n_jobs) == (None, None)
    reads_itself = side(Lengths(memory=tmp_path))
    reads_itself.fit(reads_itself.volumes(scans, None, None), np.zeros(4), seed=0)
    assert reads_itself.volumes(scans, None, None).memory is None


def test_a_module_that_is_trained_further_needs_a_reader(scans):
    class Networked(Lengths):
        def network(self):
            return torch.nn.Flatten()

    image = side(Networked())
    with pytest.raises(TypeError, match=r"Networked needs an attribute volume_"):
        image.fit(image.volumes(scans, None, None), np.zeros(4), seed=0)


class Around(Lengths):
    """Seeds what is in it by itself."""

    def __init__(self, inner=None, random_state=None):
        self.inner = inner
        self.random_state = random_state

    def transform(self, X):
        return np.array([[np.mean(each)] for each in X])


@pytest.mark.parametrize(("own", "expected"), [(0, None), (None, 7)])
def test_a_seed_that_is_set_decides_for_what_is_below_it(scans, own, expected):
    image = side(make_pipeline(Around(Around(Lengths()), own), "passthrough"))
    encoder = image.fit(image.volumes(scans, None, None), np.zeros(4), seed=7)
    seeds = [v for k, v in encoder.get_params().items() if k.endswith("inner__random_state")]
    assert seeds == [expected, expected]


def test_fixed_weights_are_the_same_in_every_fold_of_a_model_without_a_seed(scans):
    tokens = MirroredTokens(ViTAutoencoder(size="tiny", patch=4, depth=1, max_epochs=0))
    modules = []
    for seed in (1, 2):
        image = side(tokens)
        encoder = image.fit(image.volumes(scans, None, None), np.zeros(4), seed=seed)
        modules.append(encoder.module_)
        before = features.n_encoded
        image.transform(encoder, image.volumes(scans, None, None), CPU)
        assert features.n_encoded == before
    assert module_identity(modules[0]) == module_identity(modules[1])
