"""Networks of images, from timm and transformers, on the slices of a scan."""

from __future__ import annotations

from skedema.encoders.slices.encoder import SliceEncoder

__all__ = ["SliceEncoder"]
