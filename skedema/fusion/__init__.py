"""How the scan and the clinical variables meet; one way a file, reached by name."""

from __future__ import annotations

from skedema.fusion.base import Fusion, list_fusions, make_fusion, register_fusion
from skedema.fusion.concat import Concat
from skedema.fusion.cross_attention import CrossAttention

register_fusion("cross_attention", CrossAttention)
register_fusion("concat", Concat)

__all__ = [
    "Concat",
    "CrossAttention",
    "Fusion",
    "list_fusions",
    "make_fusion",
    "register_fusion",
]
