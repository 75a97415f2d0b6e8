"""Networks of images on the slices of scans, on a GPU beside the CPU."""

from __future__ import annotations

import numpy as np
import pytest

from skedema import AttentionMixerClassifier, VolumeReader
from skedema.encoders import SliceEncoder

pytestmark = pytest.mark.cuda

READER = VolumeReader(spacing=8, shape=(16, 16, 6), windows=["brain", "subdural", "bone"])
NORM = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


@pytest.fixture(params=["transformers", "timm"])
def backbone(request, tmp_path):
    if request.param == "timm":
        try:
            import timm
        except (ImportError, RuntimeError) as error:  # a torchvision of another torch
            pytest.skip(f"timm cannot be imported: {error}")
        assert timm.is_model("test_vit")
        return {"backbone": "timm:test_vit", "weights": "random"}
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    transformers.Dinov2Config(**sizes, image_size=56, patch_size=14).save_pretrained(tmp_path)
    return {"backbone": tmp_path, "weights": "random", **NORM}


@pytest.mark.parametrize("pool", ["mean", "max", "slices"])
def test_features_are_those_of_the_cpu(backbone, gpu, scans, pool):
    here, there = (
        SliceEncoder(**backbone, volume=READER, pool=pool, device=device).fit().transform(scans[:4])
        for device in ("cpu", gpu)
    )
    np.testing.assert_allclose(there, here, rtol=1e-3, atol=1e-4 * np.abs(here).max())
    coarse = SliceEncoder(**backbone, volume=READER, pool=pool, device=gpu, dtype="bfloat16")
    found = coarse.fit().transform(scans[:4])
    assert found.dtype == np.float32
    assert np.corrcoef(found.ravel(), here.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("fine_tune", [False, True])
@pytest.mark.parametrize("pool", ["mean", "attention"])
def test_a_classifier_learns_with_it(backbone, gpu, patients, pool, fine_tune):
    X, y = patients
    encoder = SliceEncoder(**backbone, volume=READER, pool=pool)
    quick = {"image": "scan", "max_epochs": 3, "batch_size": 8, "dim": 16, "random_state": 0}
    clf = AttentionMixerClassifier(encoder=encoder, fine_tune=fine_tune, device=gpu, **quick)
    found = clf.fit(X, y).predict_proba(X)
    assert found.sum(axis=1) == pytest.approx(1)
    clf.set_params(device="cpu")
    if not fine_tune:
        clf.encoder_.set_params(device="cpu")
    np.testing.assert_allclose(clf.predict_proba(X), found, atol=1e-3)
