"""Every image network of MONAI, by its own name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import batch_norm

from skedema._extras import how_to_install
from skedema._registry import nearest_name
from skedema.encoders.base import Encoder
from skedema.modules.norm import group_norm

# What MONAI's networks call the things that an encoder is told. First match wins.
_IN_CHANNELS = ("in_channels", "n_input_channels")
_OUT_CHANNELS = ("num_classes", "out_channels", "classes")
_IMAGE_SHAPE = ("img_size",)
_CHANNELS_AND_SHAPE = ("in_shape",)


MONAI_PREFIX = "monai:"


class MonaiEncoder(Encoder):
    """A network of ``monai.networks.nets`` as an encoder; also ``encoder="monai:<name>"``.

    Networks that classify give their outputs as one token; networks that return a feature map or
    a sequence give a token a cell. Batch normalisation is replaced by GroupNorm, so that no
    patient influences another; where it comes with learned statistics, as in a pre-trained
    network, it keeps to these instead, so that what was learned is not lost. MONAI is an extra:
    ``pip install monai einops``.

    Parameters
    ----------
    name : str
        A class or function of ``monai.networks.nets``, such as ``"DenseNet121"`` or ``"resnet18"``.
    dim : int, default=128
        Number of outputs asked of networks that classify.
    arguments : mapping, default=None
        Further arguments of the network. What an encoder knows anyway (channels, image size,
        three dimensions, number of outputs) is passed under the names that MONAI uses.

    Examples
    --------
    >>> import torch
    >>> from skedema.encoders import MonaiEncoder
    >>> encoder = MonaiEncoder("resnet10", dim=8, arguments={"widen_factor": 0.125})
    >>> encoder.build(in_channels=1, shape=(16, 16, 16))(torch.zeros(1, 1, 16, 16, 16)).shape
    torch.Size([1, 1, 8])
    """

    def __init__(
        self, name: str, *, dim: int = 128, arguments: Mapping[str, Any] | None = None
    ) -> None:
        self.name = name
        self.dim = dim
        self.arguments = arguments

    def build(self, *, in_channels: int, shape: tuple[int, int, int]) -> nn.Module:
        network = self.network(in_channels=in_channels, shape=shape)
        return AsTokens(self.name, without_batch_norm(network))

    def network(self, *, in_channels: int, shape: tuple[int, int, int]) -> nn.Module:
        """Make the network as MONAI has it.

        Parameters
        ----------
        in_channels, shape
            As in `build`.

        Returns
        -------
        Module
            With its own batch normalisation.
        """
        try:
            from monai.networks import nets
        except ImportError as error:
            raise ImportError(
                f"encoder='{MONAI_PREFIX}{self.name}' needs MONAI: {how_to_install('monai')}."
            ) from error
        factory = getattr(nets, self.name, None)
        if factory is None or self.name.startswith("_") or not callable(factory):
            there = [n for n in dir(nets) if callable(getattr(nets, n)) and not n.startswith("_")]
            raise ValueError(
                f"MONAI has no network {self.name!r}. {nearest_name(self.name, there)}"
            )
        parameters = _parameters(factory)
        given: dict[str, Any] = {}
        for names, value in (
            (("spatial_dims",), 3),
            (_IN_CHANNELS, in_channels),
            (_OUT_CHANNELS, self.dim),
            (_IMAGE_SHAPE, shape),
            (_CHANNELS_AND_SHAPE, (in_channels, *shape)),
        ):
            name = next((n for n in names if n in parameters), None)
            if name is not None:
                given[name] = value
        given |= self.arguments or {}
        try:
            network: nn.Module = factory(**given)
        except TypeError as error:
            raise TypeError(
                f"MONAI's {self.name} cannot be made from {given}: {error}. Give it what it needs: "
                f"MonaiEncoder({self.name!r}, arguments={{...}})."
            ) from error
        return network


class AsTokens(nn.Module):
    """A network of MONAI whose features are tokens."""

    def __init__(self, name: str, network: nn.Module) -> None:
        super().__init__()
        self.name = name
        self.network = network

    def _get_name(self) -> str:
        return f"MONAI's {self.name}"  # what torch prints, and messages about shapes

    def forward(self, volumes: Tensor) -> Tensor:
        features = self.network(volumes)
        if isinstance(features, (tuple, list)) and features:
            features = features[0]
        if not isinstance(features, Tensor) or features.ndim < 2:
            raise TypeError(f"{self._get_name()} returns no features, but {type(features)}.")
        if features.ndim == 2:
            return features.unsqueeze(1)
        if features.ndim == 3:
            return features
        return features.flatten(2).transpose(1, 2)


class _FixedBatchNorm(nn.Module):
    """Batch normalisation by what was learned before, never by the batch."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, learned: nn.modules.batchnorm._BatchNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = learned.weight, learned.bias, learned.eps
        self.register_buffer("running_mean", learned.running_mean)
        self.register_buffer("running_var", learned.running_var)

    def forward(self, x: Tensor) -> Tensor:
        statistics = self.running_mean, self.running_var
        return batch_norm(x, *statistics, self.weight, self.bias, eps=self.eps)


def without_batch_norm(network: nn.Module) -> nn.Module:
    """Replace batch normalisation, in which patients influence each other.

    One that is fresh becomes a GroupNorm; one that has learned statistics keeps to them, in
    training as well. The network is changed in place, and returned, or its replacement where it is
    itself a batch normalisation.
    """
    if isinstance(network, nn.modules.batchnorm._BatchNorm):
        mean, variance = network.running_mean, network.running_var
        if mean is not None and variance is not None and (mean.any() or (variance != 1).any()):
            return _FixedBatchNorm(network)
        return group_norm(network.num_features, affine=network.affine)
    for name, child in network.named_children():
        setattr(network, name, without_batch_norm(child))
    return network


def with_fixed_batch_norm(network: nn.Module) -> nn.Module:
    """Let all batch normalisation keep to the statistics that it has, or is going to be given.

    For a network that is made for weights: names stay as they are. The network is changed in place,
    and returned, or its replacement where it is itself a batch normalisation with statistics.
    """
    if isinstance(network, nn.modules.batchnorm._BatchNorm) and network.track_running_stats:
        return _FixedBatchNorm(network)
    for name, child in network.named_children():
        setattr(network, name, with_fixed_batch_norm(child))
    return network


def _parameters(factory: Any) -> set[str]:
    """Name the arguments a network takes, those its base classes take through kwargs included."""
    if not inspect.isclass(factory):
        target = _returned_class(factory)
        return set(inspect.signature(factory).parameters) | (
            _parameters(target) if target else set()
        )
    names: set[str] = set()
    for base in factory.__mro__:
        if base is nn.Module:
            break
        signature = inspect.signature(vars(base).get("__init__", base)).parameters
        names |= set(signature)
        if not any(p.kind is p.VAR_KEYWORD for p in signature.values()):
            break
    return names


def _returned_class(function: Any) -> Any:
    """Find the class that a network function returns; its other arguments go there."""
    annotation = inspect.signature(function).return_annotation
    if isinstance(annotation, str):
        annotation = getattr(inspect.getmodule(function), annotation, None)
    return annotation if inspect.isclass(annotation) else None
