from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from skorch.callbacks import Callback
from skorch.utils import noop
from torch import nn

import skedema._training.net as module_of_net
from skedema._training.classes import Classes, WeightedCrossEntropy
from skedema._training.net import FusionNet
from skedema._training.patients import Patients

pytestmark = pytest.mark.numerical


class Linear(nn.Module):
    """A network over clinical values alone, which remembers the modes it ran in."""

    def __init__(self, n_values: int = 3, n_classes: int = 2) -> None:
        super().__init__()
        self.layer = nn.Linear(n_values, n_classes).double()
        self.modes = []

    def forward(self, clinical, present):
        self.modes.append(self.training)
        return self.layer(clinical)


def group(n: int = 10, seed: int = 0) -> Patients:
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0.2, 3, n)
    return Patients(
        rng.normal(size=(n, 3)),
        np.zeros(n, dtype=bool),
        target=rng.integers(0, 2, n),
        weight=weight / weight.mean(),
        dtype=torch.float64,
    )


def make(network: nn.Module | None = None, **parameters: object) -> FusionNet:
    torch.manual_seed(0)
    defaults = {
        "kind": Classes(2),
        "seed": 0,
        "optimizer": torch.optim.SGD,
        "lr": 0.1,
        "batch_size": 100,
        "verbose": 0,
        "callbacks__print_log__sink": noop,
    }
    return FusionNet(network or Linear(), **(defaults | parameters))


def losses_by_hand(weights: nn.Linear, patients: Patients) -> np.ndarray:
    """Cross-entropy of each patient, in numpy."""
    x = patients.clinical.numpy()
    logits = x @ weights.weight.detach().numpy().T + weights.bias.detach().numpy()
    largest = logits.max(axis=1, keepdims=True)
    log_sum = largest[:, 0] + np.log(np.exp(logits - largest).sum(axis=1))
    return log_sum - logits[np.arange(len(x)), patients.target.numpy()]


def test_loss_is_the_weighted_mean():
    patients, net = group(), make()
    expected = np.mean(patients.weight.numpy() * losses_by_hand(net.module.layer, patients))
    logits = net.module(patients.clinical, patients.present)
    loss = WeightedCrossEntropy()(logits, patients.target, patients.weight)
    assert_allclose(loss.item(), expected, rtol=1e-12)


def test_history_has_the_weighted_losses_of_training_and_validation():
    patients, watch, net = group(), group(7, seed=1), make()
    first = np.mean(patients.weight.numpy() * losses_by_hand(net.module.layer, patients))
    net.train_epochs(patients, watch, 1)
    (epoch,) = net.history
    assert_allclose(epoch["train_loss"], first, rtol=1e-6)  # before the step
    after = np.mean(watch.weight.numpy() * losses_by_hand(net.module_.layer, watch))
    assert_allclose(epoch["valid_loss"], after, rtol=1e-6)  # after it


def test_loss_of_an_epoch_is_the_mean_over_patients_of_all_batches():
    patients, net = group(10), make(batch_size=4, lr=1e-12)  # batches of 4, 4 and 2
    expected = np.mean(patients.weight.numpy() * losses_by_hand(net.module.layer, patients))
    net.train_epochs(patients, None, 1)
    assert_allclose(net.history[-1, "train_loss"], expected, rtol=1e-6)


def test_a_step_goes_down_the_gradient_of_the_weighted_loss():
    patients, net = group(), make(lr=0.3)
    before = net.module.layer.weight.detach().numpy().copy()
    x, target = patients.clinical.numpy(), patients.target.numpy()
    logits = x @ before.T + net.module.layer.bias.detach().numpy()
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    residual = patients.weight.numpy()[:, None] * (p - np.eye(2)[target])
    net.train_epochs(patients, None, 1)
    expected = before - 0.3 * residual.T @ x / len(x)
    assert_allclose(net.module_.layer.weight.detach().numpy(), expected, rtol=1e-10)


def test_training_in_parts_is_training_at_once():
    at_once, in_parts = make(batch_size=3), make(batch_size=3)
    at_once.train_epochs(group(), None, 4)
    for _ in range(4):
        in_parts.train_epochs(group(), None, 1)
    for a, b in zip(at_once.module_.parameters(), in_parts.module_.parameters(), strict=True):
        assert torch.equal(a, b)
    assert len(in_parts.history) == 4


