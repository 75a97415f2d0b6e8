from __future__ import annotations

import pytest
import torch
from numpy.testing import assert_allclose

from skedema import VolumeReader
from skedema.encoders.pretrained import CTFM, PretrainedEncoder

from ._tiny import heads, saved

pytest.importorskip("monai")

SMALL = CTFM(blocks_down=(1, 2), init_filters=8, patch=(8, 16, 16), shape=(32, 32, 16))


def network_of_monai(seed: int = 0):
    """Make the published network small, with statistics that were learned."""
    from monai.networks.nets.segresnet_ds import SegResEncoder

    torch.manual_seed(seed)
    network = SegResEncoder(init_filters=8, blocks_down=(1, 2)).train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(2, 1, 8, 16, 16))
    return network.eval()


@pytest.mark.numerical
def test_features_are_those_of_monais_network_on_patches(tmp_path):
    theirs = network_of_monai()
    state = {f"encoder.{key}": value for key, value in theirs.state_dict().items()}
    encoder = PretrainedEncoder(saved(state, tmp_path), recipe=SMALL).fit()
    assert all(key.endswith("num_batches_tracked") for key in encoder.weights_report_.ignored)
    scans = heads(2)
    volumes = torch.from_numpy(encoder.volume_.transform(scans))
    # Slices from below, rows from the front back, columns from right to left.
    spl = volumes.flip(2).flip(3).permute(0, 1, 4, 3, 2)
    vectors = torch.empty(2, 2, 2, 2, 16)
    with torch.no_grad():
        for i, j, k in torch.cartesian_prod(*[torch.arange(2)] * 3).tolist():
            patch = spl[:, :, 8 * i : 8 * i + 8, 16 * j : 16 * j + 16, 16 * k : 16 * k + 16]
            vectors[:, i, j, k] = theirs(patch)[-1].mean(dim=(2, 3, 4))
    assert_allclose(encoder.transform(scans), vectors.mean(dim=(1, 2, 3)), atol=1e-6)
    tokens = encoder.network(pool="tokens")
    assert tokens.grid == (2, 2, 2)
    on_ras = vectors.permute(0, 3, 2, 1, 4).flip(1).flip(2).reshape(2, 8, 16)
    with torch.no_grad():
        assert_allclose(tokens(volumes), on_ras, atol=1e-6)
        assert_allclose(tokens.train()(volumes), on_ras, atol=1e-6)


def test_the_published_network_has_its_names_and_sizes():
    with torch.device("meta"):
        network = CTFM().build(in_channels=1, shape=(256, 256, 72))
    state = CTFM().state(network)
    n_statistics = sum(key.endswith("running_mean") for key in state)
    assert len(state) + n_statistics == 161  # the file counts batches besides
    assert sum(each.numel() for each in network.parameters()) == 77_760_992
    assert network.grid == (2, 2, 3)
    assert {"conv_init.weight", "layers.3.downsample.weight"} < set(state)
    assert "layers.4.blocks.3.norm2.running_var" in state


def test_scans_are_read_as_the_authors_do():
    given = CTFM().reader().get_params()
    plain = VolumeReader().get_params()
    assert {name: value for name, value in given.items() if value != plain[name]} == {
        "axes": "scan",
        "crop": "foreground",
        "windows": (3072, 512),
        "spacing": (1, 1, 3),
        "shape": (256, 256, 72),
    }


def test_a_layer_is_a_level():
    network = SMALL.build(in_channels=1, shape=SMALL.shape)
    listed = [id(each) for layer in network.layers() for each in layer]
    assert len(network.layers()) == 3
    assert sorted(listed) == sorted(map(id, network.parameters()))
    with pytest.raises(ValueError, match="do not fill a volume"):
        SMALL.build(in_channels=1, shape=(32, 32, 12))
