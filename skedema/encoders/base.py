"""The contract of an encoder, and the registry of their names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from sklearn.base import BaseEstimator
from torch import nn

from skedema._plugins import resolve
from skedema._registry import Registry

_ENCODERS = Registry("encoder", "skedema.encoders")
MONAI_PREFIX = "monai:"


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
            ``(B, C, X, Y, Z) -> (B, tokens, dim)``. No patient may influence another, so batch
            normalisation is not allowed; GroupNorm and LayerNorm are.
        """


def register_encoder(name: str, factory: Callable[[], Any]) -> None:
    """Make an encoder known by name.

    Parameters
    ----------
    name : str
        What users write as ``encoder=``.
    factory : callable
        Gives an `Encoder` with its default parameters; usually its class.

    Examples
    --------
    >>> from skedema.encoders import CNN, list_encoders, register_encoder
    >>> register_encoder("small_cnn", lambda: CNN(width=4, depth=2))
    >>> "small_cnn" in list_encoders()
    True
    """
    _ENCODERS.register(name, factory)


def list_encoders() -> list[str]:
    """List the encoders that can be given by name.

    Returns
    -------
    list of str
        Sorted, those of installed packages (entry-point group ``skedema.encoders``) included.
        With the extra ``skedema[monai]``, ``"monai:<name>"`` reaches every image network of
        ``monai.networks.nets`` besides.
    """
    return _ENCODERS.names()


def make_encoder(encoder: Any) -> Any:
    """Resolve a name or an object to an encoder.

    Parameters
    ----------
    encoder : str, Encoder or transformer
        The value of the ``encoder`` parameter.

    Returns
    -------
    Encoder or transformer
        With `build`, or with `fit` and `transform`.

    Raises
    ------
    ValueError
        When the name is unknown.
    TypeError
        For a class, a torch module, or anything else.
    """
    if isinstance(encoder, str) and encoder.startswith(MONAI_PREFIX):
        from skedema.encoders.monai import MonaiEncoder

        return MonaiEncoder(name=encoder.removeprefix(MONAI_PREFIX))
    if is_transformer(encoder):
        return encoder
    return resolve(encoder, _ENCODERS)


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
