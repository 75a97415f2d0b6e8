"""Any network of MONAI, with the weights of a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from skedema.encoders.monai import AsTokens, MonaiEncoder, with_fixed_batch_norm
from skedema.encoders.pretrained.recipe import Recipe


class MonaiWeights(Recipe):
    """A network of ``monai.networks.nets`` with weights that somebody has trained.

    Nothing is known of the scans it was trained on: `PretrainedEncoder` needs a `volume`. Batch
    normalisation keeps to the statistics of the file. Also ``recipe="monai"``, with a name to be
    set by ``set_params(recipe__name=...)`` of the object. Needs MONAI.

    Parameters
    ----------
    name : str
        A class or function of ``monai.networks.nets``, such as ``"resnet18"``.
    dim : int, default=128
        Number of outputs of networks that classify, as in the file.
    arguments : mapping, default=None
        Further arguments of the network, as in training; see `skedema.encoders.MonaiEncoder`.

    Examples
    --------
    >>> import torch
    >>> from skedema import VolumeReader
    >>> from skedema.encoders import MonaiEncoder
    >>> from skedema.encoders.pretrained import MonaiWeights, PretrainedEncoder
    >>> small = {"widen_factor": 0.125}
    >>> resnet = MonaiEncoder("resnet10", dim=8, arguments=small).network(
    ...     in_channels=1, shape=(16, 16, 16)
    ... )
    >>> torch.save(resnet.state_dict(), "resnet10.pth")
    >>> recipe = MonaiWeights("resnet10", dim=8, arguments=small)
    >>> reader = VolumeReader(spacing=13, shape=16)
    >>> PretrainedEncoder("resnet10.pth", recipe=recipe, volume=reader).fit().origin_["title"]
    "weights of MONAI's resnet10"
    """

    licence = "not known to the recipe: that of whoever trained the weights"
    citation = "whoever trained the weights, and Cardoso et al., arXiv 2211.02701 (MONAI)"
    source = "a file of your own"
    pools = ("mean", "patches")
    dropped = ("*.num_batches_tracked",)
    renamed = (("network.", ""),)
    remedies = (
        (
            r"(?:^|\.)(?:fc|class_layers|classification_head)\.",
            "The last layer classifies: dim= is its number of outputs. A ResNet has none with "
            'arguments={"feed_forward": False}, for files without one, or of which its keys were '
            "taken out so that features are what that layer was given.",
        ),
        (
            r"\((\d+), (\d+)(, [\d, ]+)\) instead of \(\1, (?!\2,)\d+\3\)",
            "Of a first layer the second number is that of channels: give as many windows as in "
            "training, volume=VolumeReader(windows=[...]).",
        ),
    )

    def __init__(
        self, name: str = "resnet18", *, dim: int = 128, arguments: Mapping[str, Any] | None = None
    ) -> None:
        self.name = name
        self.dim = dim
        self.arguments = arguments

    @property
    def title(self) -> str:  # type: ignore[override]
        """What the weights are."""
        return f"weights of MONAI's {self.name}"

    def build(self, *, in_channels: int, shape: tuple[int, int, int]) -> nn.Module:
        encoder = MonaiEncoder(self.name, dim=self.dim, arguments=self.arguments)
        network = encoder.network(in_channels=in_channels, shape=shape)
        return AsTokens(self.name, with_fixed_batch_norm(network))
