from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from skedema import AttentionMixerClassifier
from skedema._training.build import build_net, build_network
from skedema._training.classes import Classes
from skedema._training.patients import Patients

N = 12
RNG = np.random.default_rng(0)


def patients(**scan):
    present = np.arange(N) != 3
    return Patients(RNG.normal(size=(N, 2)), present, dtype=torch.float64, **scan)


def build(learn, encoder=None, views=(), shape=None, **parameters):
    classifier = AttentionMixerClassifier(**({"dim": 8} | parameters))
    return build_network(classifier, learn, encoder, views, shape, [0, 0], 3)


def test_a_network_is_of_the_patients_precision_and_as_many_outputs_as_asked():
    network = build(patients())
    assert network.n_outputs == 3
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float64}
    assert network.scan_tokens.project is None


def test_features_of_both_views_are_standardised_over_who_has_a_scan():
    views = [RNG.normal(5, 3, (N, 2, 4)), RNG.normal(7, 2, (N, 2, 4))]
    learn = patients(features=views[0], mirrored=views[1])
    tokens = build(learn, None, [learn.features, learn.mirrored], (2, 4)).scan_tokens
    both = np.concatenate(views, axis=1)[np.arange(N) != 3].reshape(-1, 4)
    assert_allclose(tokens.mean, both.mean(axis=0))
    assert_allclose(tokens.scale, both.std(axis=0))


def test_input_dropout_is_for_cohorts_that_can_do_with_it():
    assert build(patients()).token_dropout == 0.0
    many = Patients(np.zeros((100, 2)), np.zeros(100, dtype=bool), dtype=torch.float64)
    assert build(many).token_dropout == 0.3
    assert build(many, input_dropout=0.1).token_dropout == 0.1


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(ValueError, match="n_heads=3 must divide dim=8"):
        build(patients(), n_heads=3)
    with pytest.raises(ValueError, match=r"The encoder \(BatchNorm3d\) holds batch normalisation"):
        build(patients(), nn.BatchNorm3d(1), (), (1, 4))


def test_only_who_watches_stops_early():
    classifier = AttentionMixerClassifier(n_iter_no_change=4)
    learn = patients()
    for watch in (learn, None):
        net = build_net(classifier, build(learn), Classes(3), 0, 5, 1e-9, torch.device("cpu"))
        net.train_epochs(learn, None, 2)
        assert len(net.history) == 2
        net.train_epochs(learn, watch, 20)
        assert (len(net.history) < 22) is (watch is not None)
        n_before = len(net.history)
        before = [weight.clone() for weight in net.module_.parameters()]
        net.set_further(net.kind, lr=1e-2, weight_decay=0.0, batch_size=5)
        net.train_epochs(learn, None, 6)  # and nothing is restored at its end
        assert len(net.history) == n_before + 6
        after = list(net.module_.parameters())
        assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
