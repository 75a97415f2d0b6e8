from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from skedema import AttentionMixerClassifier, VolumeReader
from skedema.encoders import CNN

PAGE = (Path(__file__).parents[1] / "docs" / "scans.md").read_text(encoding="utf-8")
N = 12


def names_of_the_page() -> dict[str, object]:
    rng = np.random.default_rng(0)

    def scan() -> np.ndarray:
        return rng.normal(40, 10, (8, 8, 8))

    table = pd.DataFrame({"age": rng.normal(70, 9, N), "edema": [0, 1] * (N // 2)})
    two = pd.Series([[scan(), scan()] for _ in range(N)], dtype=object)
    return {
        "cohort": table.assign(scan=two),
        "pairs": table.assign(scan=two.str[0], follow_up=two.str[1]),
        "reader": VolumeReader(shape=8),
        "AttentionMixerClassifier": AttentionMixerClassifier,
        "CNN": lambda: CNN(width=4),
    }


def test_both_ways_to_use_two_scans_work():
    (section,) = re.findall(r"^## Several scans of a patient\n(.*?)^## ", PAGE, re.M | re.DOTALL)
    names = names_of_the_page()
    for example in re.findall(r"^```python\n(.*?)^```", section, re.M | re.DOTALL):
        exec(compile(example, "docs/scans.md", "exec"), names)
    assert len(names["X"]) == 2 * N
    assert np.isfinite(names["scores"]).all()
    for train, test in names["folds"].split(names["X"], names["y"], names["patient"]):
        assert not set(names["patient"][train]) & set(names["patient"][test])
    both = names["both"]
    assert set(both[-1].feature_names_in_) == {
        *(f"scanfeatures{k}" for k in range(4)),
        "age",
        "scan",
    }
    pairs = names["pairs"].drop(columns="edema")
    other = pairs.assign(follow_up=pairs["follow_up"].iloc[::-1].to_numpy())
    assert (both.predict_proba(other) != both.predict_proba(pairs)).any()


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
