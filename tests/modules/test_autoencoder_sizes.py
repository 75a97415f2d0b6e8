from __future__ import annotations

import pytest
import torch

from skedema.modules.autoencoder_sizes import SIZES, AutoencoderSize
from skedema.modules.masked_autoencoder import MaskedAutoencoder


def test_base_is_the_reference():
    with torch.device("meta"):
        model = MaskedAutoencoder(1, (96, 96, 96), SIZES["base"])
    assert model.n_patches == 12**3
    assert model.n_shown == 432
    assert (len(model.blocks), len(model.decoder_blocks)) == (12, 8)
    assert (model.blocks[0].n_heads, model.decoder_blocks[0].n_heads) == (12, 16)
    assert model.decoder_predict.weight.shape == (512, 512)


@pytest.mark.parametrize("name", SIZES)
def test_named_sizes_build(name):
    with torch.device("meta"):
        MaskedAutoencoder(1, (64, 64, 64), SIZES[name])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dim": 25}, "dim must be even"),
        ({"n_heads": 5}, "n_heads=5 must divide dim=24"),
        ({"depth": 0}, "depth must be positive"),
        ({"patch": (8, 8)}, "patch must be three positive sides"),
        ({"patch": (8, 8, 0)}, "patch must be three positive sides"),
    ],
)
def test_impossible_sizes_are_refused(change, message):
    good = {
        "dim": 24,
        "depth": 1,
        "n_heads": 2,
        "decoder_dim": 16,
        "decoder_depth": 1,
        "decoder_heads": 2,
    }
    with pytest.raises(ValueError, match=message):
        AutoencoderSize(**(good | change))


@pytest.mark.parametrize(
    ("name", "shape", "patch"),
    [
        ("base", (96, 96, 96), (8, 8, 8)),
        ("small", (48, 48, 48), (12, 12, 12)),
        ("tiny", (96, 64, 18), (24, 16, 5)),
        ("tiny", (3, 3, 1), (1, 1, 1)),
    ],
)
def test_small_sizes_cut_any_volume_into_about_four_patches_a_side(name, shape, patch):
    assert SIZES[name].patch_for(shape) == patch
