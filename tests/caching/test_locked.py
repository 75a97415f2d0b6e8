from __future__ import annotations

import sys

import pytest

from skedema._caching.locked import lock

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no such locks there")


def test_one_has_it_until_its_file_is_closed(tmp_path):
    path = tmp_path / "file"
    with open(path, "wb") as first, open(path, "r+b") as second:
        assert lock(first.fileno(), wait=False)
        assert not lock(second.fileno(), wait=False)
        first.close()
        assert lock(second.fileno(), wait=True)
