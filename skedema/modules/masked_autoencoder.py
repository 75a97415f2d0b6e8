"""The masked autoencoder of ViT-AE++: a 3-D ViT that rebuilds what it was not shown."""

from __future__ import annotations

from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv3d, layer_norm, pad

from skedema.modules.autoencoder_sizes import AutoencoderSize
from skedema.modules.patches import Patches
from skedema.modules.positions import sincos_positions
from skedema.modules.standardize import Standardize
from skedema.modules.transformer import NORM_EPS, CrossBlock, TransformerBlock

#: What becomes of the tokens of a scan; see `MaskedAutoencoder.features`.
Pool = Literal["mean", "cls", "patches", "tokens"]
#: Whom the places to be rebuilt look at: one another as well, or what is shown alone.
Decoder = Literal["self", "cross"]


class Masked(NamedTuple):
    """What a forward pass under a mask gives.

    Parameters
    ----------
    prediction : Tensor of shape (B, L, px py pz C)
        Every patch, rebuilt, in the standardised voxels that the network sees.
    mask : Tensor of shape (B, L)
        1 where a patch was hidden, 0 where it was shown.
    tokens : Tensor of shape (B, 1 + K, D)
        The encoder's output: the class token, then the K shown patches in the order of their noise.
    """

    prediction: Tensor
    mask: Tensor
    tokens: Tensor


