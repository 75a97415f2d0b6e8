from __future__ import annotations

import copy

import pytest
import torch

from skedema._states import is_like, is_state_of


@pytest.fixture
def trained():
    torch.manual_seed(0)
    network = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
    network(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    return network, optimizer


def test_weights_are_those_of_the_network_or_not(trained):
    network, _ = trained
    own = network.state_dict()
    assert is_like(own, own)
    assert not is_like({"weight": own["weight"]}, own)
    assert not is_like(own | {"bias": torch.zeros(3)}, own)
    assert not is_like(own | {"bias": own["bias"].double()}, own)
    assert not is_like(own | {"bias": own["bias"] / 0}, own)
    assert not is_like(own | {"bias": [0.0, 0.0]}, own)
    assert not is_like(None, own)
    masks = {"mask": torch.tensor([0.0, -torch.inf])}
    assert is_like(masks, masks)


def test_an_optimizer_goes_on_from_its_own_state_and_from_none(trained):
    network, optimizer = trained
    own = optimizer.state_dict()
    assert is_state_of(optimizer, own)
    assert is_state_of(optimizer, own | {"state": {}})
    without = {number: own["state"][number] for number in (0,)}
    assert not is_state_of(optimizer, own | {"state": without})
    assert is_state_of(optimizer, own | {"state": without}, idle=[network.bias])


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.pop("state"),
        lambda state: state["param_groups"].clear(),
        lambda state: state["param_groups"][0].update(lr="fast"),
        lambda state: state["param_groups"][0].update(params=[0]),
        lambda state: state["state"].update({7: {}}),
        lambda state: state["state"][0].update(exp_avg=torch.zeros(9)),
        lambda state: state["state"][0]["exp_avg_sq"].fill_(torch.inf),
        lambda state: state["state"][0].pop("step"),
    ],
)
def test_what_no_such_optimizer_leaves_is_told(trained, change):
    _, optimizer = trained
    state = copy.deepcopy(optimizer.state_dict())
    change(state)
    assert not is_state_of(optimizer, state)


def test_settings_count_where_they_are_named(trained):
    _, optimizer = trained
    state = copy.deepcopy(optimizer.state_dict())
    state["param_groups"][0]["weight_decay"] = 0.7
    assert is_state_of(optimizer, state)
    assert not is_state_of(optimizer, state, settings=["weight_decay"])
