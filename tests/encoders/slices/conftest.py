from __future__ import annotations

from collections.abc import Iterator

import pytest
from torch import nn


@pytest.fixture(autouse=True, scope="module")
def _torch_as_it_was() -> Iterator[None]:
    """Take off what transformers gives torch's modules where a test makes networks itself."""
    own = set(vars(nn.Module))
    yield
    for name in set(vars(nn.Module)) - own:
        delattr(nn.Module, name)
