from __future__ import annotations

import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.base import clone

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


def test_a_last_layer_that_is_there_or_not_and_the_remedy(tmp_path):
    whole = network_of_monai().state_dict()
    bare = {key: value for key, value in whole.items() if not key.startswith("fc.")}
    small = {"widen_factor": 0.125}
    for state, arguments in ((bare, small), (whole, small | {"feed_forward": False})):
        recipe = MonaiWeights("resnet10", dim=6, arguments=arguments)
        with pytest.raises(PretrainedWeightsError, match=r"\{\"feed_forward\": False\}, for files"):
            PretrainedEncoder(saved(state, tmp_path), recipe=recipe, volume=READER).fit()
    encoder = PretrainedEncoder(saved(bare, tmp_path), recipe=recipe, volume=READER).fit()
    assert encoder.transform(heads(1)).shape == (1, 64)


def test_other_windows_than_in_training_and_the_remedy(tmp_path):
    path = saved(network_of_monai().state_dict(), tmp_path)
    recipe = MonaiWeights("resnet10", dim=6, arguments={"widen_factor": 0.125})
    two = clone(READER).set_params(windows=["brain", "bone"])
    with pytest.raises(PretrainedWeightsError, match=r"as many windows as in training"):
        PretrainedEncoder(path, recipe=recipe, volume=two).fit()


def test_a_vit_of_monai_is_not_taken_for_that_of_fm_hct(tmp_path):
    state = {"patch_embedding.position_embeddings": torch.zeros(1, 8, 24)}
    with pytest.raises(PretrainedWeightsError) as raised:
        PretrainedEncoder(
            saved(state, tmp_path), recipe=MonaiWeights("resnet10"), volume=READER
        ).fit()
    assert "fm_hct" not in str(raised.value)
