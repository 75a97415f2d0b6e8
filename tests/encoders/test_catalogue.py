from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from torch import nn

from skedema import AttentionMixerClassifier, VolumeReader
from skedema.encoders import (
    CNN,
    Encoder,
    MonaiEncoder,
    is_transformer,
    list_encoders,
    make_encoder,
    register_encoder,
)
from skedema.modules.fused import probe

SHAPES = [(8, 8, 8), (12, 10, 20), (17, 9, 5)]  # cubic, anisotropic, no multiple of anything


# The others are transformers, which have tests of their own.
BUILDERS = [name for name in list_encoders() if not is_transformer(make_encoder(name))]


def test_the_names_of_the_package_are_there():
    assert {"cnn", "vit", "vit_ae"} <= set(list_encoders())
    assert list_encoders() == sorted(list_encoders())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("name", BUILDERS)
def test_every_encoder_makes_tokens_of_every_volume(name, channels, shape):
    module = make_encoder(name).build(in_channels=channels, shape=shape)
    n_tokens, dim = probe(module, channels, shape)
    features = module(torch.randn(2, channels, *shape))
    assert features.shape == (2, n_tokens, dim)
    assert torch.isfinite(features).all()
    assert features.std() > 0


@pytest.mark.parametrize("name", BUILDERS)
def test_every_encoder_is_an_estimator_of_parameters_alone(name):
    encoder = make_encoder(name)
    assert isinstance(encoder, Encoder)
    assert vars(encoder) == encoder.get_params(deep=False)  # __init__ only stores
    encoder.build(in_channels=1, shape=(8, 8, 8))
    assert vars(encoder) == encoder.get_params(deep=False)  # and so does build
    twin = clone(encoder)
    assert twin is not encoder
    assert twin.get_params() == encoder.get_params()
    assert encoder.set_params(depth=1) is encoder
    assert encoder.get_params()["depth"] == 1
    assert "depth=1" in repr(encoder)
    assert twin.get_params() != encoder.get_params()
    shallow, deep = (
        sum(p.numel() for p in e.build(in_channels=1, shape=(8, 8, 8)).parameters())
        for e in (encoder, twin)
    )
    assert shallow < deep


@pytest.mark.parametrize("name", BUILDERS)
def test_every_encoder_builds_fresh_weights_from_the_global_generator(name):
    def weights(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        module = make_encoder(name).build(in_channels=1, shape=(8, 8, 8))
        return nn.utils.parameters_to_vector(module.parameters())

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


def test_names_and_objects_are_resolved():
    assert isinstance(make_encoder("cnn"), CNN)
    given = CNN(width=2)
    assert make_encoder(given) is given
    monai = make_encoder("monai:DenseNet121")
    assert isinstance(monai, MonaiEncoder)
    assert monai.name == "DenseNet121"
    for transformer in (PCA(2), FrozenEstimator(PCA(2))):
        assert make_encoder(transformer) is transformer


class OnlyBuild:
    """No subclass of Encoder, and of no package: `build` is all it takes."""

    def build(self, *, in_channels, shape):
        return nn.Sequential(nn.AvgPool3d(shape), nn.Flatten(2))


def test_an_object_with_a_build_method_is_enough():
    given = OnlyBuild()
    assert make_encoder(given) is given


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (CNN, r"encoder=CNN is a class; give an object: encoder=CNN\(\)"),
        (PCA, r"encoder=PCA is a class"),
        (nn.Conv3d(1, 1, 1), r"encoder is a live torch module \(Conv3d\).*build method"),
        (None, "encoder must be one of the names .*'cnn'.*; got None"),
        (3, "encoder must be one of the names"),
        ({"build": 3}, "encoder must be one of the names"),
    ],
)
def test_anything_else_is_refused(given, message):
    with pytest.raises(TypeError, match=message):
        make_encoder(given)


def test_misspelt_name_gives_the_nearest():
    with pytest.raises(ValueError, match=r"Unknown encoder 'cmn'. Did you mean 'cnn'\?"):
        make_encoder("cmn")


def test_registered_encoder_is_reached_by_name():
    register_encoder("small", lambda: CNN(width=4, depth=1))
    assert "small" in list_encoders()
    assert make_encoder("small").width == 4
    rng = np.random.default_rng(0)
    X = np.empty((12, 2), dtype=object)
    X[:, 0] = rng.normal(size=12)
    for row in range(12):
        X[row, 1] = rng.normal(40, 5, (6, 6, 6)).astype(np.float32)
    classifier = AttentionMixerClassifier(
        image=1, encoder="small", volume=VolumeReader(spacing=None, shape=6), max_epochs=1
    )
    classifier.fit(X, [0, 1] * 6)
    assert classifier.encoder_.stages[0].out_channels == 4


def test_registered_transformer_is_reached_by_name():
    register_encoder("components", lambda: PCA(2))
    assert isinstance(make_encoder("components"), PCA)


@pytest.mark.parametrize(
    "wrong", [lambda: CNN, lambda: nn.Flatten(), lambda: None, BaseEstimator, TransformerMixin]
)
def test_what_was_registered_has_to_make_an_encoder(wrong):
    register_encoder("wrong", wrong)
    with pytest.raises(
        TypeError, match=r"encoder 'wrong' was registered, but .* no object with a build"
    ):
        make_encoder("wrong")


def test_taken_and_unreachable_names_are_refused():
    with pytest.raises(ValueError, match="The encoder 'cnn' exists already"):
        register_encoder("cnn", OnlyBuild)
    with pytest.raises(ValueError, match="'monai:mine' would never be reached"):
        register_encoder("monai:mine", OnlyBuild)
    with pytest.raises(TypeError, match="register its class"):
        register_encoder("mine", OnlyBuild())
