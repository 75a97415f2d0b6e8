from __future__ import annotations

import pytest
import torch
from torch import nn

from skedema.modules.pooled_tokens import PooledTokens
from skedema.modules.vision_transformer import VisionTransformer, Widths


@pytest.fixture
def network() -> VisionTransformer:
    return VisionTransformer(1, (8, 4, 4), (4, 4, 4), Widths(12, 2, 2)).eval()


def test_pools_are_made_of_the_tokens(network):
    volumes = torch.rand(3, 1, 8, 4, 4)
    tokens = network(volumes)
    assert tokens.shape == (3, 3, 12)
    found = {p: PooledTokens(network, p, {})(volumes) for p in ("cls", "mean", "patches", "tokens")}
    assert torch.equal(found["cls"], tokens[:, :1])
    assert torch.equal(found["mean"], tokens[:, 1:].mean(dim=1, keepdim=True))
    assert torch.equal(found["patches"], tokens[:, 1:].reshape(3, 1, 24))
    assert torch.equal(found["tokens"], tokens[:, 1:])


def test_a_copy_with_another_pool_has_weights_of_its_own(network):
    pooled = PooledTokens(network, "cls", {"title": "ours"})
    other = pooled.with_pool("tokens")
    assert other.grid == (2, 1, 1)
    assert other.origin == {"title": "ours"}
    assert not hasattr(pooled, "grid")
    with torch.no_grad():
        other.network.norm.bias += 1
    assert not network.norm.bias.any()
    assert len(pooled.layers()) == 3


def test_a_network_that_tells_nothing_has_places_and_one_layer_alone():
    network = nn.Sequential(nn.Flatten(), nn.Linear(8, 5))
    pooled = PooledTokens(network, "mean", {})
    assert pooled(torch.rand(2, 1, 2, 2, 2)).shape == (2, 1, 5)
    assert [len(layer) for layer in pooled.layers()] == [2]