class Explodes(nn.Module):
    """Gives NaN from its third call on."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2).double()
        self.calls = 0

    def forward(self, clinical, present):
        self.calls += 1
        return self.layer(clinical) * (1.0 if self.calls < 3 else float("nan"))


def test_loss_that_is_not_finite_names_the_epoch():
    net = make(Explodes())
    with pytest.raises(FloatingPointError, match=r"loss became nan in epoch 3. Lower lr"):
        net.train_epochs(group(), None, 10)


def test_output_that_is_not_finite_is_an_error(monkeypatch):
    monkeypatch.setattr(module_of_net, "_READY_ROWS", 2)
    net = make(Explodes(), batch_size=2)
    net.initialize()
    with pytest.raises(FloatingPointError, match="output is not finite"):
        net.evaluate(group(), net.module_)


def test_evaluate_goes_through_all_batches_in_order_in_eval_mode_without_gradients(monkeypatch):
    monkeypatch.setattr(module_of_net, "_READY_ROWS", 3)  # fewer than a batch
    patients, net = group(10), make(batch_size=4)
    net.train_epochs(patients, None, 1)
    assert net.module_.modes == [True] * 3
    net.module_.modes.clear()
    values = net.evaluate(patients, net.module_)
    assert net.module_.modes == [False] * 3
    expected = net.module_(patients.clinical, patients.present).detach().numpy()
    assert_allclose(values, expected, rtol=1e-12)
    seen = []

    def spy(**inputs: torch.Tensor) -> torch.Tensor:
        seen.append(set(inputs))
        assert not torch.is_grad_enabled()
        return inputs["clinical"][:, 0]

    assert_array_equal(net.evaluate(patients, spy), patients.clinical[:, 0])
    assert seen == [{"clinical", "present"}] * 3  # the weight is the loss's affair


def test_what_is_ready_is_evaluated_at_once_and_volumes_in_batches_of_training():
    net = make(batch_size=4)
    volumes = np.zeros((10, 1, 2, 2, 2), dtype=np.float32)
    streamed = Patients(
        np.zeros((10, 3)),
        np.ones(10, dtype=bool),
        volume=volumes.__getitem__,
        volume_shape=(1, 2, 2, 2),
        dtype=torch.float64,
    )
    assert [len(target) for _, target in net.get_iterator(group(10))] == [10]
    assert [len(target) for _, target in net.get_iterator(streamed)] == [4, 4, 2]


class SeesThreads(Linear):
    def forward(self, clinical, present, **scan):
        self.modes.append(torch.get_num_threads())
        return self.layer(clinical)


def test_ready_tensors_are_learned_from_and_looked_at_on_one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        net = make(SeesThreads())
        net.train_epochs(group(), group(4, seed=1), 2)
        net.evaluate(group(), net.module_)
        assert net.module_.modes == [1] * 5
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


class StopsIn(Callback):
    """Ask to stop, as skorch's callbacks do."""

    def __init__(self, event: str) -> None:
        self.event = event

    def on_train_begin(self, net, **kwargs):
        self.stop("on_train_begin")

    def on_epoch_end(self, net, **kwargs):
        self.stop("on_epoch_end")

    def stop(self, event: str) -> None:
        if event == self.event:
            raise KeyboardInterrupt


@pytest.mark.parametrize(("event", "n_epochs"), [("on_train_begin", 0), ("on_epoch_end", 1)])
def test_a_callback_may_stop_training(event, n_epochs):
    net = make(callbacks=[StopsIn(event)])
    net.train_epochs(group(), None, 5)
    assert len(net.history) == n_epochs


def test_an_interrupt_of_the_user_is_passed_on():
    net = make()
    net.initialize()

    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    net.module_.forward = interrupt
    with pytest.raises(KeyboardInterrupt):
        net.train_epochs(group(), None, 5)


def test_pickle_gives_the_same_net_with_one_module():
    net = make()
    net.train_epochs(group(), None, 2)
    twin = pickle.loads(pickle.dumps(net))
    assert twin.module is twin.module_
    assert_array_equal(twin.evaluate(group(), twin.module_), net.evaluate(group(), net.module_))
