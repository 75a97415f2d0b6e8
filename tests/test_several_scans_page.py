from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from skedema import AttentionMixerClassifier, VolumeReader
from skedema.encoders import CNN

PAGE = (Path(__file__).parents[1] / "docs" / "several-scans.md").read_text(encoding="utf-8")
N = 12


def names_of_the_page() -> dict[str, object]:
    rng = np.random.default_rng(0)

    def scan() -> np.ndarray:
        return rng.normal(40, 10, (8, 8, 8))

    table = pd.DataFrame({"age": rng.normal(70, 9, N), "edema": [0, 1] * (N // 2)})
    two = pd.Series([[scan(), scan()] for _ in range(N)], dtype=object)
    return {
        "cohort": table.assign(scan=two),
        "pairs": table.assign(baseline=two.str[0], followup=two.str[1]),
        "reader": VolumeReader(shape=8),
        "AttentionMixerClassifier": AttentionMixerClassifier,
        "CNN": lambda: CNN(width=4),
    }


def test_the_examples_of_the_page_run_one_after_the_other():
    names = names_of_the_page()
    for example in re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.DOTALL):
        exec(compile(example, "docs/several-scans.md", "exec"), names)
    pairs = names["pairs"].drop(columns="edema")
    other = pairs.assign(baseline=pairs["baseline"].iloc[::-1].to_numpy())
    both, one = names["clf"], names["one"]
    assert (both.predict_proba(other) != both.predict_proba(pairs)).any()
    np.testing.assert_array_equal(one.predict_proba(other), one.predict_proba(pairs))
    assert len(names["X"]) == 2 * N
    assert np.isfinite(names["scores"]).all()
    for train, test in names["folds"].split(names["X"], names["y"], names["patient"]):
        assert not set(names["patient"][train]) & set(names["patient"][test])
