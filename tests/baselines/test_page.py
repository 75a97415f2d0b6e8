"""The page on baselines runs as a reader would run it, and names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from skedema.baselines import ablations, missing_arms
from skedema.evaluation._gaps import PATTERNS
from skedema.fusion import CrossAttention

PAGE = (Path(__file__).parents[2] / "docs" / "baselines.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_examples_of_the_page_run_one_after_the_other():
    examples = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(examples) == 5
    names = {"__name__": "baselines_page"}
    for number, example in enumerate(examples):
        quick = example.replace('size="tiny"', 'size="tiny", depth=1, max_epochs=2')
        quick = quick.replace("fine_tune=False", "fine_tune=False, max_epochs=5")
        exec(compile(quick, f"docs/baselines.md, example {number + 1}", "exec"), names)
    assert set(names["curve"]["estimator"]) == set(names["arms"])
    for name in (*names["models"], *names["parts"]):
        known = "fusion, <name>" if name.startswith("fusion, ") else name
        assert name == "AttentionMixer" or f"`{known}`" in PAGE, name


def test_page_names_all_ablations_arms_and_patterns(make):
    frozen = make.classifier(encoder=make.autoencoder(), fine_tune=False, modality_dropout=0.1)
    tokens = make.classifier(fusion=CrossAttention(query="tokens"))
    trained = make.classifier(encoder=make.autoencoder())
    for clf in (frozen, tokens, trained, make.classifier()):
        for name in ablations(clf):
            assert f"`{name}`" in PAGE, name
        for name in missing_arms(clf):
            assert name in PAGE, name
    for pattern in PATTERNS:
        assert f'`"{pattern}"`' in PAGE, pattern
