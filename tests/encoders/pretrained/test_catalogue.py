from __future__ import annotations

import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from skedema.encoders.pretrained import FMHCT, list_recipes, make_recipe, register_recipe


def test_names_lead_to_recipes_that_tell_what_they_are():
    assert set(list_recipes()) >= {"ct_fm", "fm_hct", "hlip_head_ct", "monai"}
    for name in list_recipes():
        summary = make_recipe(name).summary()
        for line in ("weights: ", "source: ", "licence: ", "citation: ", "scans: "):
            assert f"{line}" in summary
    with pytest.raises(ValueError, match="Did you mean 'fm_hct'"):
        make_recipe("fmhct")
    with pytest.raises(TypeError, match="recipe=FMHCT is a class"):
        make_recipe(FMHCT)


def test_a_recipe_of_ones_own():
    register_recipe("larger", lambda: FMHCT(shape=120))
    assert make_recipe("larger").shape == 120


def test_the_entry_point_leads_to_the_recipe_of_saved_autoencoders():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))
    module, _, name = project["project"]["entry-points"]["skedema.recipes"]["vit_ae"].partition(":")
    register_recipe("by_hand", getattr(import_module(module), name))
    assert make_recipe("by_hand").pools == ("mean", "cls", "patches")
