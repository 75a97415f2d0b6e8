"""What every encoder does whose network is loaded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError
from torch import nn

from skedema import VolumeReader
from skedema.encoders._loaded import LoadedEncoder

SCANS = list(np.random.default_rng(0).normal(40, 9, (2, 8, 8, 4)))


class Flat(LoadedEncoder):
    """Two tokens of a scan, and no class token."""

    def __init__(self, *, memory=None, dtype="float32", device="cpu", n_jobs=None, verbose=0):
        self.memory = memory
        self.dtype = dtype
        self.device = device
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X=None, y=None):
        self.volume_ = VolumeReader(spacing=None, shape=(8, 8, 4))
        self.module_ = nn.Sequential(nn.Flatten(), nn.Unflatten(1, (2, -1))).eval()
        self.origin_ = {"sha256": "0" * 64}
        return self


class Doubled(Flat):
    """Other features, which the network alone does not give."""

    def transform(self, X):
        return 2 * super().transform(X)


def test_features_are_all_that_the_network_gives_side_by_side():
    encoder = Flat().fit()
    volumes = encoder.volume_.transform(SCANS)
    assert_array_equal(encoder.transform(SCANS), volumes.reshape(2, -1))
    assert_array_equal(encoder.transform_mirrored(SCANS), volumes[:, :, ::-1].reshape(2, -1))


def test_it_is_handed_over_unless_a_subclass_has_its_own_way():
    made = Flat().fit()._as_encoder()
    assert made.recipe() == Flat().fit().features_digest()
    assert Doubled().fit()._as_encoder() is None


def test_the_file_and_the_precision_are_part_of_the_digest():
    encoder = Flat().fit()
    digest = encoder.features_digest()
    assert Flat(dtype="bfloat16").fit().features_digest() != digest
    encoder.origin_ = {"sha256": "1" * 64}
    assert encoder.features_digest() != digest
    assert str(torch.float32) in digest


def test_it_has_to_be_fitted():
    for ask in (Flat().transform, Flat().transform_mirrored):
        with pytest.raises(NotFittedError):
            ask(SCANS)
    with pytest.raises(NotFittedError):
        Flat().features_digest()
