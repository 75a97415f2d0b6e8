"""Backbones of transformers."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

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

_FILES = ("config.json", "preprocessor_config.json", "model.safetensors")
# What says nothing of the network, and what would have it made of more than numbers.
_LEFT_OUT = re.compile(
    r"_.*|architectures|auto_map|transformers_version|(torch_)?dtype|quantization_config|"
    r"attn_implementation|id2label|label2id|problem_type"
)
_FROM_ELSEWHERE = re.compile(r"pretrained|(^|_)url|_path$|(^|_)file|timm|backbone(_config)?$")
_USUAL_SIZE = 224


class TransformersBackbone(nn.Module):
    """An image network of transformers, with random weights.

    Parameters
    ----------
    config : mapping of str to object
        Its configuration, with its ``model_type``.
    pooler : bool, default=True
        Whether it has a pooling layer of its own, where that can be left out. The features are what
        it gives; without one the class token, the mean over places where there is none.
    """

    def __init__(self, config: Mapping[str, Any], pooler: bool = True) -> None:
        super().__init__()
        library = _library()
        elsewhere = [key for key, value in config.items() if value and _FROM_ELSEWHERE.search(key)]
        if elsewhere or _FROM_ELSEWHERE.search(str(config["model_type"])):
            raise ValueError(
                f"{config['model_type']} is made of another network, which is read from elsewhere "
                f"({', '.join(elsewhere) or 'by its kind'}): give that network as backbone."
            )
        self.config = {key: config[key] for key in config if not _LEFT_OUT.fullmatch(key)}
        self.pooler = pooler
        options = {} if pooler else {"add_pooling_layer": False}
        with _quietly():
            made = library.AutoConfig.for_model(**self.config)
            self.model: Any = library.AutoModel.from_config(made, **options)
        self.stretches = "interpolate_pos_encoding" in _arguments(self.model.forward)
        names = (name.rpartition(".")[2] for name in self.model.state_dict())
        self.has_class = not {"cls_token", "class_embedding"}.isdisjoint(names)

    def forward(self, images: Tensor) -> Tensor:
        options = {"interpolate_pos_encoding": True} if self.stretches else {}
        found = self.model(pixel_values=images, **options)
        pooled = getattr(found, "pooler_output", None)
        if pooled is not None:
            return cast(Tensor, pooled.flatten(1))
        tokens = cast(Tensor, found.last_hidden_state)
        if tokens.ndim == 4:
            return tokens.flatten(2).mean(dim=2)
        return tokens[:, 0] if self.has_class else tokens.mean(dim=1)


def load_transformers(wanted: Wanted) -> Backbone:
    """Make a network of transformers, and give it its weights."""
    folder = Path(wanted.name)
    if not wanted.is_folder:
        ask = hub().snapshot_download
        folder = from_hub(ask, wanted.name, wanted, allow_patterns=list(_FILES))
    config = {**_config(folder, wanted), **wanted.arguments}
    module = TransformersBackbone(config)
    where, sha256, report = "", "", WeightsReport((), (), (), (), (), ())
    if wanted.weights != RANDOM:
        where = os.fspath(wanted.weights or folder)
        found = wanted.read(where)
        sha256 = found.sha256
        module, report = _load(module, found.state)
        check_fit(report, where, f"transformers' {wanted.name}")
    shown = read_json(folder / "preprocessor_config.json")
    size = wanted.size or _side(shown) or _side({"size": config.get("image_size")}) or _USUAL_SIZE
    mean, std = (tuple(shown[k]) if k in shown else None for k in ("image_mean", "image_std"))
    origin = {
        "recipe": "slices",
        "title": f"transformers' {wanted.title(config['model_type'])}"
        + ("" if sha256 else ", random weights"),
        "licence": "as its model card says",
        "citation": "as its model card says",
        "source": "a folder" if wanted.is_folder else wanted.name,
        "sha256": sha256,
    }
    channels = int(config.get("num_channels", 3))
    return Backbone(module.eval(), size, channels, mean, std, report, origin)


def _config(folder: Path, wanted: Wanted) -> dict[str, Any]:
    """Read the configuration; of a network of images and texts, that of the images."""
    config = read_json(folder / "config.json")
    if "model_type" not in config:
        raise ValueError(
            f"{folder}: its config.json has no model_type, so that transformers cannot tell which "
            f"network {wanted.name} is."
        )
    config = config.get("vision_config") or config
    with _quietly():
        whole: dict[str, Any] = _library().AutoConfig.for_model(**config).to_dict()
    return whole


def _load(
    module: TransformersBackbone, state: dict[str, Tensor]
) -> tuple[TransformersBackbone, WeightsReport]:
    """Load by transformers itself, which knows of names of former versions."""
    report = _loaded(module, state)
    made_with = _arguments(type(module.model).__init__)
    pooler_alone = all(key.startswith("pooler.") for key in report.missing)
    if report.missing and pooler_alone and "add_pooling_layer" in made_with:
        module = TransformersBackbone(module.config, pooler=False)
        report = _loaded(module, state)
    return module, report


def _loaded(module: TransformersBackbone, state: dict[str, Tensor]) -> WeightsReport:
    options = {} if module.pooler else {"add_pooling_layer": False}
    kind: Any = type(module.model)
    with _quietly():
        module.model, told = kind.from_pretrained(
            None,
            config=module.model.config,
            state_dict=dict(state),
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # told of, and refused by whoever looks at the report
            dtype=torch.float32,
            **options,
        )
    own = module.model.state_dict()
    infinite = [name for name, value in own.items() if not torch.isfinite(value).all()]
    # Names alone, or with both shapes, by its version.
    others = [key if isinstance(key, str) else key[0] for key in told["mismatched_keys"]]
    misshapen = [
        *(f"{name} of another shape than {tuple(own[name].shape)}" for name in others),
        *(f"{name} (holds values that are not finite)" for name in infinite),
    ]
    wrong = {*told["missing_keys"], *others}
    report = WeightsReport(
        loaded=tuple(name for name in own if name not in wrong),
        missing=tuple(sorted(told["missing_keys"])),
        unexpected=tuple(sorted(told["unexpected_keys"])),
        misshapen=tuple(misshapen),
        regenerated=(),
        ignored=(),
    )
    return without_heads(report, state, own)


def _side(shown: Mapping[str, Any]) -> int | None:
    """Find the side of the images in what is said of their preparation."""
    size = shown.get("crop_size") if shown.get("do_center_crop", True) else None
    size = size or shown.get("size")
    if isinstance(size, Mapping):
        size = size.get("height") or size.get("shortest_edge")
    return int(size[-1] if isinstance(size, (tuple, list)) else size) if size else None


def _arguments(function: Any) -> Mapping[str, Any]:
    return inspect.signature(function).parameters


def _library() -> Any:
    try:
        return import_module("transformers")
    except ImportError as error:
        raise needs("transformers", error) from error


@contextmanager
def _quietly() -> Iterator[None]:
    """Let transformers say nothing of what is looked at here anyway, and leave torch as it is.

    It gives torch's modules a method of its own when it makes a network, by which theirs would be
    other classes, of other features, than in a process without it.
    """
    logging = _library().utils.logging
    own = set(vars(nn.Module))
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
        for name in set(vars(nn.Module)) - own:
            delattr(nn.Module, name)
