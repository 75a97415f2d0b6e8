"""The benchmark of pre-training hides and compares what it says."""

from __future__ import annotations

import numpy as np
import torch
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA

from benchmarks.pretraining_worth import OtherSide, components, untrained
from skedema import ViTAutoencoder, VolumeReader
from skedema.modules.autoencoder_sizes import SIZES


def test_of_a_patch_and_its_mirror_partner_one_is_shown():
    module = OtherSide(1, (16, 12, 8), SIZES["tiny"], mask_ratio=0.5)
    noise = torch.rand(3, module.n_patches)
    _, shown = module.encode_shown(torch.rand(3, 1, 16, 12, 8), noise)
    hidden = module.mask(shown).reshape(3, *module.patches.grid)
    assert torch.equal(hidden.flip(1), 1 - hidden)
    assert not torch.equal(hidden[0], hidden[1])


def test_components_are_those_of_the_training_part():
    rows = np.random.default_rng(0).normal(size=(20, 50))
    train = np.arange(12)
    expected = PCA(4).fit(rows[train]).transform(rows)
    found = components(rows @ rows.T, train, 4)
    assert_allclose(np.abs(found), np.abs(expected), rtol=1e-6, atol=1e-9)


def test_the_untrained_network_is_where_training_began_and_scales_voxels_alike():
    scans = [np.random.default_rng(k).normal(35, 8, (16, 16, 16)) for k in range(4)]
    how = {"size": "tiny", "patch": 8, "volume": VolumeReader(shape=16), "random_state": 3}
    trained, initial = (ViTAutoencoder(max_epochs=n, **how).fit(scans) for n in (1, 0))
    network = untrained(trained)
    scale = trained.module_.standardize.state_dict()
    for name, value in network.module_.standardize.state_dict().items():
        assert torch.equal(value, scale[name])
    pairs = zip(network.module_.parameters(), initial.module_.parameters(), strict=True)
    assert all(torch.equal(weight, other) for weight, other in pairs)
    assert not np.array_equal(network.transform(scans), trained.transform(scans))
