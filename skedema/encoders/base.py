"""The contract of an encoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from sklearn.base import BaseEstimator
from torch import nn


class Encoder(BaseEstimator, ABC):
    """Hyper-parameters of an image backbone; `build` makes its module.

    A subclass stores its parameters in ``__init__`` and nothing else, as scikit-learn's
    estimators do, so that it can be cloned and searched over as ``encoder__<parameter>``.

    Examples
    --------
    >>> from torch import nn
    >>> from skedema.encoders import Encoder
    >>> class Regions(Encoder):
    ...     def __init__(self, *, dim=8):
    ...         self.dim = dim
    ...
    ...     def build(self, *, in_channels, shape):
    ...         regions = nn.AdaptiveAvgPool3d(2)  # the mean of each eighth of the volume
    ...         return nn.Sequential(regions, nn.Conv3d(in_channels, self.dim, 1), Tokens())
    >>> class Tokens(nn.Module):
    ...     def forward(self, maps):
    ...         return maps.flatten(2).transpose(1, 2)

    It is given as an object, or by a name that `register_encoder` makes known:

    >>> from skedema import AttentionMixerClassifier, VolumeReader
    >>> from skedema.datasets import make_head_ct_cohort
    >>> cohort = make_head_ct_cohort(8, "scans", shape=[16] * 3, spacing=[13] * 3, random_state=0)
    >>> X = cohort.frame[["scan", "age", "gcs"]]
    >>> reader = VolumeReader(spacing=13, shape=16)
    >>> clf = AttentionMixerClassifier(image="scan", encoder=Regions(), volume=reader, max_epochs=2)
    >>> clf.fit(X, cohort.target).predict_proba(X).shape
    (8, 2)
    """

    @abstractmethod
    def build(self, *, in_channels: int, shape: tuple[int, int, int]) -> nn.Module:
        """Make the module.

        Parameters
        ----------
        in_channels : int
            Channels C of a volume: the number of HU windows.
        shape : tuple of 3 int
            Voxels (X, Y, Z) of a volume.

        Returns
        -------
        Module
            ``(B, C, X, Y, Z) -> (B, tokens, dim)``, or ``(B, dim)`` for one token a scan. No
            patient may influence another, so batch normalisation is not allowed; GroupNorm and
            LayerNorm are. Where each token is of a region, tokens stand in the order of a grid, the
            last axis running fastest, and the module tells it as ``grid``, a tuple of 3 int; then
            `MirroredTokens` can compare the sides.

        Raises
        ------
        ValueError, TypeError
            When a parameter has a value that it may not have.
        ImportError
            When the architecture comes from a package that is not installed.
        """


def is_transformer(encoder: Any) -> bool:
    """Tell whether an encoder is a scikit-learn transformer from scans to features.

    Parameters
    ----------
    encoder : object
        The encoder.

    Returns
    -------
    bool
        True for an object with `fit` and `transform`.

    Examples
    --------
    >>> from skedema import ViTAutoencoder
    >>> from skedema.encoders import CNN, is_transformer
    >>> is_transformer(ViTAutoencoder()), is_transformer(CNN())
    (True, False)
    """
    return not isinstance(encoder, type) and all(
        callable(getattr(encoder, name, None)) for name in ("fit", "transform")
    )
