from __future__ import annotations

import pytest
import torch
from numpy.testing import assert_allclose

from skedema import VolumeReader
from skedema.encoders.pretrained import MonaiWeights, PretrainedEncoder, PretrainedWeightsError

from ._tiny import heads, saved

pytest.importorskip("monai")

READER = VolumeReader(spacing=2.5, shape=16)


def network_of_monai():
    from monai.networks.nets import resnet10

    torch.manual_seed(0)
    network = resnet10(n_input_channels=1, num_classes=6, widen_factor=0.125)
    with torch.no_grad():
        for _ in range(2):
            network(torch.rand(2, 1, 16, 16, 16))
    return network.eval()


@pytest.mark.numerical
def test_features_are_what_the_network_gives_with_the_statistics_it_learned(tmp_path):
    theirs = network_of_monai()
    path = saved({"state_dict": theirs.state_dict()}, tmp_path)
    recipe = MonaiWeights("resnet10", dim=6, arguments={"widen_factor": 0.125})
    encoder = PretrainedEncoder(path, recipe=recipe, volume=READER).fit()
    scans = heads(2)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(READER.transform(scans)))
        assert_allclose(encoder.transform(scans), expected, atol=1e-6)
        # A batch of one patient in training is as in evaluation.
        one = torch.from_numpy(READER.transform(scans[:1]))
        assert_allclose(encoder.network().train()(one)[:, 0], expected[:1], atol=1e-6)


def test_how_scans_are_read_has_to_be_said(tmp_path):
    path = saved(network_of_monai().state_dict(), tmp_path)
    recipe = MonaiWeights("resnet10", dim=6, arguments={"widen_factor": 0.125})
    with pytest.raises(ValueError, match=r"does not know how.*volume=VolumeReader"):
        PretrainedEncoder(path, recipe=recipe).fit()
    with pytest.raises(PretrainedWeightsError, match=r"fc\.weight \(6, 64\) instead of \(7, 64\)"):
        PretrainedEncoder(path, recipe=recipe.set_params(dim=7), volume=READER).fit()
