"""What a fitted estimator computes, as torch modules whose inputs are those of the ONNX graph."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from torch import Tensor, nn

from skedema._features import DerivedEncoder, ModuleEncoder
from skedema._training.target import TargetKind
from skedema.clinical import ClinicalTokenizer
from skedema.clinical.tokenizer import CLIP, LARGEST
from skedema.clinical.variables import CATEGORICAL, EMPTY
from skedema.encoders import EncoderUnion
from skedema.modules.committee import Committee
from skedema.modules.fused import FusedNetwork, as_tokens
from skedema.scans import VolumeReader
from skedema.scans.cache import reading


class Scaling(nn.Module):
    """What a `ClinicalTokenizer` does to numbers and category codes."""

    center: Tensor
    scale: Tensor
    n_categories: Tensor
    is_categorical: Tensor
    is_empty: Tensor

    def __init__(self, tokenizer: ClinicalTokenizer) -> None:
        super().__init__()
        kinds = np.array(tokenizer.kinds_)
        for name, values in {
            "center": tokenizer.center_,
            "scale": tokenizer.scale_,
            "n_categories": tokenizer.n_categories_.astype(np.float64),
            "is_categorical": kinds == CATEGORICAL,
            "is_empty": kinds == EMPTY,
        }.items():
            self.register_buffer(name, torch.tensor(values))

    def forward(self, values: Tensor, absent: Tensor) -> tuple[Tensor, Tensor]:
        """Scale; a code of no category, and a variable that `fit` never saw, is absent."""
        values = torch.where(absent, 0.0, values)
        most = torch.finfo(values.dtype).max
        deviation = (values - self.center).clamp(-most, most)
        z = (deviation * self.scale).clamp(-LARGEST, LARGEST)
        bounded = z / torch.sqrt(1.0 + (z / CLIP) ** 2)
        known = (values >= 0) & (values < self.n_categories) & (values == values.floor())
        absent = absent | self.is_empty | (self.is_categorical & ~known)
        return torch.where(self.is_categorical, values, bounded), absent


class Encode(nn.Module):
    """Volumes (B, C, X, Y, Z) to features (B, T, E), as one encoder computes them."""

    def __init__(
        self,
        module: nn.Module,
        function: Callable[[Any, Tensor], Tensor] | None = None,
        derive: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.module = ready(module)
        self.function = function
        self.derive = derive

    def forward(self, volume: Tensor) -> Tensor:
        found = self.function(self.module, volume) if self.function else self.module(volume)
        return as_tokens(found if self.derive is None else self.derive(found))


class SideBySide(nn.Module):
    """The features of several encoders as one vector (B, 1, E)."""

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, volume: Tensor) -> Tensor:
        return torch.cat([part(volume) for part in self.parts], dim=-1)


class Flat(nn.Module):
    """Features (B, 1, E) as a transformer gives them, (B, E)."""

    def __init__(self, encode: nn.Module) -> None:
        super().__init__()
        self.encode = encode

    def forward(self, volume: Tensor) -> Tensor:
        return cast(Tensor, self.encode(volume)).squeeze(1)


class Predict(nn.Module):
    """Volumes or features, and clinical values, to probabilities or numbers.

    Parameters
    ----------
    network : FusedNetwork or Committee
        Without the encoder.
    encode : Module or None
        Volumes to features; None where features are given.
    scaling : Scaling or None
        None where clinical values are given as the network takes them.
    inputs : sequence of str
        The names of what `forward` takes, in order.
    kind : TargetKind
        What the outputs of the network say.
    unit : tuple of two floats or None
        Of numbers, what stands for 0 and for a step of 1.
    """

    def __init__(
        self,
        network: FusedNetwork | Committee,
        encode: nn.Module | None,
        scaling: Scaling | None,
        inputs: Sequence[str],
        kind: TargetKind,
        unit: tuple[float, float] | None,
    ) -> None:
        super().__init__()
        self.kind = kind
        self.unit = unit
        self.network = network
        self.encode = encode
        self.scaling = scaling
        self.inputs = list(inputs)

    def forward(self, *tensors: Tensor) -> Tensor:
        given = dict(zip(self.inputs, tensors, strict=True))
        n = tensors[0].shape[0]
        features = given.get("features")
        if self.encode is not None:
            volume = given["volume"]
            several = volume.ndim == 6
            features = self.encode(volume.flatten(0, 1) if several else volume)
            if several:
                features = features.reshape(n, -1, features.shape[-1])
        lacks_scan = given.get("scan_missing", torch.ones(n, dtype=torch.bool))
        clinical = torch.zeros(n, 0)
        if "clinical" in given:
            values = given["clinical"]
            absent = given["clinical_missing"] | torch.isnan(values)
            if self.scaling is not None:
                values, absent = self.scaling(values, absent)
            clinical = torch.where(absent, torch.nan, values.float())
        of_each = self.kind.said_by(self.network(clinical, ~lacks_scan, features=features))
        found = of_each.mean(dim=1) if of_each.ndim == 3 else of_each
        return found if self.unit is None else self.unit[0] + self.unit[1] * found


def network_of(trained: nn.Module) -> Any:
    """Copy a trained network without its encoder, in float32 on the CPU."""
    network = ready(trained)
    network.encoder = None
    return network


def encoder_of(encoder: Any, reader: VolumeReader | None) -> nn.Module:
    """Make a module of a fitted encoder; an error names the part that is none.

    Parameters
    ----------
    encoder : Module or transformer
        As a classifier's `encoder_`.
    reader : VolumeReader or None
        How the volumes are read that the graph takes.
    """
    if isinstance(encoder, nn.Module):
        return Encode(encoder)
    thawed = encoder.estimator if isinstance(encoder, FrozenEstimator) else encoder
    name = type(thawed).__name__
    if isinstance(thawed, EncoderUnion):
        return SideBySide([encoder_of(part, reader) for _, part in thawed.encoders_])
    how = _handed_over(thawed)
    if how is None:
        raise ValueError(
            f"The encoder {name} is a scikit-learn transformer that reads scans itself, and no "
            "torch network that a graph could hold. Of a classifier, part='head' exports all but "
            "the encoder: its input is what the encoder's transform gives."
        )
    source = how.source if isinstance(how, DerivedEncoder) else how
    if reader is None or reading(source.reader) != reading(reader):
        raise ValueError(
            f"The encoder {name} reads scans otherwise than the encoders beside it, and a graph "
            "takes one volume a patient. Give all of them one volume=VolumeReader(...), or export "
            "all but the encoders with part='head'."
        )
    derive = how.derive_all if isinstance(how, DerivedEncoder) else None
    return Encode(source.module, source.function, derive)


def ready(module: nn.Module) -> Any:
    """Copy a module to the CPU, in float32, as predictions want it."""
    return copy.deepcopy(module).cpu().float().eval()


def _handed_over(transformer: Any) -> ModuleEncoder | DerivedEncoder | None:
    """Ask a transformer of ours what it computes with, there in float32 on the CPU."""
    if not hasattr(type(transformer), "_as_encoder"):
        return None
    own = copy.copy(transformer)
    for name, value in {"device": "cpu", "dtype": "float32"}.items():
        if name in own.get_params(deep=False):
            setattr(own, name, value)
    return cast(ModuleEncoder | DerivedEncoder | None, own._as_encoder())
