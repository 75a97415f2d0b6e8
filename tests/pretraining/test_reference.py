"""The reference implementation's golden numbers (see tests/data) through the estimator."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skedema import ViTAutoencoder, VolumeReader

pytestmark = pytest.mark.numerical

REFERENCE = Path(__file__).parents[1] / "data" / "vit_ae_reference"


def read(name: str) -> dict[str, torch.Tensor]:
    raw = (REFERENCE / f"{name}.safetensors").read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    kinds = {"F32": np.float32, "I64": np.int64}
    tensors = {}
    for key, entry in json.loads(raw[8:start]).items():
        first, last = (start + offset for offset in entry.get("data_offsets", (0, 0)))
        if key != "__metadata__":
            values = np.frombuffer(raw[first:last], kinds[entry["dtype"]]).reshape(entry["shape"])
            tensors[key] = torch.from_numpy(values.copy())
    return tensors


@pytest.fixture(scope="module")
def estimator() -> ViTAutoencoder:
    return ViTAutoencoder.from_reference(
        read("weights"),
        volume=VolumeReader(shape=32, windows=None),
        size="tiny",
        dim=48,
        depth=2,
        n_heads=4,
        decoder_dim=36,
        decoder_depth=2,
        decoder_heads=3,
    )


@pytest.mark.parametrize("pool", ["mean", "cls"])
def test_features_of_the_reference(estimator, pool):
    golden = read("tensors")
    rows = golden["view1"].flatten(1).numpy()
    features = estimator.set_params(pool=pool).transform(rows)
    expected = golden[f"features_{pool}"].numpy()
    # 48 roundings to fp32, derived in tests/modules/test_reference_parity.py
    assert_allclose(features, expected, rtol=0, atol=48 * 2.0**-24 * np.abs(expected).max())


def test_every_key_of_the_reference_finds_its_place(estimator):
    report = estimator.weights_report_
    assert report.fits
    named = {*report.loaded, *report.regenerated, *report.ignored}
    assert named == set(read("weights"))


def test_it_trains_on(estimator):
    rows = read("tensors")["view1"].flatten(1).numpy()
    before = estimator.transform(rows)
    estimator.partial_fit(rows)
    assert (estimator.transform(rows) != before).any()
    assert np.isfinite(estimator.transform(rows)).all()
