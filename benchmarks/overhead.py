"""What skedema adds: to an epoch of torch, to an import, to the encoder at a prediction.

    python -m benchmarks.overhead [--repeats 5]

Head: 400 patients (seed 0) with features of 96 numbers and 30 clinical variables, a tenth missing,
50 epochs. The bare loop has the same network, the same fused AdamW and the same order of patients,
and does nothing else: it slices tensors, steps, and goes on. One thread. Median over the epochs of
all repeats, and the least and most of the repeats' medians.

Import: seconds of `import skedema`, and of that and the classifier's module, in a new process that
has imported torch, scikit-learn and pandas.

Prediction: one patient at a time, whose scan (512 x 512 x 40 voxels in `.nii.gz`) nobody has read,
by a model that was fitted before: milliseconds for reading, for encoding, and for all else. The
encoder's weights are random, which costs what trained ones do. All threads.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.reading import ONE_THREAD

SEED, PATIENTS, VARIABLES, WIDTH, EPOCHS = 0, 400, 30, 96, 50
IMPORTS = """
import time
import pandas, sklearn, torch
start = time.perf_counter()
import skedema
first = time.perf_counter() - start
skedema.AttentionMixerClassifier
print(first, time.perf_counter() - start)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    print("| a head of 400 patients | patients a step | fit s | ms an epoch | over the bare loop |")
    print("| --- | --- | --- | --- | --- |")
    for batch_size in (200, 32):
        head(batch_size, repeats)
    print("\n| import, after torch, scikit-learn and pandas | s (least to most) |\n| --- | --- |")
    imports(repeats)
    print("\n| one patient | reading ms | encoding ms | all else ms | encoder's share |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(path) for path in make_scans(folder)]
        for size in ("small", "base"):
            predict(size, paths)


def head(batch_size: int, repeats: int) -> None:
    import torch

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model, X, y = head_model(batch_size)
    model.fit(X, y)  # imports what is imported when first needed
    fits, ours, bare = [], [], []
    for _ in range(repeats):  # in turn, so that a busy moment meets both
        start = time.perf_counter()
        model.fit(X, y)
        fits.append(time.perf_counter() - start)
        ours.append(model.history_["seconds"].median())
        bare.append(bare_loop(model, X, y))
    torch.set_num_threads(n_threads)
    for name, seconds, epochs in (
        ("skedema", f"{statistics.median(fits):.2f}", ours),
        ("bare loop of torch", "", bare),
    ):
        over = f"{statistics.median(epochs) / statistics.median(bare):.2f}"
        print(f"| {name} | {batch_size} | {seconds} | {spread(epochs, 1e3)} | {over} |", flush=True)


def head_model(batch_size: int) -> tuple[Any, Any, Any]:
    import numpy as np
    import pandas as pd
    from sklearn.frozen import FrozenEstimator
    from sklearn.preprocessing import FunctionTransformer

    from skedema import AttentionMixerClassifier

    rng = np.random.default_rng(SEED)
    X = pd.DataFrame(rng.normal(size=(PATIENTS, VARIABLES))).add_prefix("variable_")
    y = (X["variable_0"] + rng.normal(size=PATIENTS) > 0).astype(int)
    X = X.mask(rng.random(X.shape) < 0.1)
    # A scan of 1 x 1 x 96 voxels is its own features.
    X["scan"] = list(rng.normal(size=(PATIENTS, 1, 1, WIDTH)).astype(np.float32))
    encoder = FrozenEstimator(FunctionTransformer(flattened).fit(X["scan"]))
    options = {"max_epochs": EPOCHS, "batch_size": batch_size, "random_state": SEED}
    options |= {"n_members": 1, "lr": 1e-3}  # the bare loop has one network
    return AttentionMixerClassifier(image="scan", encoder=encoder, **options), X, y


def flattened(scans: Any) -> Any:
    import numpy as np

    return np.stack([scan.ravel() for scan in scans])


def bare_loop(model: Any, X: Any, y: Any) -> float:
    """Median seconds of an epoch."""
    import numpy as np
    import torch

    from skedema._rng import isolated_rng
    from skedema._training.classes import Classes, WeightedCrossEntropy

    _, patients = model._look_at(X)
    patients.target = torch.as_tensor(y.to_numpy(copy=True))
    with isolated_rng(SEED):
        network = model._new_network(patients, None, None, Classes(2), 1).train()
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=model.lr, weight_decay=model.weight_decay, fused=True
    )
    loss_of, size = WeightedCrossEntropy(), model.batch_size
    clinical, present, features = patients.clinical, patients.present, patients.features
    epochs = []
    for epoch in range(EPOCHS):
        start = time.perf_counter()
        order = torch.as_tensor(np.random.default_rng([SEED, epoch]).permutation(len(X)))
        for first in range(0, len(X), size):
            rows = order[first : first + size]
            optimizer.zero_grad()
            logits = network(clinical[rows], present[rows], features[rows])
            loss_of(logits, patients.target[rows], patients.weight[rows]).backward()
            optimizer.step()
        epochs.append(time.perf_counter() - start)
    return statistics.median(epochs)


