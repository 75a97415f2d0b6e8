from __future__ import annotations

import re

import pytest
from torch import nn

from skedema.fusion import (
    Concat,
    CrossAttention,
    list_fusions,
    make_fusion,
    register_fusion,
)

pytestmark = pytest.mark.numerical


def test_the_names_of_the_package_are_there():
    assert {"cross_attention", "concat"} <= set(list_fusions())
    assert isinstance(make_fusion("cross_attention"), CrossAttention)
    assert isinstance(make_fusion("concat"), Concat)


def test_registered_fusion_is_reached_by_name():
    register_fusion("per_token", lambda: CrossAttention(query="tokens"))
    assert "per_token" in list_fusions()
    assert make_fusion("per_token").query == "tokens"
    with pytest.raises(ValueError, match="The fusion 'concat' exists already"):
        register_fusion("concat", CrossAttention)
    register_fusion("wrong", nn.Identity)
    with pytest.raises(TypeError, match="fusion 'wrong' was registered, but"):
        make_fusion("wrong")


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("conct", ValueError, "Unknown fusion 'conct'. Did you mean 'concat'?"),
        (Concat, TypeError, "give an object: fusion=Concat()"),
        (nn.Identity(), TypeError, "fusion is a live torch module (Identity)"),
        (None, TypeError, "fusion must be one of the names"),
    ],
)
def test_anything_else_is_refused(given, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make_fusion(given)
