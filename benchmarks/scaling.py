"""Time and memory while the cohort grows.

    python -m benchmarks.scaling [--patients 100 300 1000 3000] [--quick]

Simulated patients (seed 0), the first n of one cohort: a scan of 48 x 48 x 32 voxels, read to 64
cubed, and 11 clinical variables. The encoder is a `ViTAutoencoder` of size tiny, pre-trained for
one epoch on 32 scans. "frozen" trains the head on its features for 5 epochs; "trained" goes on
training it with the head for one epoch, volumes read when their batch is due. Each row runs in a
process of its own with one thread, after a small fit of another model that imports everything and
wakes torch up. It fits, predicts the same patients, and predicts them again. Reads and passes
(volumes through the encoder) are those of all three.

Memory is the peak of the process, and the part of it beyond what the process held before the fit;
the matrix of features, n x 96 float32, is printed beside it. An exponent is the slope of a straight
line through the logarithms: 1 is twice the patients, twice the seconds; 0 is the same whatever n.
"""

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.reading import ONE_THREAD, PeakMemory

SEED, BATCH, SIDE, NATIVE = 0, 16, 64, (48, 48, 32)
EPOCHS = {"frozen": 5, "trained": 1}
COLUMNS = ("fit", "predict", "again")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, nargs="+", default=[100, 300, 1000, 3000])
    parser.add_argument("--quick", action="store_true", help="a small run that shows it works")
    parser.add_argument("--child", nargs=3, metavar=("HOW", "N", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        how, n, folder = arguments.child
        print(json.dumps(measure(how, int(n), Path(folder))))
        return
    sizes = [20, 60, 200] if arguments.quick else sorted(set(arguments.patients))
    with tempfile.TemporaryDirectory() as folder:
        prepare(sizes[-1], Path(folder))
        heads = ("encoder", "patients", *(f"{name} s" for name in COLUMNS))
        heads += ("MB", "MB beyond", "features MB", "reads", "passes")
        print(f"\n| {' | '.join(heads)} |\n|{' --- |' * len(heads)}", flush=True)
        rows = {how: [run(how, n, folder) for n in sizes] for how in EPOCHS}
    print()
    for how, measured in rows.items():
        print(f"- {how}: {growth(sizes, measured)}")


def prepare(n: int, folder: Path) -> None:
    from skedema import ViTAutoencoder, VolumeReader
    from skedema.datasets import make_head_ct_cohort

    start = time.perf_counter()
    cohort = make_head_ct_cohort(
        n,
        folder / "scans",
        shape=NATIVE,
        spacing=tuple(208 / side for side in NATIVE),
        n_jobs=2,
        random_state=SEED,
    )
    (folder / "cohort.pkl").write_bytes(pickle.dumps((cohort.frame, cohort.target)))
    gigabytes = sum(Path(path).stat().st_size for path in cohort.frame["scan"]) / 1e9
    print(f"{n} scans, {gigabytes:.2f} GB, made in {time.perf_counter() - start:.0f} s")
    autoencoder = ViTAutoencoder(
        size="tiny",
        volume=VolumeReader(shape=SIDE, spacing=216 / SIDE),
        max_epochs=1,
        random_state=SEED,
    ).fit(cohort.frame["scan"].iloc[:32])
    (folder / "autoencoder.pkl").write_bytes(pickle.dumps(autoencoder))


def run(how: str, n: int, folder: str) -> dict[str, Any]:
    """Measure in a process of its own, and print the row."""
    command = [sys.executable, "-m", "benchmarks.scaling", "--child", how, str(n), folder]
    environment = os.environ | dict.fromkeys(ONE_THREAD, "1")
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    row = json.loads(done.stdout.splitlines()[-1])
    seconds = " | ".join(f"{row[name]:.2f}" for name in COLUMNS)
    megabytes = f"{row['peak']:.0f} | {row['beyond']:.0f} | {row['features']:.2f}"
    print(
        f"| {how} | {n} | {seconds} | {megabytes} | {row['reads']} | {row['passes']} |", flush=True
    )
    return dict(row)


def measure(how: str, n: int, folder: Path) -> dict[str, Any]:
    from sklearn.frozen import FrozenEstimator

    from benchmarks.reuse import count_calls
    from skedema import AttentionMixerClassifier

    X, y = pickle.loads((folder / "cohort.pkl").read_bytes())
    X, y = X.iloc[:n], y.iloc[:n]
    encoder = FrozenEstimator(pickle.loads((folder / "autoencoder.pkl").read_bytes()))
    wake_up(encoder, X)
    model = AttentionMixerClassifier(
        image="scan",
        encoder=encoder,
        fine_tune=how == "trained",
        max_epochs=EPOCHS[how],
        batch_size=BATCH,
        n_members=1,  # "auto" would make four of it in the smaller cohorts only
        early_stopping=False,  # and would watch a part of the larger ones only
        random_state=SEED,
    )
    counted, row = count_calls(), {}
    memory = PeakMemory()
    for name, work in (
        ("fit", lambda: model.fit(X, y)),
        ("predict", lambda: model.predict_proba(X)),
        ("again", lambda: model.predict_proba(X)),
    ):
        start = time.perf_counter()
        work()
        row[name] = time.perf_counter() - start
    row["beyond"] = memory.megabytes()
    row["peak"] = (memory.start or memory.before) / 1024 + row["beyond"]
    row["features"] = n * len(encoder.get_feature_names_out()) * 4 / 2**20
    return row | counted


def wake_up(encoder: Any, X: Any) -> None:
    """Import what is imported when first needed, and let torch take the memory it keeps."""
    import numpy as np

    from skedema import AttentionMixerClassifier

    encoder.volume_.read(X["scan"].iloc[0])
    few, y = X.iloc[:8], np.tile([0, 1], 4)
    rng = np.random.default_rng(SEED)
    few = few.assign(scan=list(rng.normal(40, 9, (8, SIDE, SIDE, SIDE))))
    AttentionMixerClassifier(image="scan", encoder=encoder, max_epochs=1).fit(few, y).predict(few)


def growth(sizes: list[int], rows: list[dict[str, Any]]) -> str:
    """Exponents over all sizes; memory of the largest over that of about a tenth of it."""
    import numpy as np

    def exponent(values: list[float]) -> float:
        return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])

    times = ", ".join(f"{name} {exponent([row[name] for row in rows]):.2f}" for name in COLUMNS)
    tenth = int(np.argmin([abs(np.log(10 * n / sizes[-1])) for n in sizes]))
    ratios = []
    for name in ("peak", "beyond"):
        many, few = (row[name] - row["features"] for row in (rows[-1], rows[tenth]))
        ratios.append(f"{many / few:.2f} ({name})")
    return (
        f"exponents of time: {times}; memory of {sizes[-1]} over that of {sizes[tenth]} patients, "
        f"features left out: {', '.join(ratios)}"
    )


if __name__ == "__main__":
    main()
