"""The named sizes of the masked autoencoder."""

from __future__ import annotations

from dataclasses import dataclass

_PATCHES_A_SIDE = 4


@dataclass(frozen=True)
class AutoencoderSize:
    """Widths, depths, heads and patch of a `MaskedAutoencoder`.

    Parameters
    ----------
    dim : int
        Width D of the encoder's tokens and of the features; even.
    depth : int
        Blocks of the encoder.
    n_heads : int
        Heads of the encoder; divides `dim`.
    decoder_dim : int
        Width of the decoder's tokens; even.
    decoder_depth : int
        Blocks of the decoder.
    decoder_heads : int
        Heads of the decoder; divides `decoder_dim`.
    patch : tuple of 3 int or None
        Voxels (px, py, pz) of a patch. None: see `patch_for`.
    expansion : float
        Hidden size of an MLP as a multiple of its width.

    Raises
    ------
    ValueError
        When a size is below 1, a width is odd, or heads do not divide a width.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from skedema.modules.autoencoder_sizes import SIZES
    >>> replace(SIZES["small"], patch=(8, 8, 4)).patch
    (8, 8, 4)
    """

    dim: int
    depth: int
    n_heads: int
    decoder_dim: int
    decoder_depth: int
    decoder_heads: int
    patch: tuple[int, int, int] | None = (8, 8, 8)
    expansion: float = 4.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is None and name == "patch":
                continue
            sides = value if name == "patch" else (value,)
            if (name == "patch" and len(sides) != 3) or min(sides) <= 0:
                kind = "three positive sides" if name == "patch" else "positive"
                raise ValueError(f"{name} must be {kind}, got {value!r}.")
        for width, heads in (("dim", "n_heads"), ("decoder_dim", "decoder_heads")):
            if getattr(self, width) % 2:
                raise ValueError(f"{width} must be even, got {getattr(self, width)}.")
            if getattr(self, width) % getattr(self, heads):
                raise ValueError(
                    f"{heads}={getattr(self, heads)} must divide {width}={getattr(self, width)}."
                )

    def patch_for(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Give the patch for volumes of a shape.

        Parameters
        ----------
        shape : tuple of 3 int
            Voxels (X, Y, Z) of a volume.

        Returns
        -------
        tuple of 3 int
            `patch`, or where it is None a quarter of each side, rounded up: 64 patches at most, so
            that a step costs the same on any grid.
        """
        if self.patch is not None:
            return self.patch
        x, y, z = (-(-side // _PATCHES_A_SIDE) for side in shape)
        return x, y, z


# "base" is the reference's (Prabhakar et al., MIDL 2023), made for 96 cubed; the others are for
# CPUs and small cohorts, `benchmarks/README.md` says how they do.
SIZES = {
    "tiny": AutoencoderSize(96, 4, 4, 48, 1, 4, patch=None),
    "small": AutoencoderSize(192, 6, 6, 96, 2, 4, patch=None),
    "base": AutoencoderSize(768, 12, 12, 512, 8, 16),
}
