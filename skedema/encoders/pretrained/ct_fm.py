"""CT-FM: an open foundation model of CT of the whole body."""

from __future__ import annotations

from torch import nn

from skedema._extras import how_to_install
from skedema.encoders.monai import with_fixed_batch_norm
from skedema.encoders.pretrained.recipe import Recipe
from skedema.modules.patchwise import Patchwise
from skedema.scans import VolumeReader

_AXES = "SPL"


class CTFM(Recipe):
    """CT-FM: the encoder of a SegResNet, pre-trained on 148,000 CTs; ``recipe="ct_fm"``.

    Pai et al., "Vision foundation models for computed tomography" (arXiv 2501.09001); facts of the
    network and of its scans from the repository project-lighter/CT-FM at f58c89a. The weights are
    the folder of ``project-lighter/ct_fm_feature_extractor`` on Hugging Face, downloaded
    beforehand. Few of its scans are heads: with 150 to 400 labelled head CTs it was no better than
    random weights in the authors' own runs.

    Scans are read as the authors' script for features does it: axes permuted and flipped, 1 mm in
    plane and 3 mm between slices, the box of all voxels above 0 HU, -1024 to 2048 HU. The network
    sees patches of 24 slices of 128 x 128 voxels, each by itself. Here they come from a grid of one
    size around the middle of that box, so that patches may hold air, and what of a wide table or a
    long neck lies beyond 256 x 256 x 216 mm is not seen (`shape` is how much is). Where voxels
    get larger they are averaged; the script, linear as well, skips some. Needs MONAI.

    Parameters
    ----------
    blocks_down : tuple of int
        Blocks of each level.
    init_filters : int
        Width of the first level; each other one is twice as wide as the one before.
    patch : tuple of 3 int
        Voxels of a patch: slices, then rows and columns.
    shape : tuple of 3 int
        Voxels (X, Y, Z) of a volume.

    Examples
    --------
    >>> from skedema.encoders.pretrained import CTFM
    >>> print(CTFM().summary().splitlines()[2])
    licence: Apache-2.0 (weights), MIT (code)
    """

    title = "CT-FM, a foundation model of CT (Harvard, Mass General Brigham)"
    licence = "Apache-2.0 (weights), MIT (code)"
    citation = "Pai et al., arXiv 2501.09001"
    source = "https://huggingface.co/project-lighter/ct_fm_feature_extractor"
    pools = ("mean", "patches")
    telltale = "conv_init.weight"
    dropped = ("*.num_batches_tracked", "decoder.*", "projection_head.*")
    renamed = (("network.", ""),)
    remedies = (
        (
            r"conv_init\.weight \(",
            "The shape is (init_filters, channels, 3, 3, 3): give recipe=CTFM(init_filters=...), "
            "or one window if volume= has others.",
        ),
        (
            r"layers\.\d+\.",
            "Levels and blocks are those of recipe=CTFM(blocks_down=(...)); the published ones "
            "stand in the config.json beside the weights.",
        ),
    )

    def __init__(
        self,
        *,
        blocks_down: tuple[int, ...] = (1, 2, 2, 4, 4),
        init_filters: int = 32,
        patch: tuple[int, int, int] = (24, 128, 128),
        shape: tuple[int, int, int] = (256, 256, 72),
    ) -> None:
        self.blocks_down = blocks_down
        self.init_filters = init_filters
        self.patch = patch
        self.shape = shape

    def reader(self) -> VolumeReader:
        return VolumeReader(
            axes="scan",
            crop="foreground",
            windows=(3072, 512),
            spacing=(1, 1, 3),
            shape=self.shape,
        )

    def build(self, *, in_channels: int, shape: tuple[int, int, int]) -> nn.Module:
        try:
            from monai.networks.nets.segresnet_ds import SegResEncoder
        except ImportError as error:
            raise ImportError(f"recipe='ct_fm' needs MONAI: {how_to_install('monai')}.") from error
        network = SegResEncoder(
            in_channels=in_channels,
            init_filters=self.init_filters,
            blocks_down=tuple(self.blocks_down),
            norm="batch",
        )
        first, second, third = self.patch
        return Patchwise(with_fixed_batch_norm(network), shape, (first, second, third), _AXES)
