"""A recipe of another package."""

from __future__ import annotations

from skedema import VolumeReader
from skedema.encoders.pretrained import Recipe
from third_party_plugins.encoder import SliceMeans


class OurMeans(Recipe):
    """Weights for the means of slices."""

    title = "means of slices"
    licence = "as one likes"
    citation = "nobody"
    source = "nowhere"
    pools = ("mean",)

    def reader(self):
        return VolumeReader(spacing=None, shape=6)

    def build(self, *, in_channels, shape):
        return SliceMeans().build(in_channels=in_channels, shape=shape)
