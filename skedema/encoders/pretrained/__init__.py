"""Encoders that others have trained: published weights, each by a recipe, one a file.

A recipe says what a file of weights does not: how scans are read, which network it is, what its
weights are called, and under which licence they may be used.
"""

from __future__ import annotations

from skedema.encoders.pretrained._files import WeightsError
from skedema.encoders.pretrained._fitting import PretrainedWeightsError
from skedema.encoders.pretrained.catalogue import list_recipes, make_recipe, register_recipe
from skedema.encoders.pretrained.ct_fm import CTFM
from skedema.encoders.pretrained.encoder import PretrainedEncoder
from skedema.encoders.pretrained.fm_hct import FMHCT
from skedema.encoders.pretrained.hlip_head_ct import HLIPHeadCT
from skedema.encoders.pretrained.monai_weights import MonaiWeights
from skedema.encoders.pretrained.recipe import Recipe

register_recipe("fm_hct", FMHCT)
register_recipe("hlip_head_ct", HLIPHeadCT)
register_recipe("ct_fm", CTFM)
register_recipe("monai", MonaiWeights)

__all__ = [
    "CTFM",
    "FMHCT",
    "HLIPHeadCT",
    "MonaiWeights",
    "PretrainedEncoder",
    "PretrainedWeightsError",
    "Recipe",
    "WeightsError",
    "list_recipes",
    "make_recipe",
    "register_recipe",
]
