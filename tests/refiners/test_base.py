from __future__ import annotations

import re

import pytest
import torch
from sklearn.base import clone
from torch import nn

from skedema.refiners import (
    Mixer,
    Refiner,
    list_refiners,
    make_refiner,
    register_refiner,
)

pytestmark = pytest.mark.numerical


def test_the_names_of_the_package_are_there():
    assert "mixer" in list_refiners()
    assert isinstance(make_refiner("mixer"), Mixer)
    assert make_refiner(None) is None


@pytest.mark.parametrize("n_tokens", [1, 2, 9])
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("name", list_refiners())
def test_every_refiner_keeps_the_shape(name, depth, n_tokens):
    torch.manual_seed(0)
    module = make_refiner(name).build(dim=8, n_tokens=n_tokens, depth=depth, dropout=0.0)
    sequence = torch.randn(3, n_tokens, 8)
    refined = module(sequence)
    assert refined.shape == sequence.shape
    assert torch.isfinite(refined).all()
    assert not torch.equal(refined, sequence)


@pytest.mark.parametrize("name", list_refiners())
def test_every_refiner_is_an_estimator_of_parameters_alone(name):
    refiner = make_refiner(name)
    assert isinstance(refiner, Refiner)
    before = refiner.get_params()
    assert vars(refiner) == before
    refiner.build(dim=8, n_tokens=3, depth=1, dropout=0.0)
    assert vars(refiner) == before
    twin = clone(refiner)
    assert twin is not refiner
    assert twin.set_params(**before).get_params() == before


def test_registered_refiner_is_reached_by_name():
    register_refiner("wide", lambda: Mixer(expansion=8.0))
    assert "wide" in list_refiners()
    assert make_refiner("wide").expansion == 8.0
    with pytest.raises(ValueError, match="The refiner 'mixer' exists already"):
        register_refiner("mixer", lambda: Mixer())


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("mixr", ValueError, "Unknown refiner 'mixr'. Did you mean 'mixer'?"),
        (Mixer, TypeError, "give an object: refiner=Mixer()"),
        (nn.Identity(), TypeError, "refiner is a live torch module (Identity)"),
        (0, TypeError, "refiner must be one of the names"),
    ],
)
def test_anything_else_is_refused(given, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make_refiner(given)
