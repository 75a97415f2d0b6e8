from __future__ import annotations

import pytest
import torch

from skedema.modules.autoencoder_sizes import SIZES
from skedema.modules.masked_autoencoder import MaskedAutoencoder
from skedema.modules.standardize import Standardize

pytestmark = pytest.mark.numerical


@pytest.fixture
def volumes():
    return torch.rand(3, 2, 5, 4, 3, generator=torch.Generator().manual_seed(0))


def test_it_leaves_volumes_as_they_are_until_told(volumes):
    assert torch.equal(Standardize(2)(volumes), volumes)


def test_each_channel_is_shifted_and_scaled_and_back(volumes):
    standardize = Standardize(2)
    standardize.set([0.25, 0.5], [0.5, 2.0])
    seen = standardize(volumes)
    assert torch.allclose(seen[:, 0], (volumes[:, 0] - 0.25) / 0.5)
    assert torch.allclose(seen[:, 1], (volumes[:, 1] - 0.5) / 2.0)
    assert torch.allclose(standardize.invert(seen), volumes, atol=1e-6)


def test_the_figures_are_kept_with_the_weights_but_not_trained():
    standardize = Standardize(1)
    standardize.set([3.0], [2.0])
    other = Standardize(1)
    other.load_state_dict(standardize.state_dict())
    assert float(other(torch.full((1, 1, 1, 1, 1), 5.0))) == 1.0
    assert not list(standardize.parameters())


def test_the_autoencoder_sees_standardised_volumes_and_rebuilds_in_the_units_of_its_input():
    torch.manual_seed(0)
    model = MaskedAutoencoder(1, (8, 8, 8), SIZES["tiny"])
    volumes, noise = torch.rand(2, 1, 8, 8, 8), torch.rand(2, model.n_patches)
    features, rebuilt = model.features(volumes), model.reconstruct(volumes, noise)
    model.standardize.set([100.0], [20.0])
    in_hu = 100 + 20 * volumes
    assert torch.allclose(model.features(in_hu), features, atol=1e-4)
    assert torch.allclose(model.reconstruct(in_hu, noise), 100 + 20 * rebuilt, atol=1e-3)
