"""A stand-in for timm: the part of its interface that is used, with two tiny networks."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

_TOLD = {
    "input_size": (3, 32, 32),
    "mean": (0.5, 0.5, 0.5),
    "std": (0.25, 0.25, 0.25),
    "classifier": "head",
    "license": "apache-2.0",
}


class Patches(nn.Module):
    """A network with an image size of its own, as vision transformers have."""

    def __init__(self, num_classes: int = 10, in_chans: int = 3, img_size: int = 32) -> None:
        super().__init__()
        self.img_size = img_size
        self.patch_embed = nn.Conv2d(in_chans, 8, 8, stride=8)
        self.pos_embed = nn.Parameter(torch.zeros(1, 8, img_size // 8, img_size // 8))
        self.blocks = nn.Sequential(nn.Conv2d(8, 8, 1), nn.GELU(), nn.Conv2d(8, 8, 1))
        self.head = nn.Linear(8, num_classes) if num_classes else nn.Identity()
        self.pretrained_cfg = {
            **_TOLD,
            "fixed_input_size": True,
            "first_conv": "patch_embed",
            "hf_hub_id": "timm/test_vit.r160_in1k",
        }

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[-1] != self.img_size:
            raise AssertionError(f"Input height {images.shape[-1]} is not {self.img_size}")
        tokens = self.blocks(self.patch_embed(images) + self.pos_embed)
        return self.head(tokens.mean(dim=(2, 3)))


class Normed(nn.Module):
    """A network of any image size, with batch normalisation."""

    def __init__(self, num_classes: int = 10, in_chans: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_chans, 8, 3, stride=2)
        self.bn1 = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, num_classes) if num_classes else nn.Identity()
        self.pretrained_cfg = {**_TOLD, "classifier": "fc", "first_conv": "conv1"}

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.bn1(self.conv1(images)).relu().mean(dim=(2, 3)))


_MODELS = {"test_vit": Patches, "test_resnet": Normed}


def create_model(name: str, pretrained: bool = False, **arguments: Any) -> nn.Module:
    assert not pretrained
    return _MODELS[name](**arguments)


def adapt_input_conv(in_chans: int, weight: Tensor) -> Tensor:
    assert in_chans == 1
    return weight.sum(dim=1, keepdim=True)


def stand_in() -> dict[str, ModuleType]:
    """Make modules to be found in place of timm's."""
    timm, models = ModuleType("timm"), ModuleType("timm.models")
    timm.create_model = create_model
    timm.is_model = lambda name: name.partition(".")[0] in _MODELS
    timm.list_models = lambda: list(_MODELS)
    models.adapt_input_conv = adapt_input_conv
    timm.models = models
    return {"timm": timm, "timm.models": models}


def real() -> bool:
    """Tell whether timm itself can be imported, which a torchvision of another torch prevents."""
    try:
        import timm  # noqa: F401
    except (ImportError, RuntimeError):
        for name in [n for n in sys.modules if n.partition(".")[0] in ("timm", "torchvision")]:
            del sys.modules[name]
        return False
    return True