class MaskedAutoencoder(nn.Module):
    """Encode a few patches of a volume and rebuild all of them.

    ViT-AE++ (Prabhakar et al., "ViT-AE++: improving vision transformer autoencoder for
    self-supervised medical image representations", MIDL 2023) over the masked autoencoder of He et
    al. (CVPR 2022): a pre-norm ViT sees the class token and the patches that are not masked; a
    lighter decoder gets them back in their places, a learned token everywhere else, and predicts
    voxels. Positions are sine-cosine and regenerated from the shape, so they are no part of the
    state: weights fit any shape with the same patch and channels.

    Patches are gathered before they are embedded, so those hidden never are. Volumes are
    standardised first, by figures that stay with the weights (see `Standardize`).
    Nothing here draws random numbers but the initial weights (Xavier uniform, biases zero, tokens
    N(0, 0.02), from torch's global generator): masks come from the caller's noise.

    Parameters
    ----------
    in_channels : int
        Channels C of a volume: the number of HU windows.
    shape : tuple of 3 int
        Voxels (X, Y, Z) of a volume.
    size : AutoencoderSize
        Widths, depths, heads and the patch.
    mask_ratio : float
        Share of patches hidden; ``K = int(L (1 - mask_ratio))`` are shown.
    predictor_norm : {"layer", "batch"}
        Norm in the predictor of the contrast. ``"batch"`` is the reference's (and SimSiam's);
        ``"layer"`` lets no scan influence another, and does with a batch of one.
    decoder : {"self", "cross"}
        ``"self"``: all places attend to all, as above. ``"cross"``: the learned token, at the
        place that is asked for, attends to the encoder's tokens alone, block after block (see
        `CrossBlock`), so that what is predicted of a place does not depend on which others are
        asked for. Inter-block attention, a part of that paper, is left out.
    predicted_share : float
        Share of the hidden patches that training predicts; below 1 with ``decoder="cross"`` only.

    Raises
    ------
    ValueError
        When heads do not divide widths, a mask shows nothing or everything, or a share is asked of
        a decoder that predicts everything.

    Examples
    --------
    >>> import torch
    >>> from skedema.modules.autoencoder_sizes import SIZES
    >>> from skedema.modules.masked_autoencoder import MaskedAutoencoder
    >>> model = MaskedAutoencoder(1, (32, 32, 20), SIZES["tiny"])
    >>> scans = torch.rand(2, 1, 32, 32, 20)
    >>> prediction, mask, tokens = model(scans, torch.rand(2, model.n_patches))
    >>> tuple(model.features(scans).shape)
    (2, 96)
    """

    positions: Tensor
    decoder_positions: Tensor

    def __init__(
        self,
        in_channels: int,
        shape: tuple[int, int, int],
        size: AutoencoderSize,
        mask_ratio: float = 0.75,
        predictor_norm: Literal["layer", "batch"] = "layer",
        decoder: Decoder = "self",
        predicted_share: float = 1.0,
    ) -> None:
        super().__init__()
        self.size, self.mask_ratio, self.predictor_norm = size, mask_ratio, predictor_norm
        self.decoder, self.predicted_share = decoder, predicted_share
        self.patches = Patches(shape, size.patch_for(shape), in_channels)
        self.standardize = Standardize(in_channels)
        self.n_patches = self.patches.n_patches
        self.n_shown = int(self.n_patches * (1 - mask_ratio))
        if not 0 < self.n_shown < self.n_patches:
            raise ValueError(
                f"mask_ratio={mask_ratio} of {self.n_patches} patches (volumes of {shape} voxels "
                f"in patches of {self.patches.patch}) leaves {self.n_shown} to show; at least one "
                "must be shown and one hidden. Use smaller patches or another ratio."
            )
        if decoder == "self" and predicted_share != 1:
            raise ValueError(
                f"predicted_share={predicted_share} is for decoder='cross': where places attend to "
                "one another, all of them are predicted."
            )
        self.n_asked = max(1, round(predicted_share * (self.n_patches - self.n_shown)))
        dim, inner = size.dim, size.decoder_dim
        self.register_buffer("positions", _positions(self.patches, dim), persistent=False)
        self.class_token = nn.Parameter(torch.empty(1, 1, dim))
        self.embed = nn.Linear(self.patches.patch_size, dim)
        self.blocks = nn.ModuleList(
            TransformerBlock(dim, size.n_heads, size.expansion) for _ in range(size.depth)
        )
        self.norm = nn.LayerNorm(dim, eps=NORM_EPS)

        self.register_buffer("decoder_positions", _positions(self.patches, inner), persistent=False)
        self.mask_token = nn.Parameter(torch.empty(1, 1, inner))
        if decoder == "self":
            self.decoder_embed = nn.Linear(dim, inner)
        self.decoder_blocks = nn.ModuleList(
            TransformerBlock(inner, size.decoder_heads, size.expansion)
            if decoder == "self"
            else CrossBlock(inner, dim, size.decoder_heads, size.expansion)
            for _ in range(size.decoder_depth)
        )
        self.decoder_norm = nn.LayerNorm(inner, eps=NORM_EPS)
        self.decoder_predict = nn.Linear(inner, self.patches.patch_size)

        self.predictor = nn.Sequential(
            nn.Linear(dim, dim, bias=False),
            nn.BatchNorm1d(dim) if predictor_norm == "batch" else nn.LayerNorm(dim, eps=NORM_EPS),
            nn.ReLU(),
            nn.Linear(dim, dim),
        )
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.normal_(self.class_token, std=0.02)
        nn.init.normal_(self.mask_token, std=0.02)

    def forward(self, volumes: Tensor, noise: Tensor) -> Masked:
        """Hide patches and rebuild the volume.

        Parameters
        ----------
        volumes : Tensor of shape (B, C, X, Y, Z)
            Volumes.
        noise : Tensor of shape (B, L)
            The K patches with the smallest values are shown.

        Returns
        -------
        Masked
            Prediction, mask and tokens.
        """
        tokens, shown = self.encode_shown(volumes, noise)
        tokens = self.norm(tokens)
        return Masked(self.decode(tokens, shown), self.mask(shown), tokens)

    def encode(self, volumes: Tensor) -> Tensor:
        """Encode whole volumes, nothing hidden.

        Parameters
        ----------
        volumes : Tensor of shape (B, C, X, Y, Z)
            Volumes.

        Returns
        -------
        Tensor of shape (B, 1 + L, D)
            The class token and every patch, after the final norm.
        """
        return cast(Tensor, self.norm(self._encode_all(volumes)))

    def features(self, volumes: Tensor, pool: Pool = "mean") -> Tensor:
        """Describe each volume by one vector, nothing hidden.

        Parameters
        ----------
        volumes : Tensor of shape (B, C, X, Y, Z)
            Volumes.
        pool : {"mean", "cls", "patches", "tokens"}
            ``"mean"``: the mean of the patch tokens before the final norm, then LayerNorm without
            weights; ``"cls"``: the class token after the final norm. Both as in the reference.
            ``"patches"``: all patch tokens before the final norm, then LayerNorm without weights
            of each, side by side; ``"tokens"``: the same, one under the other.

        Returns
        -------
        Tensor of shape (B, D), (B, L D) of ``"patches"``, or (B, L, D) of ``"tokens"``
            The features; those of a volume do not depend on the others.
        """
        tokens = self._encode_all(volumes)
        if pool in ("patches", "tokens"):
            apart = _normalised(tokens[:, 1:])
            return apart.flatten(1) if pool == "patches" else apart
        return pooled(tokens) if pool == "mean" else cast(Tensor, self.norm(tokens[:, 0]))

    def reconstruct(self, volumes: Tensor, noise: Tensor) -> Tensor:
        """Rebuild volumes from the patches shown.

        Parameters
        ----------
        volumes : Tensor of shape (B, C, X, Y, Z)
            Volumes.
        noise : Tensor of shape (B, L)
            As in `forward`.

        Returns
        -------
        Tensor of shape (B, C, X, Y, Z)
            The prediction for every voxel, shown or not.
        """
        return self.standardize.invert(self.patches.join(self(volumes, noise).prediction))

    def encode_shown(self, volumes: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Encode the patches that a mask shows.

        Parameters
        ----------
        volumes : Tensor of shape (B, C, X, Y, Z)
            Volumes.
        noise : Tensor of shape (B, L)
            As in `forward`.

        Returns
        -------
        tokens : Tensor of shape (B, 1 + K, D)
            The class token and the shown patches, before the final norm.
        shown : Tensor of int of shape (B, K)
            Which patches they are.

        Raises
        ------
        ValueError
            When the noise is not one number a patch.
        """
        if noise.shape != (len(volumes), self.n_patches):
            raise ValueError(
                f"noise must have shape {(len(volumes), self.n_patches)}, one number a patch, "
                f"got {tuple(noise.shape)}."
            )
        shown = noise.argsort(dim=1, stable=True)[:, : self.n_shown]
        patches = self.patches(self.standardize(volumes))
        patches = patches.gather(1, shown.unsqueeze(-1).expand(-1, -1, patches.shape[-1]))
        return self._encode(self.embed(patches) + self.positions[0, 1:][shown]), shown

    def asked(self, noise: Tensor) -> Tensor:
        """Choose the hidden patches that training predicts: those next in the order of the noise.

        Parameters
        ----------
        noise : Tensor of shape (B, L)
            As in `forward`.

        Returns
        -------
        Tensor of int of shape (B, P)
            Which patches they are.
        """
        order = noise.argsort(dim=1, stable=True)
        return order[:, self.n_shown : self.n_shown + self.n_asked]

    def decode(self, tokens: Tensor, shown: Tensor, asked: Tensor | None = None) -> Tensor:
        """Predict patches from the tokens of those shown.

        Parameters
        ----------
        tokens : Tensor of shape (B, 1 + K, D)
            The encoder's tokens after the final norm.
        shown : Tensor of int of shape (B, K)
            Which patches they are.
        asked : Tensor of int of shape (B, P), default=None
            Which to predict, of a ``"cross"`` decoder. None: every one.

        Returns
        -------
        Tensor of shape (B, L, px py pz C), or (B, P, px py pz C) of those asked for
            The patches, standardised.
        """
        if self.decoder == "cross":
            return self._answer(tokens, asked)
        inner = self.decoder_embed(tokens)
        places = pad(shown + 1, (1, 0)).unsqueeze(-1)  # the class token first
        everywhere = self.mask_token.to(inner.dtype).expand(len(tokens), 1 + self.n_patches, -1)
        sequence = everywhere.scatter(1, places.expand_as(inner), inner) + self.decoder_positions
        for block in self.decoder_blocks:
            sequence = block(sequence)
        return cast(Tensor, self.decoder_predict(self.decoder_norm(sequence[:, 1:])))

    def _answer(self, tokens: Tensor, asked: Tensor | None) -> Tensor:
        places = self.decoder_positions[:, 1:]
        places = places.expand(len(tokens), -1, -1) if asked is None else places[0][asked]
        queries = (self.mask_token + places).to(tokens.dtype)
        for block in self.decoder_blocks:
            queries = block(queries, tokens)
        return cast(Tensor, self.decoder_predict(self.decoder_norm(queries)))

    def mask(self, shown: Tensor) -> Tensor:
        """Mark the hidden patches.

        Parameters
        ----------
        shown : Tensor of int of shape (B, K)
            Which patches are shown.

        Returns
        -------
        Tensor of shape (B, L)
            1 where hidden, 0 where shown.
        """
        return self.positions.new_ones(len(shown), self.n_patches).scatter(1, shown, 0.0)

    def _encode_all(self, volumes: Tensor) -> Tensor:
        # With nothing to gather a convolution embeds as fast, and sums in the reference's order.
        kernel = self.patches.as_kernel(self.embed.weight)
        whole = self.patches.widen(self.standardize(volumes))
        tokens = conv3d(whole, kernel, self.embed.bias, stride=self.patches.patch)
        return self._encode(tokens.flatten(2).transpose(1, 2) + self.positions[:, 1:])

    def _encode(self, tokens: Tensor) -> Tensor:
        first = (self.class_token + self.positions[:, :1]).expand(tokens.shape[0], -1, -1)
        tokens = torch.cat([first.to(tokens.dtype), tokens], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        return tokens


def pooled(tokens: Tensor) -> Tensor:
    """Average the patch tokens of a sequence and normalise.

    Parameters
    ----------
    tokens : Tensor of shape (B, 1 + K, D)
        A class token and patch tokens, before the final norm.

    Returns
    -------
    Tensor of shape (B, D)
        LayerNorm without weights of the mean of the patch tokens.
    """
    return _normalised(tokens[:, 1:].mean(dim=1))


def _normalised(tokens: Tensor) -> Tensor:
    return layer_norm(tokens, tokens.shape[-1:], eps=NORM_EPS)


def _positions(patches: Patches, dim: int) -> Tensor:
    return sincos_positions(patches.grid, dim).unsqueeze(0)
