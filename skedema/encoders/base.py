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
            LayerNorm are.
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
    """
    return not isinstance(encoder, type) and all(
        callable(getattr(encoder, name, None)) for name in ("fit", "transform")
    )
