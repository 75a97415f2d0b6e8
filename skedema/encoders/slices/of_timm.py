"""Backbones of timm."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from skedema._registry import nearest_name
from skedema.encoders.pretrained._fitting import fitted_weights
from skedema.encoders.slices.backbone import (
    RANDOM,
    Backbone,
    Wanted,
    check_fit,
    from_hub,
    hub,
    needs,
    read_json,
    without_heads,
)
from skedema.modules.reference_weights import WeightsReport

_RESERVED = re.compile(
    "num_classes|features_only|pretrained.*|checkpoint_path|cache_dir|.*_cfg.*|.*(file|url)|"
    "scriptable|exportable|no_jit"
)


class TimmBackbone(nn.Module):
    """A network of timm without its classifier, with random weights.

    Parameters
    ----------
    name : str
        As timm knows it.
    arguments : mapping of str to object
        Of ``timm.create_model``.
    """

    def __init__(self, name: str, arguments: Mapping[str, Any]) -> None:
        super().__init__()
        try:
            import timm
        except (ImportError, RuntimeError) as error:  # what a torchvision of another torch raises
            raise needs("timm", ImportError(str(error))) from error
        if not timm.is_model(name):
            nearest = nearest_name(name, timm.list_models())
            raise ValueError(f"timm has no model {name!r}. {nearest.partition(' Known:')[0]}")
        reserved = [key for key in arguments if _RESERVED.fullmatch(key)]
        if reserved:
            raise ValueError(
                f"arguments={{{reserved[0]!r}: ...}} is not for the user to give: weights come by "
                "weights=, and a classifier by what the encoder is of."
            )
        self.name = name
        self.arguments = dict(arguments)
        self.model = timm.create_model(name, pretrained=False, num_classes=0, **arguments)

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.model(images))


def load_timm(wanted: Wanted) -> Backbone:
    """Make a network of timm, and give it its weights."""
    name, told = wanted.name, {}
    if wanted.is_folder:
        config = read_json(Path(name) / "config.json")
        name, told = str(config["architecture"]), dict(config.get("pretrained_cfg") or {})
    arguments = dict(wanted.arguments)
    module = TimmBackbone(name, arguments)
    config = {**module.model.pretrained_cfg, **told}
    size = wanted.size or _side(arguments.get("img_size")) or int(config["input_size"][-1])
    if config.get("fixed_input_size") and "img_size" not in arguments:
        arguments["img_size"] = size
        module = TimmBackbone(name, arguments)
    where, sha256, report = "", "", WeightsReport((), (), (), (), (), ())
    if wanted.weights != RANDOM:
        where = os.fspath(wanted.weights or _published(wanted, config))
        sha256, report = _load(module.model, wanted, where, config)
    origin = {
        "recipe": "slices",
        "title": f"timm's {name}" + ("" if sha256 else ", random weights"),
        "licence": str(config.get("license") or "as its model card says"),
        "citation": "as its model card says",
        "source": "a folder" if wanted.is_folder else str(config.get("hf_hub_id") or "timm"),
        "sha256": sha256,
    }
    mean, std = (tuple(config[key]) if config.get(key) else None for key in ("mean", "std"))
    first = next((m for m in module.modules() if isinstance(m, nn.Conv2d)), None)
    channels = 3 if first is None else first.in_channels
    return Backbone(module.eval(), size, channels, mean, std, report, origin)


def _published(wanted: Wanted, config: Mapping[str, Any]) -> str | Path:
    if wanted.is_folder:
        return wanted.name
    repository = config.get("hf_hub_id")
    if not repository:
        raise FileNotFoundError(
            f"timm tells of no weights of {wanted.name} on the hub: give weights=, a file or a "
            f"folder, or {RANDOM!r}."
        )
    name = config.get("hf_hub_filename") or "model.safetensors"
    return from_hub(hub().hf_hub_download, repository, wanted, filename=name)


def _load(
    model: nn.Module, wanted: Wanted, where: str, config: Mapping[str, Any]
) -> tuple[str, WeightsReport]:
    found = wanted.read(where)
    # What timm itself does to the states of some networks: other names, positions of another size.
    translate = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    state = found.state if translate is None else dict(translate(dict(found.state), model))
    own = model.state_dict()

    def adapted(name: str, value: Tensor) -> Tensor:
        return _of_channels(name, value, own[name], config)

    names = {name: (name, value) for name, value in own.items()}
    ours, report = fitted_weights(state, names, (), adapted)
    report = without_heads(report, state, own)
    check_fit(report, where, f"timm's {wanted.name}")
    model.load_state_dict(ours)
    return found.sha256, report


def _of_channels(name: str, value: Tensor, target: Tensor, config: Mapping[str, Any]) -> Tensor:
    """Bring the first convolution to other channels, as timm does."""
    first = config.get("first_conv") or ()
    first = (first,) if isinstance(first, str) else first
    if name.removesuffix(".weight") not in first or value.shape == target.shape:
        return value
    from timm.models import adapt_input_conv

    return cast(Tensor, adapt_input_conv(target.shape[1], value))


def _side(size: Any) -> int | None:
    return int(size[-1] if isinstance(size, (tuple, list)) else size) if size else None
