from __future__ import annotations

import pytest
import torch

from skedema.encoders import MonaiEncoder
from skedema.persistence import ModelFileError
from skedema.persistence._bound import Bounded
from skedema.persistence._errors import Damaged

from ._models import load_parts


@pytest.mark.parametrize(
    ("vit", "shape"),
    [
        ({"dim": 12, "depth": 10**7, "patch": 1}, [2, 2, 2]),  # each layer is small
        ({"dim": 12, "depth": 1, "patch": 1}, [300, 300, 300]),  # a table of positions
        ({"dim": 30_000, "depth": 1, "patch": 1}, [2, 2, 2]),
    ],
)
def test_a_network_far_larger_than_its_weights_is_not_made(vit, shape, tmp_path):
    sizes = {"dict": [["in_channels", 1], ["shape", {"tuple": shape}]]}
    built = {"plugin": {"object": 0}, "arguments": sizes}
    encoder = ["skedema.ViT", {"n_heads": 1, "dropout": 0.0} | vit]
    with pytest.raises(ModelFileError, match="far larger than its weights"):
        load_parts(tmp_path, encoder, ["module.built", built])


def a_table():
    return torch.ones(10**5, 1) * torch.ones(1, 10**5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.arange(10**10),
        lambda: torch.eye(10**5),
        lambda: torch.zeros(1).expand(10**10).clone(),
        lambda: torch.zeros(1).repeat(10**10),
        lambda: torch.empty_strided((10**10,), (1,)),
        a_table,
    ],
)
def test_nothing_large_is_made_however_it_is_made(make):
    with Bounded(100), pytest.raises(Damaged):
        make()


def test_what_is_small_is_made_as_ever():
    with Bounded(100):
        assert torch.equal(torch.arange(4) * 2, torch.tensor([0, 2, 4, 6]))
        assert torch.tensor([0, 1, 1]).nonzero().tolist() == [[1], [2]]
        assert torch.tensor([3.0]).item() == 3.0


@pytest.mark.parametrize("name", ["DenseNet121", "SwinUNETR"])
def test_large_networks_of_many_layers_stay_within(name):
    pytest.importorskip("monai")
    encoder = MonaiEncoder(name)
    shape = (32, 32, 32)
    network = encoder.build(in_channels=1, shape=shape)
    n_bytes = sum(each.nbytes for each in network.state_dict().values())
    with Bounded(n_bytes) as bound:
        before = bound.left
        encoder.build(in_channels=1, shape=shape)
        assert bound.left > before / 2
