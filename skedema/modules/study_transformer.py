"""A vision transformer whose blocks look at one scan of a study, or at all of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skedema.modules.axes import order_of, turned, turned_back
from skedema.modules.transformer import NORM_EPS
from skedema.modules.vision_transformer import Widths, grid_of, transformer_layers

_EVERY = 3  # of so many blocks, the last one looks at the study


class StudyTransformer(nn.Module):
    """Attention within each scan of a study, and in every third block over the study.

    HLIP (Zhao et al., "Towards scalable language-image pre-training for 3D medical imaging",
    arXiv 2505.21862, section 3): tokens of all scans, each with its place in its scan and the place
    of its scan in the study, and one class token. Where blocks look at scans apart each has a copy
    of the class token; where they look at the study, these are averaged.

    Parameters
    ----------
    shape : tuple of 3 int
        Voxels (X, Y, Z) of a volume on RAS axes.
    patch : tuple of 3 int
        Voxels of a patch, on the axes of the network.
    widths : Widths
        Sizes, and what blocks are like.
    max_scans : int
        Scans that there are positions for; 0 is none, where all scans are alike.
    axes : str
        Where the axes of the network run to; see `skedema.modules.axes.turned`.
    scale : tuple of 2 float
        Mean and standard deviation that voxels are standardised by.
    cut : float
        Share of the first two axes of a volume, in the middle, that is looked at.

    Attributes
    ----------
    grid : tuple of 3 int
        Tokens along each axis, on RAS axes, after those of the whole.
    n_whole : int
        Tokens of the whole study, which come first: 1.

    Raises
    ------
    ValueError
        When patches do not fill a volume.
    """

    n_whole = 1
    places: Tensor
    scans: Tensor | None

    def __init__(
        self,
        shape: tuple[int, int, int],
        patch: tuple[int, int, int],
        widths: Widths,
        *,
        max_scans: int,
        axes: str,
        scale: tuple[float, float],
        cut: float,
    ) -> None:
        super().__init__()
        self.axes, self.scale = axes, scale
        across, along = (round(cut * side) for side in shape[:2])
        self.middle = tuple(
            slice((side - kept) // 2, (side - kept) // 2 + kept)
            for side, kept in zip(shape, (across, along), strict=False)
        )
        seen = order_of((across, along, shape[2]), axes)
        self.turned_grid = grid_of(seen, patch)
        grid = turned_back(torch.empty(*self.turned_grid, device="meta"), axes).shape
        self.grid = (grid[0], grid[1], grid[2])
        self.class_token = nn.Parameter(torch.zeros(1, 1, widths.dim))
        self.embed = nn.Conv3d(1, widths.dim, patch, stride=patch)
        # They were never trained: HLIP keeps its sine-cosine positions.
        self.register_buffer("places", torch.zeros(1, *self.turned_grid, widths.dim))
        scans = torch.zeros(1, max_scans, widths.dim) if max_scans else None
        self.register_buffer("scans", scans)
        self.blocks = widths.blocks()
        self.norm = nn.LayerNorm(widths.dim, eps=NORM_EPS)

    def forward(self, volumes: Tensor) -> Tensor:
        """Encode.

        Parameters
        ----------
        volumes : Tensor of shape (B, S, X, Y, Z)
            A study a row: its scans, such as windows of one volume, as channels.

        Returns
        -------
        Tensor of shape (B, 1 + L, D)
            The class token and the patches in the order of `grid`, each the mean of the S scans,
            after the final norm.
        """
        tokens = self.study_tokens(volumes)
        n_scans, dim = volumes.shape[1], tokens.shape[-1]
        patches = tokens[:, 1:].reshape(tokens.shape[0], n_scans, -1, dim).mean(dim=1)
        laid = patches.transpose(1, 2).reshape(tokens.shape[0], dim, *self.turned_grid)
        back = turned_back(laid, self.axes).flatten(2).transpose(1, 2)
        return torch.cat([tokens[:, :1], back], dim=1)

    def study_tokens(self, volumes: Tensor) -> Tensor:
        """Encode, every patch of every scan by itself, on the axes of the network.

        Parameters
        ----------
        volumes : Tensor of shape (B, S, X, Y, Z)
            As in `forward`.

        Returns
        -------
        Tensor of shape (B, 1 + S L, D)
            The class token, and the patches of one scan after the other, after the final norm.
        """
        n_studies, n_scans = volumes.shape[:2]
        mean, spread = self.scale
        across, along = self.middle
        seen = turned((volumes[..., across, along, :] - mean) / spread, self.axes)
        tokens = self.embed(seen.flatten(0, 1).unsqueeze(1)).flatten(2).transpose(1, 2)
        tokens = tokens + self.places.flatten(1, 3)
        if self.scans is not None:
            which = self.scans[0, :n_scans].repeat(n_studies, 1)
            tokens = tokens + which.unsqueeze(1)
        tokens = torch.cat([self.class_token.expand(tokens.shape[0], -1, -1), tokens], dim=1)
        apart = True
        for number, block in enumerate(self.blocks, start=1):
            if (number % _EVERY == 0) is apart:
                tokens = _joined(tokens, n_scans) if apart else _parted(tokens, n_scans)
                apart = not apart
            tokens = block(tokens)
        normed: Tensor = self.norm(_joined(tokens, n_scans) if apart else tokens)
        return normed

    def layers(self) -> list[list[nn.Parameter]]:
        """List the parameters layer by layer, from the volume on.

        Returns
        -------
        list of list of Parameter
            Embedding and class token, every block, the final norm with the last block.
        """
        return transformer_layers(self, [self.class_token])


def _joined(tokens: Tensor, n_scans: int) -> Tensor:
    """Put the scans of each study together: (B S, 1 + L, D) to (B, 1 + S L, D)."""
    n_studies, dim = tokens.shape[0] // n_scans, tokens.shape[-1]
    first = tokens[:, :1].reshape(n_studies, n_scans, dim).mean(dim=1, keepdim=True)
    return torch.cat([first, tokens[:, 1:].reshape(n_studies, -1, dim)], dim=1)


def _parted(tokens: Tensor, n_scans: int) -> Tensor:
    """Take the scans of each study apart, each with a copy of the class token."""
    n_studies, dim = tokens.shape[0], tokens.shape[-1]
    first = tokens[:, :1].repeat_interleave(n_scans, dim=0)
    return torch.cat([first, tokens[:, 1:].reshape(n_studies * n_scans, -1, dim)], dim=1)
