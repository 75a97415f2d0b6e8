"""Torch modules: made again of what they were made of, and then given their weights."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import nn

from skedema._plugins import build
from skedema._rng import isolated_rng
from skedema._torch_state import own_torch_state
from skedema.persistence import _slices
from skedema.persistence._errors import Damaged, Unsupported
from skedema.persistence._parts import Part, of_arguments


def _built(module: nn.Module) -> dict[str, Any]:
    plugin, arguments = module.made_of  # type: ignore[misc]
    return {"plugin": plugin, "arguments": arguments}


def _fused(module: Any) -> dict[str, Any]:
    return {
        "encoder": module.encoder,
        "scan_tokens": module.scan_tokens,
        "clinical_tokens": module.clinical_tokens,
        "fusion": module.fusion,
        "refiner": module.refiner,
        "dim": module.norm.normalized_shape[0],
        "n_classes": module.n_outputs,  # the name of former files
        "dropout": module.dropout.p,
        "token_dropout": module.token_dropout,
        "modality_dropout": module.modality_dropout,
    }


def _scan_tokens(module: Any) -> dict[str, Any]:
    project = module.project
    parts = getattr(project, "widths", None) or getattr(project, "in_order", None)
    width = None if project is None else parts or project.in_features
    return {"in_dim": width, "dim": module.missing.shape[1], "dropout": module.dropout.p}


def _scan_series(module: Any) -> dict[str, Any]:
    return {**_scan_tokens(module.scans[0]), "n_scans": len(module.scans)}


def _clinical_tokens(module: Any) -> dict[str, Any]:
    n_embeddings = 0 if module.categories is None else len(module.categories)
    bounds = [*module.offsets.tolist(), n_embeddings]
    return {
        "n_categories": [end - start for start, end in pairwise(bounds)],
        "dim": module.weight.shape[1],
        "lacked": module.lacked.tolist(),
    }


def _masked_autoencoder(module: Any) -> dict[str, Any]:
    patches = module.patches
    made = {"in_channels": patches.in_channels, "shape": patches.shape, "size": module.size}
    names = ("mask_ratio", "predictor_norm", "decoder", "predicted_share")
    return made | {name: getattr(module, name) for name in names}


def _fused_again(cls: Any, fields: dict[str, Any]) -> Any:
    return cls(n_outputs=fields.pop("n_classes"), **fields)


def _by_constructor(cls: Any, fields: dict[str, Any]) -> Any:
    return cls(**fields)


_MODULES = "skedema.modules."
_SLICES = "skedema.encoders.slices."
MODULES = {
    "module.built": Part(
        "torch.nn:Module",
        take=_built,
        make=lambda _, fields: build(fields["plugin"], **fields["arguments"]),
    ),
    "module.identity": Part("torch.nn:Identity", **of_arguments()),
    "module.Committee": Part(
        _MODULES + "committee:Committee",
        take=lambda module: {"members": list(module.members)},
        make=_by_constructor,
    ),
    "module.FusedClassifier": Part(_MODULES + "fused:FusedNetwork", take=_fused, make=_fused_again),
    "module.ScanTokens": Part(
        _MODULES + "tokens:ScanTokens", take=_scan_tokens, make=_by_constructor
    ),
    "module.ScanSeries": Part(
        _MODULES + "scan_series:ScanSeries", take=_scan_series, make=_by_constructor
    ),
    "module.InOrder": Part(_MODULES + "tokens:InOrder", **of_arguments("width", "n", "attended")),
    "module.ClinicalTokens": Part(
        _MODULES + "tokens:ClinicalTokens", take=_clinical_tokens, make=_by_constructor
    ),
    "module.MaskedAutoencoder": Part(
        _MODULES + "masked_autoencoder:MaskedAutoencoder",
        take=_masked_autoencoder,
        make=_by_constructor,
    ),
    "module.PooledEncoder": Part(
        _MODULES + "pooled_encoder:PooledEncoder", **of_arguments("autoencoder", "pool")
    ),
    "module.PooledTokens": Part(
        _MODULES + "pooled_tokens:PooledTokens", **of_arguments("network", "pool", "origin")
    ),
    "module.SliceNetwork": Part(
        _MODULES + "slice_network:SliceNetwork", take=_slices.taken, make=_by_constructor
    ),
    "module.TimmBackbone": Part(
        _SLICES + "of_timm:TimmBackbone",
        take=lambda module: {"name": module.name, "arguments": module.arguments},
        make=_slices.made,
    ),
    "module.TransformersBackbone": Part(
        _SLICES + "of_transformers:TransformersBackbone",
        take=lambda module: {"config": module.config, "pooler": module.pooler},
        make=_slices.made,
    ),
    "module.SideTokens": Part(_MODULES + "mirror:SideTokens", **of_arguments("tokens", "paired")),
    "module.AutoencoderSize": Part(
        _MODULES + "autoencoder_sizes:AutoencoderSize",
        take=lambda size: dict(vars(size)),
        make=_by_constructor,
    ),
}


def with_weights(module: nn.Module, weights: dict[str, torch.Tensor], dtype: Any) -> nn.Module:
    """Give a module that was made again its weights; each has its place, and each place one."""
    if dtype is not None:
        module.to(dtype)
    try:
        module.load_state_dict(weights, strict=True, assign=True)
    except RuntimeError as error:
        raise Damaged(f"weights do not fit {type(module).__name__}") from error
    return module.eval()


def floating(module: nn.Module) -> torch.dtype | None:
    """Give the precision of a module."""
    found = (t.dtype for t in module.state_dict().values() if t.is_floating_point())
    return next(found, None)


def check_as_made(module: nn.Module, again: nn.Module) -> None:
    """Check that a module that was made again has a place for each weight of the first."""
    has, wants = (
        {name: tuple(t.shape) for name, t in each.state_dict().items()} for each in (module, again)
    )
    if has != wants:
        raise Unsupported(
            f"its weights are others than those of a new {type(again).__name__}, made in the same "
            "way"
        )


def undisturbed(function: Any) -> Any:
    """Let what makes modules leave torch's settings and random numbers alone."""

    def called(*arguments: Any) -> Any:
        with own_torch_state(), isolated_rng(0):
            return function(*arguments)

    return called
