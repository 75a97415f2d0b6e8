"""Skedema's own classes, as a file holds them.

What a fit kept of single patients stays out of files. Ranges, categories and the middle of a
variable are what a model needs to read a table; of the values in between coarse ones are kept, of
values that were far off none, of what each scan was like the range, and of predictions of those who
were held out their calibration, in no order.
"""

from __future__ import annotations

import math
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch

from skedema._training.build import build_net
from skedema._training.held_out import HeldOut
from skedema.clinical.usual import without_patients
from skedema.persistence import _monai, _slices
from skedema.persistence._errors import Unsupported
from skedema.persistence._parts import Part, of_arguments
from skedema.scans._budget import DEFAULT_MAX_BYTES

_PLACES = {"memory": None}  # of the machine where it was fitted
_NET = ("seed", "batch_size", "lr", "layer_decay")


def _of_fused(held: dict[str, Any]) -> dict[str, Any]:
    if held["callbacks"]:
        raise Unsupported(
            "its callbacks are of use in training alone, and no file can hold them: "
            "set_params(callbacks=None) before it is saved"
        )
    if "net_" in held:
        net = held["net_"]
        epochs = [
            {name: each[name] for name in each if _is_number(each[name])} for each in net.history
        ]
        held["net_"] = {
            "module_": net.module_,
            "history": epochs,
            **{name: getattr(net, name) for name in _NET},
        }
    if held.get("held_out_") is not None:
        held["held_out_"] = _in_no_order(held["held_out_"])
    return held


def _with_net(model: Any) -> None:
    """Wrap the network into the training loop again, which a fit that goes on needs."""
    if not hasattr(model, "net_"):
        return
    held = model.net_
    module, history = held["module_"], held["history"]
    device = torch.device("cpu")
    how = (held["seed"], held["batch_size"], held["lr"], device)
    net = build_net(model, module, model._kind, *how)
    net.layer_decay = held["layer_decay"]
    net.initialize()
    module.eval()
    for epoch in history:
        net.history.new_epoch()
        for name, value in epoch.items():
            net.history.record(name, value)
    model.net_ = net


def _of_possible_size(held: dict[str, Any]) -> dict[str, Any]:
    """Refuse a grid that would fill the memory of whoever predicts, however small the file is."""
    shape, windows = held.get("shape"), held.get("windows")
    axes = shape if isinstance(shape, (list, tuple)) else [shape] * 3
    n_channels = len(windows) if isinstance(windows, (list, tuple)) else 1
    if all(isinstance(n, Integral) for n in axes):
        n_bytes = 4 * n_channels * math.prod(map(int, axes))
        if n_bytes > DEFAULT_MAX_BYTES:
            raise Unsupported(
                f"a volume of its shape={shape} would have {n_bytes} bytes, and "
                f"{DEFAULT_MAX_BYTES} are the most: give a smaller shape, and fit anew"
            )
    return held


def _as_this_machine_allows(reader: Any) -> None:
    """Take from a file no leave to fill the memory: how large a scan may be is said here."""
    _of_possible_size(vars(reader))
    if isinstance(reader.max_bytes, Real) and float(reader.max_bytes) > DEFAULT_MAX_BYTES:
        reader.max_bytes = DEFAULT_MAX_BYTES


def _in_no_order(held: HeldOut) -> HeldOut:
    """Sort by what was predicted, so that nothing tells whose row each was."""
    codes = [np.unique(label, return_inverse=True)[1] for label in np.atleast_2d(held.y.T)]
    order = np.lexsort([*held.proba.T, *codes])
    return replace(
        held, proba=held.proba[order], y=held.y[order], sample_weight=held.sample_weight[order]
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float, np.number, np.bool_))


_CLINICAL = "skedema.clinical."
_TRAINING = "skedema._training."
_ENCODERS = "skedema.encoders."
_BASELINES = "skedema.baselines."
_SIDE = ("given", "frozen", "volume", "reader", "dtype", "trained", "shape", "widths", "order")

# What a file has of columns of scans: none, the position of one, or positions.
_ONE_SCAN = {"image": "images", "scan": "asked"}


def _of_one_scan(held: dict[str, Any]) -> dict[str, Any]:
    for one, several in _ONE_SCAN.items():
        positions = held.pop(several)
        held[one] = positions if len(positions) > 1 else next(iter(positions), None)
    return held


def _of_several_scans(columns: Any) -> None:
    held = vars(columns)
    for one, several in _ONE_SCAN.items():
        position = held.pop(one, None)
        none_or_one = [] if position is None else [position]
        held[several] = position if isinstance(position, list) else none_or_one


_FUSED = (
    "_columns",
    "_clinical",
    "_image",
    "_encoder",
    "_usual",
    "_dtype",
    "_seed",
    "_n_patients",
)
_OF_A_FIT = _PLACES | {"checkpoint_dir": None, "_held_out_of": None}

