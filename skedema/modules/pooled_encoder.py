"""A pre-trained autoencoder's encoder, ready to be trained further with a classifier."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from skedema.modules.masked_autoencoder import MaskedAutoencoder, Pool

_OF_TRAINING = (
    "decoder_embed",
    "decoder_blocks",
    "decoder_norm",
    "decoder_predict",
    "predictor",
    "mask_token",
)


class PooledEncoder(nn.Module):
    """The features of a masked autoencoder; decoder and predictor are left out.

    Parameters
    ----------
    autoencoder : MaskedAutoencoder
        Pre-trained; copied, so that training this one leaves it as it is.
    pool : {"mean", "cls", "patches", "tokens"}
        As in `MaskedAutoencoder.features`.

    Attributes
    ----------
    grid : tuple of 3 int
        Tokens along each axis; with ``pool="tokens"`` only.
    """

    def __init__(self, autoencoder: MaskedAutoencoder, pool: Pool) -> None:
        super().__init__()
        self.autoencoder = copy.deepcopy(autoencoder)
        self.pool: Pool = pool
        for name in _OF_TRAINING:
            if hasattr(self.autoencoder, name):  # not of one that was taken from here
                delattr(self.autoencoder, name)
        if pool == "tokens":
            self.grid = autoencoder.patches.grid
        # The others are taken before it.
        self.autoencoder.norm.requires_grad_(pool == "cls")

    def forward(self, volumes: Tensor) -> Tensor:
        """Encode.

        Parameters
        ----------
        volumes : Tensor of shape (B, C, X, Y, Z)
            Volumes.

        Returns
        -------
        Tensor of shape (B, 1, D), (B, 1, L D) of ``"patches"``, or (B, L, D) of ``"tokens"``
            The features, one token a volume or one a patch.
        """
        features = self.autoencoder.features(volumes, self.pool)
        return features if self.pool == "tokens" else features.unsqueeze(1)

    def with_pool(self, pool: Pool) -> PooledEncoder:
        """Copy it, with other features.

        Parameters
        ----------
        pool : {"mean", "cls", "patches", "tokens"}
            As the parameter.

        Returns
        -------
        PooledEncoder
            With weights of its own.
        """
        return PooledEncoder(self.autoencoder, pool)

    def layers(self) -> list[list[nn.Parameter]]:
        """List the parameters layer by layer, from the volume on.

        Returns
        -------
        list of list of Parameter
            Embedding and class token, every block, the final norm with the last block.
        """
        model = self.autoencoder
        layers = [[*model.embed.parameters(), model.class_token]]
        layers += [list(block.parameters()) for block in model.blocks]
        layers[-1] += list(model.norm.parameters())
        return layers
