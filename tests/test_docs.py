from __future__ import annotations

import re
import tomllib
from pathlib import Path

from skedema.encoders import catalogue as encoders
from skedema.encoders import list_encoders
from skedema.fusion import base as fusion
from skedema.fusion import list_fusions
from skedema.refiners import base as refiners
from skedema.refiners import list_refiners

PAGE = (Path(__file__).parents[1] / "docs" / "encoders.md").read_text(encoding="utf-8")
REGISTRIES = [encoders._ENCODERS, fusion._FUSIONS, refiners._REFINERS]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_examples_of_the_encoder_page_run_one_after_the_other(capsys):
    examples = blocks("python")
    assert len(examples) == 3
    names = {"__name__": "encoders_page"}
    for number, example in enumerate(examples):
        exec(compile(example, f"docs/encoders.md, example {number + 1}", "exec"), names)
    shape, score = capsys.readouterr().out.splitlines()
    assert shape == "(20, 2) 4"
    assert 0 <= float(score) <= 1
    assert "coarse" in list_encoders()
    assert type(names["clf"].net_.module_.fusion).__name__ == "ProductModule"


def test_entry_points_of_the_encoder_page_are_of_the_groups_that_are_read():
    groups = {registry.group for registry in REGISTRIES}
    (snippet,) = blocks("toml")
    assert set(tomllib.loads(snippet)["project"]["entry-points"]) <= groups
    assert all(f"`{group}`" in PAGE or f'"{group}"' in PAGE for group in groups)


def test_encoder_page_has_a_row_for_every_name():
    for name in list_encoders():
        assert re.search(rf'^\| `"{name}"` \|', PAGE, re.MULTILINE), name
    for kind, names in (("fusion", list_fusions()), ("refiner", list_refiners())):
        for name in names:
            assert f'| `{kind}="{name}"` |' in PAGE, name
