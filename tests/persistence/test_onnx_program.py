from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from skedema._training.classes import Classes
from skedema.fusion import list_fusions, make_fusion
from skedema.modules.fused import FusedNetwork
from skedema.modules.tokens import ClinicalTokens, ScanTokens
from skedema.persistence._onnx_graph import Encode, Predict
from skedema.persistence._onnx_program import Plan, compare, make_graph

INPUTS = {
    "features": ("float32", (3, 4)),
    "scan_missing": ("bool", ()),
    "clinical": ("float64", (2,)),
    "clinical_missing": ("bool", (2,)),
}
VOLUME = {"volume": ("float32", (1, 4, 4, 4))}
# These stand in a graph in test_onnx.py.
ELSEWHERE = {"concat", "cross_attention", "perceiver", "self_attention"}


class Several(nn.Module):
    """Networks side by side: a graph of all takes less time than a graph of each."""

    def __init__(self, each: list[nn.Module]) -> None:
        super().__init__()
        self.each = nn.ModuleList(each)

    def forward(self, *tensors: Tensor) -> Tensor:
        return torch.cat([each(*tensors) for each in self.each], dim=1)


def network(fusion: str) -> nn.Module:
    mix = make_fusion(fusion).build(dim=4, n_heads=2, n_queries=3, n_variables=2, dropout=0.1)
    tokens = ScanTokens(4, 4), ClinicalTokens([0, 3], 4)
    fused = FusedNetwork(None, *tokens, mix, nn.Identity(), 4, 2, 0.1, token_dropout=0.3)
    return Predict(fused, None, None, list(INPUTS), Classes(2), None)


@pytest.mark.slow
def test_every_fusion_gives_the_same_in_a_graph():
    torch.manual_seed(0)
    each = [network(name) for name in list_fusions() if name not in ELSEWHERE]
    plan = Plan(Several(each).eval(), INPUTS, "probabilities", None, [0, 3])
    graph, shape = make_graph(plan)
    assert shape == (2 * len(each),)
    axes = [value.type.tensor_type.shape.dim[0].dim_param for value in graph.graph.input]
    assert axes == ["n"] * 4
    compare(graph.SerializeToString(), plan)


class Looks(nn.Module):
    def forward(self, volumes: Tensor) -> Tensor:
        return volumes.flatten(1)[:, : 1 + int(volumes.max() > 0)]


class Fixed(nn.Module):
    def forward(self, volumes: Tensor) -> Tensor:
        return volumes.reshape(len(volumes), -1)


@pytest.mark.parametrize("module", [Looks(), Fixed()])
def test_an_encoder_that_cannot_be_exported_is_named(module):
    plan = Plan(Whole(Encode(module)).eval(), VOLUME, "features", None, [])
    with pytest.raises(ValueError, match=rf"The encoder \({type(module).__name__}\) cannot"):
        make_graph(plan)


class Whole(nn.Module):
    def __init__(self, encode: nn.Module) -> None:
        super().__init__()
        self.encode = encode

    def forward(self, volume: Tensor) -> Tensor:
        return self.encode(volume) * 2


def test_a_graph_that_computes_something_else_is_refused():
    plan = Plan(Whole(nn.Flatten()).eval(), VOLUME, "features", None, [])
    before = torch.get_rng_state()
    content = make_graph(plan)[0].SerializeToString()
    assert torch.equal(before, torch.get_rng_state())
    compare(content, plan)
    other = plan._replace(module=nn.Flatten())
    with pytest.raises(RuntimeError, match="features of random inputs differ by 1, "):
        compare(content, other)
