from __future__ import annotations

import copy
import math
import re

import pytest
import torch

from skedema._pretraining.resumable import problem_of_state


@pytest.fixture
def begun(autoencoder, scans):
    """A run that was stopped within its second epoch, and one at its beginning."""
    return _begun(autoencoder(), scans)


def _begun(estimator, scans):
    later = estimator._training(scans, goes_on=False, n_epochs=3)
    for rows in later.batches():
        later.step(rows)
    later._finish_epoch()
    later.step(later.batches()[0])
    return estimator._training(scans, goes_on=False, n_epochs=3), later.state()


def test_a_place_in_the_run_is_one_to_go_on_from(begun):
    training, state = begun
    assert problem_of_state(training, state) == ""
    training.restore(state)
    assert (training.epoch, training.batch) == (1, 1)


def test_a_run_without_a_contrast_goes_on_though_no_gradient_reaches_its_predictor(
    autoencoder, scans
):
    training, state = _begun(autoencoder(contrast_weight=0.0), scans)
    assert problem_of_state(training, state) == ""
    del state["optimizer"]["state"][0]
    assert problem_of_state(training, state) == "its optimizer is not that of this network"


def _first(tensors):
    return next(name for name, value in tensors.items() if value.numel() > 1)


def put(value, *place):
    def change(state):
        for name in place[:-1]:
            state = state[name]
        state[place[-1]] = value

    return change


def change_weights(part, change):
    def changed(state):
        name = _first(state[part])
        state[part][name] = change(state[part][name].clone())

    return changed


def with_nan(tensor):
    tensor.view(-1)[0] = math.nan
    return tensor


CHANGES = {
    "weights with NaN": (change_weights("weights", with_nan), "weights .* not finite"),
    "weights of another shape": (change_weights("weights", lambda t: t[..., :1]), "weights"),
    "weights of another type": (change_weights("weights", lambda t: t.double()), "weights"),
    "weights that are none": (change_weights("weights", lambda t: 3.0), "weights"),
    "weights missing": (lambda s: s["weights"].popitem(), "weights"),
    "no weights": (put(None, "weights"), "weights"),
    "best with NaN": (change_weights("best", with_nan), "best weights"),
    "no best": (put(None, "best"), "place"),
    "an epoch that never was": (put(9, "epoch"), "place"),
    "a batch that never was": (put(3, "batch"), "place"),
    "a negative epoch": (put(-1, "epoch"), "place"),
    "an epoch that is none": (put("1", "epoch"), "place"),
    "a history too short": (put([], "history"), "place"),
    "a history of texts": (put(["x"], "history"), "place"),
    "a history with NaN": (put(math.nan, "history", 0, "total"), "place"),
    "sums with NaN": (put(math.nan, "sums", "total"), "place"),
    "a seed that is none": (put(0.5, "seed"), "place"),
    "another precision": (put("float16", "dtype"), "place"),
    "moments with NaN": (put(math.nan, "optimizer", "state", 0, "exp_avg"), "optimizer"),
    "moments missing": (lambda s: s["optimizer"]["state"].popitem(), "optimizer"),
    "no optimizer": (put({}, "optimizer"), "optimizer"),
    "another decay": (put(3.0, "optimizer", "param_groups", 0, "weight_decay"), "optimizer"),
    "a rate of NaN": (put(math.nan, "optimizer", "param_groups", 0, "lr"), "optimizer"),
    "more": (put(1, "more"), "does not hold what"),
    "less": (lambda s: s.pop("sums"), "does not hold what"),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES.keys())
def test_what_is_none_is_told(begun, change, message):
    training, state = begun
    state = copy.deepcopy(state)
    change(state)
    before = {name: value.clone() for name, value in training.module.state_dict().items()}
    problem = problem_of_state(training, state)
    assert re.search(message, problem), problem
    assert all(torch.equal(v, before[k]) for k, v in training.module.state_dict().items())
