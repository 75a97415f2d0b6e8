"""Encoders that give one vector a scan, without an axis of tokens."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from torch import nn

from skedema import AttentionMixerClassifier, VolumeReader
from skedema.baselines import ScanFeatures
from skedema.encoders import Encoder
from skedema.fusion import CrossAttention, list_fusions
from skedema.modules.fused import probe

N = 8
_RNG = np.random.default_rng(0)
X = pd.DataFrame({"sodium": _RNG.normal(138, 5, N)})
X["scan"] = pd.Series([*_RNG.normal(40, 10, (N - 1, 8, 8, 8)), None], dtype=object)
Y = np.array([0, 1] * (N // 2))
READER = VolumeReader(shape=8)


class Means(Encoder):
    """A few numbers a scan, with an axis of tokens or without."""

    def __init__(self, *, axis: bool = False) -> None:
        self.axis = axis

    def build(self, *, in_channels, shape):
        layers = [nn.Conv3d(in_channels, 6, 4), nn.AdaptiveAvgPool3d(1), nn.Flatten()]
        return nn.Sequential(*layers, *([nn.Unflatten(1, (1, 6))] if self.axis else []))


def outputs(encoder: Encoder, **parameters: object) -> list[np.ndarray]:
    clf = AttentionMixerClassifier(
        image="scan", encoder=encoder, volume=READER, max_epochs=2, random_state=0, **parameters
    ).fit(X, Y)
    return [clf.predict_proba(X), clf.image_features(X), clf.history_["train_loss"].to_numpy()]


PARAMETERS = [{"fine_tune": True}, {"fine_tune": False}, {"fine_tune": False, "mirror": True}]
PARAMETERS += [{"fusion": name} for name in list_fusions()]
PARAMETERS.append({"fusion": CrossAttention(query="tokens")})


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_a_vector_a_scan_is_one_token(parameters):
    for found, expected in zip(
        outputs(Means(), **parameters), outputs(Means(axis=True), **parameters), strict=True
    ):
        assert_array_equal(found, expected)


def test_features_of_a_vector_a_scan():
    found, expected = (
        ScanFeatures(image="scan", encoder=encoder, volume=READER, random_state=0).fit_transform(X)
        for encoder in (Means(), Means(axis=True))
    )
    assert found.shape == (N, 6)
    assert_array_equal(found, expected)


def test_probe_counts_one_token():
    assert probe(Means().build(in_channels=1, shape=(8, 8, 8)), 1, (8, 8, 8)) == (1, 6)
