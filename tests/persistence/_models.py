"""Small models with scans, and what they were fitted on."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

import skedema
from benchmarks.faults._malicious import members_of, sealed
from skedema import AttentionMixerClassifier, VolumeReader
from skedema._features import features
from skedema.encoders import MirroredTokens, ViT

from .._autoencoders import SIDE, make_cohort


def make_table(n: int = 40) -> tuple[pd.DataFrame, np.ndarray]:
    scans, y = make_cohort(n)
    rng = np.random.default_rng(1)
    X = pd.DataFrame(
        {
            "scan": scans.to_numpy(),
            "age": rng.normal(60, 9, n).round(3),
            "sex": rng.choice(["f", "m"], n),
        }
    )
    X.loc[3, "scan"] = X.loc[4, "age"] = None
    return X, np.where(y, "edema", "none")


def classifier(**parameters: object) -> AttentionMixerClassifier:
    given = {
        "image": "scan",
        "encoder": None,
        "volume": VolumeReader(shape=SIDE),
        "max_epochs": 1,
        "n_members": 2,
        "dim": 8,
        "random_state": 0,
    }
    return AttentionMixerClassifier(**(given | parameters))


def tokens(**parameters: object) -> MirroredTokens:
    vit = ViT(dim=12, depth=1, n_heads=2, patch=4)
    reader = VolumeReader(shape=SIDE)
    given = {"encoder": vit, "n_components": 2, "volume": reader}
    return MirroredTokens(**(given | parameters))


def again(estimator: object, folder: object) -> object:
    """Save and load, with nothing in memory of what was computed before."""
    skedema.save(estimator, folder / "model.skedema")
    features.clear()
    return skedema.load(folder / "model.skedema")


def load_parts(folder: object, *objects: object, estimator: object = None) -> object:
    """Load a file with right digests of parts as somebody has written them, the last by itself."""
    path = folder / "model.skedema"
    skedema.save(VolumeReader(shape=SIDE), path)
    params = {"estimator": estimator or {"object": len(objects) - 1}, "objects": objects}
    changed = {"params.json": json.dumps(params).encode()}
    path.write_bytes(sealed(members_of(path.read_bytes()), **changed))
    return skedema.load(path)
