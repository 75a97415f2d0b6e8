from __future__ import annotations

import pytest

from ._exam import exam, read_in_silence


@pytest.fixture
def whole(tmp_path):
    return read_in_silence(tmp_path / "whole", exam())
