"""HLIP: a vision transformer that has read 240,000 head CTs with their reports."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from skedema.encoders.pretrained.recipe import Recipe
from skedema.modules.positions import stretched
from skedema.modules.study_transformer import StudyTransformer
from skedema.modules.vision_transformer import Widths, grid_of
from skedema.scans import VolumeReader

# Means over the three channels of ImageNet's mean and standard deviation.
_SCALE = (0.449, 0.226)
_AXES = "IPR"
_CUT = 224 / 256


class HLIPHeadCT(Recipe):
    """HLIP of Michigan, the model of 240,000 head CTs; ``recipe="hlip_head_ct"``.

    Zhao et al., "Towards scalable language-image pre-training for 3D medical imaging" (arXiv
    2505.21862); facts of the network and of its scans from the repository zch0414/hlip at 70ef68d
    (MIT), whose README links the weights. Three windows of a scan are a study of three scans:
    blocks look within each of them, and every third one over all. Of the checkpoint the text
    tower, the projection and the temperature are left out by name; features are those before the
    projection. Those of 2025-10 were trained on the class token beside the mean of the patches
    (``dinotxt`` pooling): put two encoders side by side, one with ``pool="mean"``, for both.

    Scans are read onto 256 x 256 x 48 voxels over their whole field of view, axes permuted and
    flipped, windows first, each slice padded to a square, nearest between slices; the network
    standardises them and sees the middle 224 x 224 of each slice. In plane "area" is used, which
    is what linear interpolation without antialiasing, as in training, gives of 512 x 512 pixels.
    In training voxels were 8-bit numbers.

    Parameters
    ----------
    dim, depth, n_heads : int
        Width of a token, blocks, and heads.
    patch : tuple of 3 int
        Voxels of a patch: slices, then rows and columns.
    shape : tuple of 3 int
        Voxels (X, Y, Z) of a volume in training.
    max_scans : int, default=40
        Scans of a study that the weights have positions for; 0 for those of 2025-10, which have
        none.

    Examples
    --------
    >>> from skedema.encoders.pretrained import HLIPHeadCT
    >>> print(HLIPHeadCT().summary().splitlines()[-1])
    note: The repository does not say which windows...
    """

    title = "HLIP, a language-image model of 240,000 head CTs (University of Michigan)"
    licence = "MIT (repository)"
    citation = "Zhao et al., arXiv 2505.21862"
    source = "https://github.com/zch0414/hlip"
    notes = (
        "The repository does not say which windows brain, blood and bone are: they are taken to be "
        "those of NeuroVFM, of the same laboratory (width 80 level 40, 200 and 80, 2800 and 600), "
        "in this order.",
    )
    telltale = "spatial_posemb"
    dropped = (
        "text.*",
        "visual.head.*",
        "head.*",
        "logit_scale",
        "logit_bias",
        "fc_norm.*",
    )
    renamed = (
        ("class_token", "cls_token"),
        ("embed.", "patch_embed.proj."),
        ("places", "spatial_posemb"),
        ("scans", "sequential_posemb"),
        (".attention_norm.", ".norm1."),
        (".query_key_value.", ".attn.qkv."),
        (".project.", ".attn.proj."),
        (".mlp_norm.", ".norm2."),
        (".mlp.0.", ".mlp.fc1."),
        (".mlp.3.", ".mlp.fc2."),
    )
    remedies = (
        (
            r"sequential_posemb",
            "Positions of scans: recipe=HLIPHeadCT(max_scans=0) if the file has none, otherwise "
            "as many as it has, 40 in the published one.",
        ),
        (
            r"patch_embed\.proj\.weight \(|spatial_posemb \(",
            "Sizes are those of training: give recipe=HLIPHeadCT(patch=(8, 16, 16), "
            "shape=(256, 256, 48)) as they were; volume= may have another shape.",
        ),
    )

    def __init__(
        self,
        *,
        dim: int = 768,
        depth: int = 12,
        n_heads: int = 12,
        patch: tuple[int, int, int] = (8, 16, 16),
        shape: tuple[int, int, int] = (256, 256, 48),
        max_scans: int = 40,
    ) -> None:
        self.dim = dim
        self.depth = depth
        self.n_heads = n_heads
        self.patch = patch
        self.shape = shape
        self.max_scans = max_scans

    def reader(self) -> VolumeReader:
        return VolumeReader(
            axes="scan",
            windows=["brain", "subdural", "bone_wide"],
            window_first=True,
            interpolation=("area", "area", "nearest"),
            spacing="square",
            shape=self.shape,
        )

    def build(self, *, in_channels: int, shape: tuple[int, int, int]) -> nn.Module:
        if self.max_scans and in_channels > self.max_scans:
            raise ValueError(
                f"A study of {in_channels} windows is more than max_scans={self.max_scans}: give "
                "a volume= with fewer windows."
            )
        first, second, third = self.patch
        return StudyTransformer(
            shape,
            (first, second, third),
            Widths(self.dim, self.depth, self.n_heads),
            max_scans=self.max_scans,
            axes=_AXES,
            scale=_SCALE,
            cut=_CUT,
        )

    def adapt(self, name: str, value: Tensor, network: nn.Module) -> Tensor:
        if name != "places" or value.ndim != 5:
            return value
        x, y, z = self.shape
        trained = grid_of((z, round(_CUT * y), round(_CUT * x)), self.patch)
        if tuple(value.shape[1:4]) != trained:
            return value
        return stretched(value[0], cast(StudyTransformer, network).turned_grid).unsqueeze(0)
