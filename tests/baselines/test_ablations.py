from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator

from skedema import AttentionMixerClassifier, ClinicalTokenizer, ViTAutoencoder, VolumeReader
from skedema.baselines import MeanImputed, Untrained, ablations, baselines, missing_arms
from skedema.encoders import MirroredTokens, ViT
from skedema.encoders.catalogue import _ENCODERS
from skedema.fusion import CrossAttention


def differences(first, second):
    """Give the parameters in which two classifiers differ, those within parts included."""
    ours, theirs = (
        {k: repr(v) for k, v in clf.get_params().items()} | {"fusion": ""}
        for clf in (first, second)
    )
    return {k: second.get_params().get(k) for k in ours | theirs if ours.get(k) != theirs.get(k)}


def whole(make, **parameters):
    return make.classifier(fusion=CrossAttention(), metadata=ClinicalTokenizer(), **parameters)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("one key for the table", {"fusion__keys": "table"}),
        ("a query a region", {"fusion__query": "tokens"}),
        ("no mixer", {"refiner": None}),
        ("attention mask", {"fusion__missing": "mask"}),
        ("no input dropout", {"input_dropout": 0.0}),
        ("modality dropout", {"modality_dropout": 0.2}),
    ],
)
def test_each_differs_in_the_stated_parameter(make, name, wanted):
    clf = whole(make)
    assert differences(clf, ablations(clf)[name]) == wanted


def test_parts_that_are_exchanged_keep_what_was_given(make):
    clf = whole(make).set_params(fusion__query="tokens", metadata__categorical_features=["age"])
    made = ablations(clf)
    assert made["attention mask"].fusion.query == "tokens"
    assert made["one pooled query"].fusion.query == "pooled"
    imputed = made["no learnable missing values"].metadata
    assert imputed.metadata.categorical_features == ["age"]
    assert imputed.indicator is False
    without = made["no cross-attention"]
    assert (without.fusion, without.refiner) == ("concat", "mixer")
    assert clf.fusion.missing == "token"
    for other in made.values():
        assert other.encoder is not clf.encoder


def test_pre_training_and_fine_tuning_are_taken_off(make):
    encoder = make.autoencoder(pool="cls")
    clf = whole(make, encoder=encoder, volume=None)
    made = ablations(clf)
    assert "a query a region" not in made  # of one token a scan, the two are the same
    assert differences(clf, made["no fine-tuning"]) == {"fine_tune": False}
    scratch = made["no pre-training"]
    assert isinstance(scratch.encoder, Untrained)
    assert scratch.encoder.autoencoder.get_params() | {"volume": 0} == (
        encoder.get_params() | {"volume": 0}
    )
    assert (scratch.fine_tune, scratch.layer_decay, scratch.volume.shape) == (True, 1.0, 8)
    X, _ = make.patients()
    frozen = FrozenEstimator(encoder.fit(list(X["scan"].dropna())[:4]))
    made = ablations(whole(make, encoder=frozen))
    assert made["fine-tuning"].fine_tune is True
    assert isinstance(made["no pre-training"].encoder.autoencoder, ViTAutoencoder)
    assert not hasattr(made["no pre-training"].encoder.autoencoder, "module_")


def test_sides_of_mirrored_tokens_are_taken_off(make):
    clf = make.classifier(encoder="mirrored_tokens", volume=None)
    made = {name: arm.encoder for name, arm in ablations(clf).items() if arm.encoder != clf.encoder}
    assert {name: arm.sides for name, arm in made.items()} == {
        "no mirror image": "apart",
        "mean of the sides alone": "mean",
        "difference of the sides alone": "difference",
    }
    own = make.classifier(encoder=MirroredTokens(ViT(), sides="apart"))
    assert ablations(own)["mean of the sides alone"].encoder.encoder.get_params() == (
        ViT().get_params()
    )
    assert "no mirror image" not in ablations(own)
    assert "no mirror image" not in ablations(
        make.classifier(encoder=FrozenEstimator(MirroredTokens()))
    )


