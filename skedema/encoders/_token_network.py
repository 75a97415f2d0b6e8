"""From an encoder that gives a token a region to the torch module that does so."""

from __future__ import annotations

import math
from inspect import signature
from typing import Any, NamedTuple

from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state
from torch import nn

from skedema._plugins import build
from skedema._rng import isolated_rng
from skedema.encoders._left_open import fill_left_open
from skedema.encoders.base import is_transformer
from skedema.encoders.catalogue import make_encoder
from skedema.modules.fused import probe
from skedema.scans import VolumeReader

_PATCH, _PATCHES_A_SIDE = 8, 4


class TokenNetwork(NamedTuple):
    """A module that tells its ``grid``, how scans are read for it, and what it comes from.

    ``learned`` tells whether its weights are of the scans it was fitted on.
    """

    module: nn.Module
    reader: VolumeReader
    learned: bool


def token_network(
    given: Any, reader: VolumeReader, X: Any, random_state: Any, context: dict[str, Any]
) -> TokenNetwork:
    """Build an encoder, or fit it on scans.

    Parameters
    ----------
    given : str, Encoder, transformer or None
        As `MirroredTokens` takes it.
    reader : VolumeReader
        How scans are read where `given` does not tell.
    X : sequence of n scans
        What a transformer is fitted on.
    random_state : int, RandomState instance or None
        Decides random weights.
    context : dict
        Parameters for what a transformer leaves open.

    Raises
    ------
    TypeError
        When it is not told which region a token is of.
    """
    encoder = _untrained(reader, random_state) if given is None else make_encoder(given)
    if is_transformer(encoder):
        found = _of_transformer(encoder, X, random_state, {**context, "volume": reader})
    else:
        channels, shape = reader.n_channels, reader.settings().shape
        with isolated_rng(int(check_random_state(random_state).randint(2**31))):
            module = build(encoder, in_channels=channels, shape=shape)
        found = TokenNetwork(module, reader, learned=False)
    shape = found.reader.settings().shape
    n_tokens, _ = probe(found.module, found.reader.n_channels, shape)
    grid = getattr(found.module, "grid", ())
    if len(grid) != 3 or math.prod(grid) != n_tokens:
        raise _no_regions(encoder)
    return found


def _untrained(reader: VolumeReader, random_state: Any) -> Any:
    patch = tuple(min(_PATCH, -(-side // _PATCHES_A_SIDE)) for side in reader.settings().shape)
    autoencoder = make_encoder("vit_ae")  # by its name, since it builds on encoders
    return autoencoder.set_params(patch=patch, max_epochs=0, random_state=random_state)


def _of_transformer(
    encoder: Any, X: Any, random_state: Any, context: dict[str, Any]
) -> TokenNetwork:
    frozen = isinstance(encoder, FrozenEstimator)
    fitted = clone(encoder)
    if not _gives_tokens(fitted):
        raise _no_regions(encoder)
    if not frozen:
        fill_left_open(fitted, context, random_state)
        fitted.fit(X)
    learned = not frozen and getattr(fitted, "n_iter_", 1) > 0
    return TokenNetwork(fitted.network(pool="tokens"), fitted.volume_, learned)


def _gives_tokens(transformer: Any) -> bool:
    network = getattr(transformer, "network", None)
    return callable(network) and "pool" in signature(network).parameters


def _no_regions(encoder: Any) -> TypeError:
    return TypeError(
        "Sides are compared region by region: give an encoder whose module tells the grid of its "
        "tokens, such as skedema.encoders.ViT() or CNN(), or a ViTAutoencoder. "
        f"{type(encoder).__name__} does not tell; the classifier itself takes it as encoder."
    )
