from __future__ import annotations

import numpy as np
import optuna
import pytest
import torch
from optuna.samplers import RandomSampler
from sklearn.frozen import FrozenEstimator

from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema.encoders import CNN, MonaiEncoder, ViT
from skedema.search import encoder_space, head_space, pretraining_space
from skedema.search._drawing import configured, draw

pytestmark = pytest.mark.usefixtures("quiet_optuna")


def drawn(space, n=12):
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    return [draw(study.ask(), space) for _ in range(n)]


def corners(space):
    """Give the smallest and the largest value of every distribution."""
    ends = {}
    for name, distribution in space.items():
        choices = getattr(distribution, "choices", None)
        ends[name] = (choices[0], choices[-1]) if choices else (distribution.low, distribution.high)
    return [{name: pair[end] for name, pair in ends.items()} for end in (0, 1)]


def test_every_head_can_be_fitted():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 3)), np.tile([0, 1], 10)
    space = head_space()
    for parameters in drawn(space, 20) + corners(space):
        clf = configured(AttentionMixerClassifier(random_state=0), parameters)
        clf.set_params(max_epochs=1).fit(X, y)


@pytest.mark.parametrize("encoder", [CNN(), ViT()])
def test_every_encoder_can_be_built_and_used(encoder):
    space = encoder_space(encoder)
    clf = AttentionMixerClassifier(image=0, encoder=encoder)
    for parameters in drawn(space, 6) + corners(space):
        made = configured(clf, parameters).encoder
        module = made.build(in_channels=1, shape=(16, 16, 16))
        assert module(torch.zeros(1, 1, 16, 16, 16)).isfinite().all()


@pytest.mark.slow
def test_every_pre_training_can_be_run():
    scans = [np.random.default_rng(i).normal(40, 10, (16, 16, 16)) for i in range(3)]
    autoencoder = ViTAutoencoder(volume=VolumeReader(shape=16), max_epochs=1, random_state=0)
    space = encoder_space(autoencoder, prefix="") | pretraining_space(prefix="")
    for parameters in drawn(space, 4) + corners(space):
        features = configured(autoencoder, parameters).fit_transform(scans)
        assert np.isfinite(features).all()


def test_spaces_of_one_classifier_do_not_collide():
    autoencoder = ViTAutoencoder()
    spaces = [head_space(), encoder_space(autoencoder), pretraining_space()]
    joined = spaces[0] | spaces[1] | spaces[2]
    assert len(joined) == sum(map(len, spaces))
    for parameters in drawn(joined):
        configured(AttentionMixerClassifier(encoder=autoencoder), parameters)


def test_defaults_lie_within_the_spaces():
    # of the head, those that "auto" comes to without members and with them
    for estimator, space in (
        (AttentionMixerClassifier(input_dropout=0.3, lr=1e-3, max_epochs=50), head_space()),
        (AttentionMixerClassifier(input_dropout=0.3, lr=3e-3, max_epochs=30), head_space()),
        (CNN(), encoder_space(CNN(), prefix="")),
        (ViT(), encoder_space(ViT(), prefix="")),
        (ViTAutoencoder(), pretraining_space(prefix="")),
    ):
        for name, distribution in space.items():
            value = getattr(estimator, name)
            assert distribution._contains(distribution.to_internal_repr(value)), name


def test_prefix_goes_before_every_name():
    for space in (head_space("clf__"), pretraining_space("clf__"), encoder_space(CNN(), "clf__")):
        assert all(name.startswith("clf__") for name in space)


def test_widths_that_were_set_are_kept():
    assert "encoder__size" in encoder_space(ViTAutoencoder(depth=3))
    assert "encoder__size" not in encoder_space(ViTAutoencoder(dim=64))


def test_encoders_without_a_space_are_refused_with_the_remedy():
    with pytest.raises(TypeError, match=r"'cnn' is a name.*CNN\(\)"):
        encoder_space("cnn")
    with pytest.raises(TypeError, match="head_space"):
        encoder_space(FrozenEstimator(ViTAutoencoder()))
    with pytest.raises(TypeError, match=r"MonaiEncoder.*encoder__<parameter>"):
        encoder_space(MonaiEncoder("DenseNet121"))
