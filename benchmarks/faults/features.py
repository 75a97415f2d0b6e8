"""Features of scans killed while they are computed, beside joblib.Memory and one's own files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from benchmarks.faults._kills import Log, Work, kill_at_random
from benchmarks.faults._rows import Row
from skedema._features import features
from skedema.baselines import ScanFeatures
from skedema.scans.cache import volumes

N, SIDE, WIDTH = 30, 24, 20_000


def encoded(path: str) -> np.ndarray:
    """Encode a scan, which takes a moment."""
    volume = np.load(path)
    time.sleep(0.01)
    found = np.resize(np.fft.rfftn(volume).real, WIDTH).astype(np.float32)
    Log.finished()
    return found


class Encoder(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.n_ = len(X)
        return self

    def transform(self, X):
        return np.stack([encoded(path) for path in X])


def paths(folder: Path) -> list[str]:
    """Make the scans, beside the folders of the runs."""
    scans = folder.parent / "scans"
    scans.mkdir(exist_ok=True)
    found = [scans / f"{k}.npy" for k in range(N)]
    for k, path in enumerate(found):
        if not path.exists():
            np.save(path, np.random.default_rng(k).normal(30, 9, (SIDE,) * 3))
    return [str(path) for path in found]


def of_skedema(folder: Path) -> Any:
    Log.begin(folder)
    for cache in (volumes, features):
        cache.clear()
    table = pd.DataFrame({"scan": paths(folder)})
    made = ScanFeatures(image="scan", encoder=Encoder(), memory=folder / "kept", random_state=0)
    return np.asarray(made.fit_transform(table))


def of_joblib_memory(folder: Path) -> Any:
    Log.begin(folder)
    kept = joblib.Memory(folder / "kept", verbose=0).cache(encoded)
    return np.stack([kept(path) for path in paths(folder)])


def of_files(folder: Path) -> Any:
    Log.begin(folder)
    found = []
    for path in paths(folder):
        file = folder / Path(path).name
        if not file.exists():
            np.save(file, encoded(path))
        found.append(np.load(file))
    return np.stack(found)


def rows(injections: int, folder: Path) -> list[Row]:
    found = []
    for name, call in {
        "skedema": of_skedema,
        "joblib.Memory": of_joblib_memory,
        "np.save": of_files,
    }.items():
        own = folder / name
        (own / "warm").mkdir(parents=True)
        call(own / "warm")
        tally = kill_at_random(Work(call, Log.count), injections, own)
        found.append(tally.row("kill -9, features", name, "scans"))
    return found
