from __future__ import annotations

import json
import re
import tomllib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.base import clone

import skedema
from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema.datasets import make_head_ct_cohort
from skedema.encoders import CNN, MonaiEncoder, list_encoders
from skedema.encoders import catalogue as encoders
from skedema.encoders.pretrained import CTFM, FMHCT, HLIPHeadCT, Recipe, list_recipes
from skedema.encoders.pretrained.recipe import RECIPES
from skedema.fusion import base as fusion
from skedema.fusion import list_fusions
from skedema.persistence._recipe import SavedAutoencoder
from skedema.refiners import base as refiners
from skedema.refiners import list_refiners

WHOLE = (Path(__file__).parents[1] / "docs" / "encoders.md").read_text(encoding="utf-8")
# What needs files is run by tests of its own.
PUBLISHED, SLICES = (
    re.search(rf"^## {title}\n.*?(?=^## )", WHOLE, re.M | re.DOTALL)[0]
    for title in ("Published weights", "Networks of images on slices")
)
PAGE = WHOLE.replace(PUBLISHED, "").replace(SLICES, "")
REGISTRIES = [encoders._ENCODERS, fusion._FUSIONS, refiners._REFINERS]


def blocks(language: str, page: str = PAGE) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def test_examples_of_the_encoder_page_run_one_after_the_other(capsys):
    examples = blocks("python")
    assert len(examples) == 4
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


SMALL = {
    "fm_hct": FMHCT(dim=24, depth=1, n_heads=2, patch=8, shape=16),
    "hlip_head_ct": HLIPHeadCT(dim=24, depth=3, n_heads=2, patch=(4, 8, 8), shape=(64, 64, 8)),
    "ct_fm": CTFM(blocks_down=(1, 1), init_filters=8, patch=(8, 16, 16), shape=(32, 32, 16)),
}


def make_files_of_the_page(folder: Path) -> None:
    """Write what the page reads: a table, and files of weights of tiny networks."""
    cohort = make_head_ct_cohort(12, folder, shape=[20] * 3, spacing=[9] * 3, random_state=0)
    table = cohort.frame[["scan", "age"]].assign(edema=np.tile([0, 1], 6))
    table.to_csv(folder / "cohort.csv", index=False)
    torch.manual_seed(0)
    for name, file in (
        ("fm_hct", "model_weights.pth"),
        ("hlip_head_ct", "headct_clip_vit_base_multiscan_h2_token1176.pt"),
    ):
        torch.save(weights_of(SMALL[name]), folder / file)
    open_weights = folder / "ct_fm_feature_extractor"
    open_weights.mkdir()
    save_file(weights_of(SMALL["ct_fm"]), open_weights / "model.safetensors")
    sizes = {"blocks_down": [1, 1], "init_filters": 8, "in_channels": 1}
    (open_weights / "config.json").write_text(json.dumps(sizes), encoding="utf-8")
    arguments = {"widen_factor": 0.25}
    resnet = MonaiEncoder("resnet10", dim=128, arguments=arguments)
    torch.save(resnet.network(in_channels=2, shape=(32,) * 3).state_dict(), folder / "resnet10.pth")
    sizes = {"size": "tiny", "max_epochs": 0, "random_state": 0}
    autoencoder = ViTAutoencoder(**sizes, volume=VolumeReader(spacing=13, shape=16))
    skedema.save(autoencoder.fit(list(cohort.frame["scan"])), folder / "autoencoder.skedema")
    cnn = CNN(width=4, depth=2).build(in_channels=1, shape=(32,) * 3)
    state = cnn.state_dict()
    renamed = {key.replace("blocks.", "features."): value for key, value in state.items()}
    torch.save(renamed, folder / "our_cnn.pth")


def weights_of(recipe: Recipe) -> dict[str, torch.Tensor]:
    reader = recipe.reader()
    network = recipe.build(in_channels=reader.n_channels, shape=reader.settings().shape)
    return {key: value.contiguous() for key, value in recipe.state(network).items()}


@pytest.mark.slow
# Heads of so few voxels, and two epochs of a few patients.
@pytest.mark.filterwarnings("ignore:.*not in HU:UserWarning")
def test_every_recipe_of_the_page_goes_from_a_file_to_features(tmp_path, monkeypatch, capsys):
    pytest.importorskip("monai")
    monkeypatch.chdir(tmp_path)
    small = {name: partial(clone, recipe) for name, recipe in SMALL.items()}
    # The last one is an entry point of this package, which an older installation has not.
    small = {**RECIPES._factories, **small, "vit_ae": SavedAutoencoder}
    monkeypatch.setattr(RECIPES, "_factories", small)
    make_files_of_the_page(tmp_path)
    names: dict[str, object] = {"__name__": "encoders_page"}
    shapes = []
    for number, example in enumerate(blocks("python", PUBLISHED)):
        exec(compile(example, f"docs/encoders.md, published {number + 1}", "exec"), names)
        shapes.append(names["features"].shape)
    assert shapes == [(12, 24)] * 3 + [(12, 16), (12, 128), (12, 96), (12, 96), (12, 8)]
    told = capsys.readouterr().out
    assert "17 keys loaded, 0 left out by name" in told
    assert names["fm_hct"].origin_["sha256"] in told
    assert names["volume"].shape == (3, 16, 16, 16)


def test_the_page_has_a_row_for_every_recipe_and_the_group_of_their_names():
    for name in {*list_recipes(), "vit_ae"} - {"our_cnn"}:
        assert re.search(rf'^\| `"{name}"` \|', PUBLISHED, re.MULTILINE), name
    for recipe in SMALL.values():
        assert recipe.licence.partition(" (")[0] in PUBLISHED
    (snippet,) = blocks("toml", PUBLISHED)
    assert list(tomllib.loads(snippet)["project"]["entry-points"]) == [RECIPES.group]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*not in HU:UserWarning")  # heads of so few voxels
def test_slices_of_the_page_go_through_a_network_of_images(tmp_path, monkeypatch):
    transformers = pytest.importorskip("transformers")
    monkeypatch.chdir(tmp_path)
    cohort = make_head_ct_cohort(12, tmp_path, shape=[20] * 3, spacing=[9] * 3, random_state=0)
    sizes = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.Dinov2Config(**sizes, image_size=28, patch_size=14)
    torch.manual_seed(0)
    transformers.Dinov2Model(config).save_pretrained("dinov2-small")
    told = {"image_mean": [0.5] * 3, "image_std": [0.2] * 3}
    told["crop_size"] = {"height": 28, "width": 28}
    (tmp_path / "dinov2-small" / "preprocessor_config.json").write_text(json.dumps(told))
    names = {
        "AttentionMixerClassifier": AttentionMixerClassifier,
        "X": cohort.frame[["scan", "age"]],
        "y": np.tile([0, 1], 6),
    }
    (example,) = blocks("python", SLICES)
    exec(compile(example, "docs/encoders.md, slices", "exec"), names)
    assert names["features"].shape == (12, 24)
    assert names["clf"].predict_proba(names["X"]).shape == (12, 2)
