"""Published weights on a GPU, beside the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skedema import VolumeReader
from skedema.encoders import PretrainedEncoder
from skedema.encoders.pretrained import FMHCT, HLIPHeadCT

pytestmark = [pytest.mark.cuda, pytest.mark.filterwarnings("ignore:volume= reads scans otherwise")]

TINY = FMHCT(dim=48, depth=2, n_heads=4, patch=8, shape=16)
WINDOWS = ["brain", "subdural", "bone_wide"]
READER = VolumeReader(spacing=None, shape=16, windows=WINDOWS)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "fm_hct.pth"
    torch.save(TINY.state(TINY.build(in_channels=3, shape=(16, 16, 16))), path)
    return path


def encoder(weights, device, **parameters) -> PretrainedEncoder:
    given = {"recipe": TINY, "volume": READER, "device": device} | parameters
    return PretrainedEncoder(weights, **given).fit()


def test_features_are_those_of_the_cpu(weights, scans, gpu):
    expected = encoder(weights, "cpu").transform(scans)
    found = encoder(weights, gpu)
    assert_allclose(found.transform(scans), expected, rtol=1e-4, atol=1e-5)
    assert_allclose(
        found.set_params(dtype="bfloat16").transform(scans), expected, rtol=0.05, atol=0.05
    )
    assert {value.device.type for value in found.module_.state_dict().values()} == {"cpu"}


def test_a_study_of_windows_is_encoded_as_on_the_cpu(tmp_path, scans, gpu):
    small = HLIPHeadCT(dim=48, depth=4, n_heads=4, patch=(4, 8, 8), shape=(64, 64, 8))
    torch.manual_seed(0)
    network = small.build(in_channels=3, shape=(64, 64, 8))
    torch.save(small.state(network), tmp_path / "hlip.pt")
    reader = VolumeReader(spacing=None, shape=(64, 64, 8), windows=WINDOWS)
    given = {"recipe": small, "volume": reader}
    expected = encoder(tmp_path / "hlip.pt", "cpu", **given).transform(scans[:4])
    found = encoder(tmp_path / "hlip.pt", gpu, **given).transform(scans[:4])
    assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("fine_tune", [False, True])
def test_a_classifier_learns_on_the_gpu_what_it_learns_on_the_cpu(
    weights, patients, classifier, gpu, fine_tune
):
    X, y = patients
    found = []
    for device in ("cpu", gpu):
        given = encoder(weights, device)
        clf = classifier(encoder=given, fine_tune=fine_tune, device=device, mirror=False)
        found.append(clf.fit(X, y).predict_proba(X))
    assert np.isfinite(found[1]).all()
    assert_allclose(found[1], found[0], atol=2e-3)
