"""Be a machine without a GPU: use the models in a folder, and leave some of its own there."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import torch

import skedema
from skedema import AttentionMixerClassifier, ViTAutoencoder


def main(folder: Path) -> None:
    assert not torch.cuda.is_available()
    models, X, y, scans = pickle.loads((folder / "own.pickle").read_bytes())
    found = {}
    for path in sorted(folder.glob("there-*")):
        if path.suffix == ".skedema":
            model = skedema.load(path)
        else:
            kind = ViTAutoencoder if "autoencoder" in path.name else AttentionMixerClassifier
            model = kind.from_pretrained(path)
        found[path.name] = said(model, X, scans)
    for number, model in enumerate(models):
        model.fit(*(scans,) if isinstance(model, ViTAutoencoder) else (X, y))
        path = folder / f"here-{number}.skedema"
        skedema.save(model, path)
        found[path.name] = said(model, X, scans)
    np.savez(folder / "found.npz", **found)


def said(model, X, scans) -> np.ndarray:
    if isinstance(model, ViTAutoencoder):
        return model.transform(scans)
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.transform(X)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
