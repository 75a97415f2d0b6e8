from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from skorch.callbacks import Callback, LRScheduler

from skedema import AttentionMixerClassifier
from skedema._training.schedule import are_many, schedule

FEW, MANY = 1_999, 2_000


def auto(n_members: int, n_patients: int, **parameters: object):
    return schedule(AttentionMixerClassifier(**parameters), n_members, n_patients)


def test_what_auto_comes_to():
    alone, with_others = auto(1, FEW), auto(4, FEW)
    assert (alone.n_epochs, alone.lr, alone.rate) == (50, 1e-3, None)
    assert (with_others.n_epochs, with_others.lr, with_others.rate) == (30, 3e-3, None)
    given = auto(4, FEW, lr=1e-2, max_epochs=7)
    assert (given.n_epochs, given.lr, given.rate) == (7, 1e-2, None)


@pytest.mark.parametrize(
    ("n_patients", "n_epochs"), [(2_000, 50), (3_000, 50), (10_000, 15), (30_000, 5), (10**6, 5)]
)
def test_many_patients_are_gone_through_less_often(n_patients, n_epochs):
    assert are_many(n_patients)
    assert auto(1, n_patients).n_epochs == n_epochs
    assert auto(1, n_patients, max_epochs=9).n_epochs == 9
    assert auto(4, n_patients).n_epochs == min(30, n_epochs)


def test_rate_of_many_patients_falls_to_nothing():
    plan = auto(1, MANY, max_epochs=4)
    assert plan.rate is not None
    assert_allclose([plan.rate(epoch) for epoch in range(4)], 6e-3 * np.array([1, 0.75, 0.5, 0.25]))
    assert plan.lr == plan.rate(0)


def test_rate_that_somebody_else_decides_on_does_not_fall():
    assert auto(1, MANY, lr=1e-2).rate is None
    for callbacks in ([LRScheduler("ConstantLR")], [("rate", LRScheduler("ConstantLR"))]):
        assert auto(1, MANY, callbacks=callbacks).rate is None
    assert auto(1, MANY, callbacks=[Callback()]).rate is not None


class Rates(Callback):
    """Writes down what the optimizer is told."""

    def __init__(self, found: list[float]) -> None:
        self.found = found

    def on_epoch_end(self, net, **kwargs):
        self.found.append(net.optimizer_.param_groups[0]["lr"])


def patients(n: int):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 2))
    return X, (X[:, 0] + rng.normal(size=n) > 0).astype(int)


def test_fit_of_many_patients_goes_by_the_schedule():
    X, y = patients(MANY)
    found: list[float] = []
    model = AttentionMixerClassifier(
        max_epochs=3, dim=4, n_heads=1, callbacks=[Rates(found)], warm_start=True, random_state=0
    )
    model.fit(X, y)
    assert_allclose(found, [6e-3, 4e-3, 2e-3])
    assert next(model.net_.module_.parameters()).dtype == torch.float32
    model.fit(X, y)  # begins anew
    assert_allclose(found[3:], [6e-3, 4e-3, 2e-3])


def test_fit_of_few_patients_is_as_ever():
    X, y = patients(60)
    found: list[float] = []
    model = AttentionMixerClassifier(
        n_members=1, max_epochs=2, dim=4, n_heads=1, callbacks=[Rates(found)], random_state=0
    )
    model.fit(X, y)
    assert found == [1e-3, 1e-3]
    assert next(model.net_.module_.parameters()).dtype == torch.float64


def test_partial_fit_does_not_know_how_many_are_to_come():
    X, y = patients(MANY)
    found: list[float] = []
    model = AttentionMixerClassifier(dim=4, n_heads=1, callbacks=[Rates(found)], random_state=0)
    model.partial_fit(X, y, classes=[0, 1]).partial_fit(X, y)
    assert found == [1e-3, 1e-3]


class Killed(Callback):
    """Ends the second epoch as a kill would, when `on`."""

    on = True

    def on_epoch_begin(self, net, **kwargs):
        if self.on and len(net.history) == 3:
            raise KeyError("killed")


def test_fit_that_was_killed_goes_on_with_the_rate_of_its_epoch(tmp_path, monkeypatch):
    monkeypatch.setattr("skedema._checkpoints._SHARE", 1e12)  # every place is written down
    X, y = patients(MANY)
    sizes = {"max_epochs": 4, "dim": 4, "n_heads": 1, "random_state": 0}
    undisturbed = AttentionMixerClassifier(**sizes, callbacks=[Killed()])
    monkeypatch.setattr(Killed, "on", False)
    undisturbed.fit(X, y)
    resumed = AttentionMixerClassifier(**sizes, callbacks=[Killed()], checkpoint_dir=tmp_path)
    monkeypatch.setattr(Killed, "on", True)
    with pytest.raises(KeyError, match="killed"):
        resumed.fit(X, y)
    monkeypatch.setattr(Killed, "on", False)
    resumed.fit(X, y)
    assert_array_equal(resumed.predict_proba(X), undisturbed.predict_proba(X))
