"""A pre-trained autoencoder's encoder, ready to be trained further with a classifier."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from skedema.modules.masked_autoencoder import MaskedAutoencoder, Pool


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
        for name in ("decoder_embed", "decoder_blocks", "decoder_norm", "decoder_predict"):
            delattr(self.autoencoder, name)
        del self.autoencoder.predictor, self.autoencoder.mask_token
        if pool == "tokens":
            self.grid = autoencoder.patches.grid
        if pool != "cls":
            self.autoencoder.norm.requires_grad_(False)  # the others are taken before it

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
