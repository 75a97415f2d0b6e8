"""How the scan and the clinical variables meet; one way a file, reached by name."""

from __future__ import annotations

from skedema.fusion.base import Fusion, list_fusions, make_fusion, register_fusion
from skedema.fusion.concat import Concat
from skedema.fusion.cross_attention import CrossAttention
from skedema.fusion.daft import DAFT
from skedema.fusion.film import FiLM
from skedema.fusion.gated import Gated
from skedema.fusion.hyperfusion import HyperFusion
from skedema.fusion.interactive import Interactive
from skedema.fusion.low_rank_tensor import LowRankTensor
from skedema.fusion.perceiver import Perceiver
from skedema.fusion.product_of_experts import ProductOfExperts
from skedema.fusion.self_attention import SelfAttention

register_fusion("cross_attention", CrossAttention)
register_fusion("concat", Concat)
register_fusion("gated", Gated)
register_fusion("film", FiLM)
register_fusion("daft", DAFT)
register_fusion("interactive", Interactive)
register_fusion("hyperfusion", HyperFusion)
register_fusion("low_rank_tensor", LowRankTensor)
register_fusion("self_attention", SelfAttention)
register_fusion("perceiver", Perceiver)
register_fusion("product_of_experts", ProductOfExperts)

__all__ = [
    "DAFT",
    "Concat",
    "CrossAttention",
    "FiLM",
    "Fusion",
    "Gated",
    "HyperFusion",
    "Interactive",
    "LowRankTensor",
    "Perceiver",
    "ProductOfExperts",
    "SelfAttention",
    "list_fusions",
    "make_fusion",
    "register_fusion",
]
