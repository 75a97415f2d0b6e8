from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from skedema import VolumeReader

PAGE = (Path(__file__).parents[1] / "docs" / "scans.md").read_text(encoding="utf-8")


def test_the_format_of_the_page_reads_a_scan(tmp_path):
    (example,) = re.findall(
        r"^### Another format\n.*?^```python\n(.*?)^```", PAGE, re.M | re.DOTALL
    )
    exec(compile(example, "docs/scans.md", "exec"), {"__name__": "page"})
    path = tmp_path / "scan.ct16"
    path.write_bytes(np.full(64 * 64 * 40, 60, "<i2").tobytes())
    volume = VolumeReader(shape=4).read(path)
    np.testing.assert_allclose(volume, 0.75, rtol=1e-6)  # a few roundings of 6e-8


def test_messages_name_a_section_that_is_there():
    from skedema.scans.errors import SEVERAL_SCANS

    page, section = re.search(r"\((docs/\S+), '(.*)'\)", SEVERAL_SCANS).groups()
    assert f"## {section}\n" in (Path(__file__).parents[1] / page).read_text(encoding="utf-8")
