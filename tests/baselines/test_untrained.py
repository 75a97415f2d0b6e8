from __future__ import annotations

import pytest
from sklearn.base import clone

from skedema.baselines import (
    Untrained,
)


def test_untrained_encoder_is_the_autoencoder_s_with_random_weights(make):
    encoder = Untrained(make.autoencoder(pool="cls"))
    module = encoder.build(in_channels=make.reader.n_channels, shape=(8, 8, 8))
    X, _ = make.patients()
    trained = make.autoencoder(pool="cls").fit(list(X["scan"].dropna())[:4]).network()
    shapes = {name: value.shape for name, value in trained.state_dict().items()}
    assert {name: value.shape for name, value in module.state_dict().items()} == shapes
    assert module.pool == "cls"
    assert clone(encoder).autoencoder.get_params()["patch"] == 4
    with pytest.raises(TypeError, match="must be a ViTAutoencoder"):
        Untrained("vit_ae").build(in_channels=1, shape=(8, 8, 8))
