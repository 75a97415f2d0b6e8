"""FM-HCT: the foundation model of head CT of NYU Langone."""

from __future__ import annotations

import math
from typing import cast

from torch import Tensor, nn

from skedema.encoders.pretrained.recipe import Recipe
from skedema.modules.positions import stretched
from skedema.modules.vision_transformer import VisionTransformer, Widths, grid_of
from skedema.scans import VolumeReader

_BLOCK_EPS = 1e-5  # the final norm has 1e-6, as ours


class FMHCT(Recipe):
    """FM-HCT of NYU: a vision transformer trained on head CTs; ``recipe="fm_hct"``.

    Zhu et al., "3D foundation AI model for generalizable disease detection in head computed
    tomography" (arXiv 2502.02779); facts of the network and of its scans from the repository
    NYUMedML/headCT_foundation at c93468d. The weights are given to institutions on request, under
    an agreement; whoever has them has a file.

    Scans are read as in training: axes permuted and flipped to RAS, 1 mm by cubic splines, the box
    of all voxels above 0 HU (table and headrest count), three windows, and then each axis
    stretched by itself onto 96 voxels by area. The released notebook windows after the stretching,
    which is not what was trained on.

    Of a training checkpoint the teacher is taken (``momentum_model_state_dict``), whose features
    are the better ones in self-distillation (Caron et al., "Emerging properties in self-supervised
    vision transformers", ICCV 2021, section 5), and without one ``state_dict``; ``entry=`` of
    `PretrainedEncoder` chooses. Heads, decoders and mask tokens are left out by name. Positions
    were learned; for volumes of another shape they are interpolated.

    Parameters
    ----------
    dim, depth, n_heads : int
        Width of a token, blocks, and heads.
    patch, shape : int
        Voxels along a side of a patch and of a volume.
    qkv_bias : bool, default=False
        Whether queries, keys and values have a bias. Those of the released weights have none,
        though the repository's configuration files say so.

    Examples
    --------
    >>> from skedema.encoders.pretrained import FMHCT
    >>> print(FMHCT().summary().splitlines()[2])
    licence: CC BY-NC-ND 4.0 (repository); weights on request, under an agreement with NYU
    """

    title = "FM-HCT, a foundation model of head CT (NYU Langone)"
    licence = "CC BY-NC-ND 4.0 (repository); weights on request, under an agreement with NYU"
    citation = "Zhu et al., arXiv 2502.02779, and Nature Biomedical Engineering 2026"
    source = "https://github.com/NYUMedML/headCT_foundation"
    telltale = ".att_norm."  # MONAI's own ViT has the other names, too
    entries = ("momentum_model_state_dict", "state_dict", "model")
    dropped = ("head.*", "decoder_*", "mask_token")
    renamed = (
        ("class_token", "cls_token"),
        ("embed.", "patch_embedding.patch_embeddings."),
        ("positions", "patch_embedding.position_embeddings"),
        (".attention_norm.", ".att_norm."),
        (".query_key_value.", ".attn.qkv."),
        (".project.", ".attn.proj."),
        (".mlp_norm.", ".ffn_norm."),
        (".mlp.0.", ".mlp.linear1."),
        (".mlp.3.", ".mlp.linear2."),
    )
    remedies = (
        (
            r"^blocks\.\d+\.attn\.qkv\.bias|\.blocks\.\d+\.attn\.qkv\.bias",
            "If queries, keys and values have a bias in the file, which the released weights have "
            "not: recipe=FMHCT(qkv_bias=True); if they have none, qkv_bias=False.",
        ),
        (
            r"patch_embeddings\.weight \(",
            "The shape is (dim, windows, patch, patch, patch): give the sizes of the file, such as "
            "recipe=FMHCT(patch=16, shape=96), or the three windows if volume= has others.",
        ),
        (
            r"position_embeddings \(",
            "Positions are those of (shape / patch) cubed patches: give recipe=FMHCT(shape=...) "
            "as in training; volume= may have another shape.",
        ),
    )

    def __init__(
        self,
        *,
        dim: int = 768,
        depth: int = 12,
        n_heads: int = 12,
        patch: int = 12,
        shape: int = 96,
        qkv_bias: bool = False,
    ) -> None:
        self.dim = dim
        self.depth = depth
        self.n_heads = n_heads
        self.patch = patch
        self.shape = shape
        self.qkv_bias = qkv_bias

    def reader(self) -> VolumeReader:
        return VolumeReader(
            axes="scan",
            first_spacing=1.0,
            crop="foreground",
            windows=["brain", "subdural", "bone_wide"],
            window_first=True,
            interpolation="area",
            spacing=None,
            shape=self.shape,
        )

    def build(self, *, in_channels: int, shape: tuple[int, int, int]) -> nn.Module:
        patch = (self.patch,) * 3
        widths = Widths(self.dim, self.depth, self.n_heads, self.qkv_bias, _BLOCK_EPS)
        return VisionTransformer(in_channels, shape, patch, widths)

    def adapt(self, name: str, value: Tensor, network: nn.Module) -> Tensor:
        trained = grid_of([self.shape] * 3, [self.patch] * 3)
        if name != "positions" or value.shape != (1, math.prod(trained), self.dim):
            return value
        grid = cast(VisionTransformer, network).grid
        if grid == trained:
            return value
        return stretched(value.reshape(*trained, self.dim), grid).reshape(1, -1, self.dim)