def test_a_frozen_encoder_given_by_name_is_frozen(make, monkeypatch):
    encoder = ViTAutoencoder(size="tiny", volume=VolumeReader(spacing=None, shape=8))
    encoder.volume_ = VolumeReader(spacing=9.0, shape=16)
    monkeypatch.setitem(_ENCODERS._factories, "frozen_ae", lambda: FrozenEstimator(encoder))
    made = ablations(make.classifier(encoder="frozen_ae"))
    assert "no fine-tuning" not in made
    assert made["fine-tuning"].fine_tune is True
    assert made["no pre-training"].volume.shape == 16


def test_what_does_not_apply_is_left_out(make):
    always = ["no cross-attention", "one key for the table", "no mixer"]
    missing = ["no learnable missing values", "attention mask", "no input dropout"]
    assert list(ablations(AttentionMixerClassifier())) == [*always, *missing]
    own = [*always[:2], "a query a region", "no mixer", *missing, "modality dropout"]
    assert list(ablations(make.classifier(encoder=ViT()))) == own
    assert list(ablations(make.classifier(encoder=["density", PCA(2)]))) == own
    components = ablations(make.classifier(encoder=PCA(2)))
    assert not {"no pre-training", "fine-tuning", "no fine-tuning"} & set(components)
    bare = make.classifier(
        fusion=CrossAttention(keys="table", missing="mask"),
        refiner=None,
        metadata=MeanImputed(),
        input_dropout=0.0,
        modality_dropout=0.1,
    )
    assert list(ablations(bare)) == [
        *("no cross-attention", "a query a region", "no modality dropout")
    ]
    assert "no cross-attention" not in ablations(make.classifier(fusion="film"))


def test_arms_differ_in_what_they_do_with_missing_values(make):
    clf = whole(make)
    arms = missing_arms(clf)
    assert list(arms) == [
        *("learnable token", "attention mask", "mean plus indicator", "modality dropout")
    ]
    assert differences(clf, arms["learnable token"]) == {}
    assert differences(clf, arms["attention mask"]) == {"fusion__missing": "mask"}
    assert differences(clf, arms["modality dropout"]) == {"modality_dropout": 0.2}
    assert arms["mean plus indicator"].metadata.indicator is True
    other_way = whole(make, modality_dropout=0.5).set_params(
        fusion__missing="mask", metadata=MeanImputed(metadata=ClinicalTokenizer())
    )
    for name, arm in missing_arms(other_way).items():
        assert differences(arms[name], arm) == {}, name
    assert "attention mask" not in missing_arms(make.classifier(fusion="film"))


@pytest.mark.parametrize("function", [ablations, missing_arms])
def test_all_fit_and_predict_with_what_is_missing(make, function):
    X, y = make.patients()
    clf = make.classifier(encoder=make.autoencoder())
    for name, model in function(clf).items():
        found = clone(model).fit(X, y).predict_proba(X)
        assert np.isfinite(found).all(), name


def test_indicators_are_tokens_of_their_own(make):
    X, y = make.patients()
    arm = missing_arms(make.classifier())["mean plus indicator"].fit(X, y)
    assert [*arm.attention(X)] == [
        *("sodium", "age", "sex", "intubated", "sodium missing", "sex missing")
    ]


def test_anything_else_than_the_classifier_is_refused():
    for function in (ablations, missing_arms):
        with pytest.raises(TypeError, match="must be an AttentionMixerClassifier object, got PCA"):
            function(PCA())


@pytest.mark.parametrize("pool", ["mean", "cls", "patches"])
def test_an_untrained_encoder_pools_as_the_trained_one_does(make, pool):
    encoder = make.autoencoder(pool=pool)
    trained = encoder.fit(make.patients()[0]["scan"].dropna().tolist()).network()
    untrained = Untrained(encoder).build(in_channels=1, shape=(8, 8, 8))
    volumes = torch.zeros(2, 1, 8, 8, 8)
    assert untrained(volumes).shape == trained(volumes).shape


def test_global_generators_are_left_alone(make):
    X, _ = make.patients()
    clf = make.classifier(encoder=ViTAutoencoder(), volume=None)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    ablations(clf), missing_arms(clf), baselines(clf, X)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