def imports(repeats: int) -> None:
    environment = os.environ | dict.fromkeys(ONE_THREAD, "1")
    command = [sys.executable, "-c", IMPORTS]
    found = []
    for _ in range(repeats):
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        found.append([float(seconds) for seconds in done.stdout.split()])
    for column, name in enumerate(("skedema", "and its classifier")):
        print(f"| {name} | {spread([row[column] for row in found])} |", flush=True)


def make_scans(folder: str) -> list[Path]:
    from benchmarks._clinical_scans import make_clinical_scans

    return make_clinical_scans(folder, n=8)


def predict(size: str, paths: list[str]) -> None:
    import numpy as np
    import pandas as pd
    from sklearn.frozen import FrozenEstimator

    from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
    from skedema.modules.masked_autoencoder import MaskedAutoencoder

    first = paths[:2]
    autoencoder = ViTAutoencoder(size=size, max_epochs=1, random_state=SEED).fit(first)
    rng = np.random.default_rng(SEED)
    X = pd.DataFrame(rng.normal(size=(len(paths), 10))).add_prefix("variable_").assign(scan=paths)
    model = AttentionMixerClassifier(image="scan", encoder=FrozenEstimator(autoencoder))
    model.fit(X.iloc[:2], [0, 1])
    spent = {"reading": 0.0, "encoding": 0.0}
    undo = [clocked(VolumeReader, "read", "reading", spent)]
    undo.append(clocked(MaskedAutoencoder, "features", "encoding", spent))
    start = time.perf_counter()
    for row in range(2, len(paths)):
        model.predict_proba(X.iloc[row : row + 1])
    whole = time.perf_counter() - start
    for back in undo:
        back()
    parts = [*spent.values(), whole - sum(spent.values())]
    shown = " | ".join(f"{1e3 * seconds / (len(paths) - 2):.1f}" for seconds in parts)
    grid = autoencoder.volume_.settings().shape
    print(f"| {size}, {grid[0]} cubed | {shown} | {spent['encoding'] / whole:.0%} |", flush=True)


def clocked(owner: Any, name: str, what: str, spent: dict[str, float]) -> Any:
    """Add the time of a method to `spent`; gives how to undo it."""
    method = getattr(owner, name)

    def timed(*arguments: Any, **keywords: Any) -> Any:
        start = time.perf_counter()
        result = method(*arguments, **keywords)
        spent[what] += time.perf_counter() - start
        return result

    setattr(owner, name, timed)
    return lambda: setattr(owner, name, method)


def spread(values: Any, factor: float = 1.0) -> str:
    """Write the median, and least to most."""
    middle, least, most = (factor * f(values) for f in (statistics.median, min, max))
    return f"{middle:.3g} ({least:.3g} to {most:.3g})"


if __name__ == "__main__":
    main()
