from __future__ import annotations

import pytest

from skedema.modules.mixer import MixerLayer
from skedema.refiners import Mixer

pytestmark = pytest.mark.numerical


@pytest.mark.parametrize("depth", [1, 4])
def test_depth_is_the_number_of_mixer_layers(depth):
    module = Mixer(expansion=3.0).build(dim=8, n_tokens=5, depth=depth, dropout=0.0)
    layers = [layer for layer in module if isinstance(layer, MixerLayer)]
    assert len(layers) == len(module) == depth
    assert layers[0].channel_mlp[0].out_features == 24
    assert layers[0].token_mlp[0].out_features == 15


@pytest.mark.parametrize("expansion", [0, -1.0, float("nan")])
def test_expansion_has_to_be_positive(expansion):
    with pytest.raises(ValueError, match="expansion must be above 0"):
        Mixer(expansion=expansion).build(dim=8, n_tokens=5, depth=1, dropout=0.0)
