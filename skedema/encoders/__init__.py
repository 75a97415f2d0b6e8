"""Image backbones; one architecture a file, reached by name.

An encoder is hyper-parameters only. Its ``build(in_channels=C, shape=(X, Y, Z))`` makes a torch
module that turns volumes ``(B, C, X, Y, Z)`` into features ``(B, tokens, dim)``. Any scikit-learn
transformer from scans to features is an encoder as well, and a list of these is one: their
features side by side, each a token of the scan.
"""

from __future__ import annotations

from skedema.encoders.base import Encoder, is_transformer
from skedema.encoders.catalogue import list_encoders, make_encoder, register_encoder
from skedema.encoders.cnn import CNN
from skedema.encoders.density import Density
from skedema.encoders.mirrored_tokens import MirroredTokens
from skedema.encoders.monai import MonaiEncoder
from skedema.encoders.pretrained import PretrainedEncoder
from skedema.encoders.slices import SliceEncoder
from skedema.encoders.union import EncoderUnion
from skedema.encoders.vit import ViT

register_encoder("cnn", CNN)
register_encoder("density", Density)
register_encoder("mirrored_tokens", MirroredTokens)
register_encoder("vit", ViT)

__all__ = [
    "CNN",
    "Density",
    "Encoder",
    "EncoderUnion",
    "MirroredTokens",
    "MonaiEncoder",
    "PretrainedEncoder",
    "SliceEncoder",
    "ViT",
    "is_transformer",
    "list_encoders",
    "make_encoder",
    "register_encoder",
]