PARTS = {
    "skedema.AttentionMixerClassifier": Part(
        "skedema.classifier:AttentionMixerClassifier",
        private=_FUSED,
        left=_OF_A_FIT,
        before=_of_fused,
        after=_with_net,
    ),
    # A class tells little of whose it is; a volume to the microlitre may be one patient's alone.
    "skedema.AttentionMixerRegressor": Part(
        "skedema.regressor:AttentionMixerRegressor",
        private=(*_FUSED, "_kind"),
        left=_OF_A_FIT | {"held_out_": None},
        before=_of_fused,
        after=_with_net,
    ),
    "skedema.Numbers": Part(
        _TRAINING + "continuous:Numbers", **of_arguments("name", "huber_delta", "quantiles")
    ),
    "skedema.ViTAutoencoder": Part(
        "skedema.autoencoder:ViTAutoencoder",
        private=("_seed", "_history", "_n_scans"),
        left=_PLACES | {"checkpoint_dir": None, "_optimizer_state": None},
    ),
    "skedema.ViewAugmentation": Part("skedema.autoencoder:ViewAugmentation"),
    "skedema.Worth": Part(
        "skedema._pretraining.worth:Worth",
        take=lambda worth: worth._asdict(),
        make=lambda cls, fields: cls(**fields),
    ),
    "skedema.WeightsReport": Part(
        "skedema.modules.reference_weights:WeightsReport",
        **of_arguments("loaded", "missing", "unexpected", "misshapen", "regenerated", "ignored"),
    ),
    # Whether scans are fetched is for who loads a file to say, and where to.
    "skedema.VolumeReader": Part(
        "skedema.scans.reader:VolumeReader",
        left={"remote": None},
        before=_of_possible_size,
        after=_as_this_machine_allows,
    ),
    "skedema.ClinicalTokenizer": Part(
        _CLINICAL + "tokenizer:ClinicalTokenizer", private=("_usual", "_keys")
    ),
    "skedema.UsualValues": Part(
        _CLINICAL + "usual:Usual",
        take=lambda usual: dict(vars(without_patients(usual))),
        make=lambda cls, fields: cls(**fields),
    ),
    "skedema.UsualScans": Part(
        "skedema.scans._usual:Usual",
        only=("n", "_typical", "_low", "_high", "_margin"),
        left={"known": None},
    ),
    "skedema.HeldOut": Part(
        _TRAINING + "held_out:HeldOut", **of_arguments("proba", "y", "sample_weight")
    ),
    "skedema.Columns": Part(
        _TRAINING + "columns:Columns",
        only=("names", "n_columns", "owner", "images", "clinical", "asked", *_ONE_SCAN),
        before=_of_one_scan,
        after=_of_several_scans,
    ),
    "skedema.ClinicalSide": Part(
        _TRAINING + "clinical_side:ClinicalSide",
        only=("metadata", "warn_unusual", "variables", "_dtypes"),
    ),
    "skedema.ImageSide": Part(_TRAINING + "image_side:ImageSide", only=_SIDE),
    "skedema.UnionSide": Part(_TRAINING + "union_side:UnionSide", only=(*_SIDE, "sides")),
    "skedema.CNN": Part(_ENCODERS + "cnn:CNN"),
    "skedema.ViT": Part(_ENCODERS + "vit:ViT"),
    "skedema.MonaiEncoder": Part(
        _ENCODERS + "monai:MonaiEncoder",
        take=_monai.taken,
        make=_monai.made,
    ),
    "skedema.PretrainedEncoder": Part(
        _ENCODERS + "pretrained.encoder:PretrainedEncoder",
        private=("_width",),
        left=_PLACES | {"weights": None},
    ),
    "skedema.FMHCT": Part(_ENCODERS + "pretrained.fm_hct:FMHCT"),
    "skedema.HLIPHeadCT": Part(_ENCODERS + "pretrained.hlip_head_ct:HLIPHeadCT"),
    "skedema.CTFM": Part(_ENCODERS + "pretrained.ct_fm:CTFM"),
    "skedema.MonaiWeights": Part(
        _ENCODERS + "pretrained.monai_weights:MonaiWeights",
        take=_monai.taken,
        make=_monai.made,
    ),
    "skedema.SavedAutoencoder": Part("skedema.persistence._recipe:SavedAutoencoder"),
    "skedema.SliceEncoder": Part(
        _ENCODERS + "slices.encoder:SliceEncoder",
        private=("_width",),
        left=_PLACES,
        before=_slices.without_places,
    ),
    "skedema.Density": Part(_ENCODERS + "density:Density"),
    "skedema.EncoderUnion": Part(_ENCODERS + "union:EncoderUnion"),
    "skedema.MirroredTokens": Part(
        _ENCODERS + "mirrored_tokens:MirroredTokens",
        private=("_pieces", "_digest", "_learned"),
        left=_PLACES,
    ),
    "skedema.Piece": Part(
        _ENCODERS + "_components:Piece",
        take=lambda piece: piece._asdict(),
        make=lambda cls, fields: cls(**fields),
    ),
    "skedema.Components": Part(
        _ENCODERS + "_components:Components", **of_arguments("mean", "weights")
    ),
    "skedema.ClinicalValues": Part(
        _BASELINES + "_clinical_values:ClinicalValues", private=("_columns", "_clinical")
    ),
    "skedema.MeanImputed": Part(_BASELINES + "_mean_imputed:MeanImputed", private=("_marked",)),
    "skedema.OnlyScan": Part(_BASELINES + "_columns:OnlyScan"),
    "skedema.WithoutScan": Part(_BASELINES + "_columns:WithoutScan"),
    "skedema.Untrained": Part(_BASELINES + "_untrained:Untrained"),
    "skedema.WeightedAverage": Part(_BASELINES + "_weighted_average:WeightedAverage"),
    "skedema.ScanFeatures": Part(
        _BASELINES + "_scan_features:ScanFeatures",
        private=("_columns", "_side", "_components", "_n_features_out"),
        left=_PLACES,
    ),
}
_FUSIONS = (
    "Concat",
    "CrossAttention",
    "DAFT",
    "FiLM",
    "Gated",
    "HyperFusion",
    "Interactive",
    "LowRankTensor",
    "Perceiver",
    "ProductOfExperts",
    "SelfAttention",
)
PARTS |= {f"skedema.{name}": Part(f"skedema.fusion:{name}") for name in _FUSIONS}
PARTS["skedema.Mixer"] = Part("skedema.refiners:Mixer")
