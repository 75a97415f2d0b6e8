"""A pre-trained network and what becomes of its tokens."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn

#: What becomes of the tokens of a scan.
TokenPool = Literal["cls", "mean", "patches", "tokens"]


class PooledTokens(nn.Module):
    """The features of a pre-trained network.

    Parameters
    ----------
    network : Module
        ``(B, C, X, Y, Z) -> (B, n_whole + L, D)``: first the tokens of the whole volume, whose
        number it tells as ``n_whole`` if there are any, then one a place, in the order of the
        ``grid`` that it may tell.
    pool : {"cls", "mean", "patches", "tokens"}
        ``"cls"``: the first token; ``"mean"``: the mean of those of places; ``"patches"``: these
        side by side; ``"tokens"``: one under the other.
    origin : mapping of str to str
        Where its weights come from.

    Attributes
    ----------
    grid : tuple of 3 int
        Tokens along each axis; with ``pool="tokens"`` only.
    """

    def __init__(self, network: nn.Module, pool: TokenPool, origin: Mapping[str, str]) -> None:
        super().__init__()
        self.network = network
        self.pool: TokenPool = pool
        self.origin = dict(origin)
        grid = getattr(network, "grid", None)
        if pool == "tokens" and grid is not None:
            self.grid = grid

    def forward(self, volumes: Tensor) -> Tensor:
        """Encode.

        Parameters
        ----------
        volumes : Tensor of shape (B, C, X, Y, Z)
            Volumes.

        Returns
        -------
        Tensor of shape (B, 1, D), (B, 1, L D) of ``"patches"``, or (B, L, D) of ``"tokens"``
            The features, one token a volume or one a place.
        """
        tokens: Tensor = self.network(volumes)
        tokens = tokens.unsqueeze(1) if tokens.ndim == 2 else tokens
        if self.pool == "cls":
            return tokens[:, :1]
        places = tokens[:, getattr(self.network, "n_whole", 0) :]
        if self.pool == "mean":
            return places.mean(dim=1, keepdim=True)
        return places.flatten(1).unsqueeze(1) if self.pool == "patches" else places

    def with_pool(self, pool: TokenPool) -> PooledTokens:
        """Copy it, with other features.

        Parameters
        ----------
        pool : {"cls", "mean", "patches", "tokens"}
            As the parameter.

        Returns
        -------
        PooledTokens
            With weights of its own.
        """
        return PooledTokens(copy.deepcopy(self.network), pool, self.origin).train(self.training)

    def layers(self) -> list[list[nn.Parameter]]:
        """List the parameters layer by layer, from the volume on.

        Returns
        -------
        list of list of Parameter
            As the network tells them; all as one layer where it does not.
        """
        own = getattr(self.network, "layers", None)
        if not callable(own):
            return [list(self.network.parameters())]
        layers: list[list[nn.Parameter]] = own()
        return layers
