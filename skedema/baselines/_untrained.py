"""A vision transformer that learns from labels alone, to measure what pre-training is worth."""

from __future__ import annotations

from typing import Any, cast

from torch import nn

from skedema._pretraining.run import size_of
from skedema.autoencoder import ViTAutoencoder
from skedema.encoders import Encoder
from skedema.modules.masked_autoencoder import MaskedAutoencoder
from skedema.modules.pooled_encoder import PooledEncoder


class Untrained(Encoder):
    """The encoder of a `ViTAutoencoder` with the random weights that its pre-training begins with.

    Parameters
    ----------
    autoencoder : ViTAutoencoder
        Its sizes and its `pool` count; what it has learned does not.

    Examples
    --------
    >>> from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
    >>> from skedema.baselines import Untrained
    >>> clf = AttentionMixerClassifier(
    ...     image="scan",
    ...     encoder=Untrained(ViTAutoencoder(size="tiny")),
    ...     volume=VolumeReader(spacing=6.75, shape=32),
    ...     layer_decay=1.0,
    ... )
    """

    def __init__(self, autoencoder: Any) -> None:
        self.autoencoder = autoencoder

    def build(self, *, in_channels: int, shape: tuple[int, int, int]) -> nn.Module:
        given = self.autoencoder
        if not isinstance(given, ViTAutoencoder):
            raise TypeError(f"autoencoder must be a ViTAutoencoder, got {given!r}.")
        module = MaskedAutoencoder(
            in_channels, shape, size_of(given.get_params(deep=False)), given.mask_ratio
        )
        return PooledEncoder(module, cast(Any, given.pool))
