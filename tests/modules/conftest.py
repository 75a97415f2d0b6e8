from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

REFERENCE = Path(__file__).parents[1] / "data" / "vit_ae_reference"


def read_safetensors(path: Path) -> dict[str, Tensor]:
    # The format in full: the header's length as a little-endian uint64, the header in JSON, data.
    raw = path.read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:start])
    kinds = {"F32": np.float32, "I64": np.int64}
    tensors = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        flat = np.frombuffer(raw[start + first : start + last], kinds[entry["dtype"]])
        tensors[name] = torch.from_numpy(flat.reshape(entry["shape"]).copy())
    return tensors


@pytest.fixture(scope="session")
def reference_file() -> Callable[[str], dict[str, Tensor]]:
    """Give a reader of the golden tensors by file name."""
    return lambda name: read_safetensors(REFERENCE / f"{name}.safetensors")


@pytest.fixture(scope="session")
def reference_figures() -> dict[str, float]:
    """Give the golden configuration and losses."""
    return json.loads((REFERENCE / "figures.json").read_text(encoding="utf-8"))
