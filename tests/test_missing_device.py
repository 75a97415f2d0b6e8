from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from skedema import AttentionMixerClassifier, ViTAutoencoder
from skedema._device import find_device
from skedema.baselines import ScanFeatures

X = pd.DataFrame({"scan": ["not/there.nii"] * 4, "age": [61.0, 70.0, 55.0, 82.0]})
Y = np.array([0, 1, 0, 1])
MISSING = ["cuda:99", torch.device("cuda", 99), "mps", "meta", "xla", "hpu", "vulkan"]
UNKNOWN = ["cud", "gpu", "cuda:-1", "cuda:", "CUDA", "cpu:x", "", "0", "auto "]


@pytest.mark.parametrize("device", ["auto", "cpu", "cpu:0", torch.device("cpu")])
def test_devices_that_are_there(device):
    assert find_device(device).type in ("cpu", "cuda")


@pytest.mark.parametrize("device", MISSING)
def test_a_device_that_is_not_there_is_refused_with_a_remedy(device):
    if str(device) == "mps" and torch.backends.mps.is_available():
        pytest.skip("there is one")
    with pytest.raises(
        ValueError, match=f"device='{device}' is not on this machine.* 'cpu'"
    ) as caught:
        find_device(device)
    assert len(str(caught.value)) < 250


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:7", torch.device("cuda")])
def test_no_cuda_device(device):
    with pytest.raises(ValueError, match="of 'cuda' torch finds none"):
        find_device(device)


@pytest.mark.parametrize("device", UNKNOWN)
def test_what_is_no_device_is_refused(device):
    with pytest.raises(ValueError, match="is no torch device; give 'auto', 'cpu', 'cuda'"):
        find_device(device)


@pytest.mark.parametrize("device", ["cuda:99", "mps", "gpu"])
def test_it_is_refused_before_anything_is_read(device):
    # The scans are not there, which would be told if they were looked for.
    estimators = [
        AttentionMixerClassifier(image="scan", device=device),
        ScanFeatures(image="scan", device=device),
    ]
    for estimator in estimators:
        with pytest.raises(ValueError, match=f"device='{device}'"):
            estimator.fit(X, Y)
    autoencoder = ViTAutoencoder(device=device)
    for call in (autoencoder.fit, autoencoder.partial_fit, autoencoder.estimate):
        with pytest.raises(ValueError, match=f"device='{device}'"):
            call(X["scan"])
