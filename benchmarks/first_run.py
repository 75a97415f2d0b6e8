"""How long a first cross-validation of the defaults takes, and a second one.

    python -m benchmarks.first_run FOLDER [--threads 2]

`FOLDER` holds `cohort.csv` with the columns scan, age, sex and ich, paths from it on: the 82 exams
of CT-ICH (Hssayeni et al., PhysioNet 2020, version 1.3.1). Five folds of
`AttentionMixerClassifier(image="scan")`, without a random_state, so that no fold has the seed of
another. Each row runs in a process of its own, which begins with the imports: "cold" without
anything on disk, and once more in that process; "memory" fills a folder, "from memory" is another
process that finds it; "estimated" is what `estimate` tells of the cold one, and as "processor" the
seconds in which it does. Seconds are of the clock, and of the processor where others use it as
well. Memory is the peak of the process so far.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from benchmarks.reading import ONE_THREAD

FIGURES = {"s": ".1f", "processor": ".1f", "mb": ".0f", "auc": ".3f", "reads": "d", "encoded": "d"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--child", nargs=2, metavar=("MEMORY", "TIMES"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        memory, times = arguments.child
        print(json.dumps(measure(arguments.folder, memory or None, int(times))))
        return
    print("| run | s | of them processor | MB | AUC | reads | encoded |\n|" + " --- |" * 7)
    with tempfile.TemporaryDirectory() as memory:
        runs = [(("estimated",), "", 0), (("cold", "again"), "", 2)]
        runs += [(("memory",), memory, 1), (("from memory",), memory, 1)]
        for names, folder, times in runs:
            rows = run(arguments.folder, folder, times, arguments.threads)
            for name, row in zip(names, rows, strict=True):
                print(f"| {name} | {' | '.join(row)} |", flush=True)


def run(folder: Path, memory: str, times: int, threads: int) -> list[list[str]]:
    command = [sys.executable, "-m", "benchmarks.first_run", str(folder), "--child", memory]
    environment = os.environ | dict.fromkeys(ONE_THREAD, str(threads))
    done = subprocess.run(
        [*command, str(times)], stdout=subprocess.PIPE, text=True, env=environment, check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    return [[format(row[name], how) for name, how in FIGURES.items()] for row in found]


def measure(folder: Path, memory: str | None, times: int) -> list[dict[str, Any]]:
    rows, clock, processor = [], time.perf_counter(), 0.0
    import pandas as pd
    from sklearn.model_selection import StratifiedKFold, cross_validate

    from skedema import AttentionMixerClassifier
    from skedema._features import features
    from skedema.scans.cache import volumes

    table = pd.read_csv(folder / "cohort.csv")
    table["scan"] = [str(folder / path) for path in table["scan"]]
    X, y = table[["scan", "age", "sex"]], table["ich"]
    if not times:
        told = AttentionMixerClassifier(image="scan").estimate(X, y, cv=5)
        size = {
            "s": told.seconds,
            "processor": told.took,
            "mb": told.bytes / 2**20,
            "auc": math.nan,
        }
        return [size | {"reads": volumes.n_reads, "encoded": features.n_encoded}]
    for _ in range(times):
        reads, encoded = volumes.n_reads, features.n_encoded
        clf = AttentionMixerClassifier(image="scan", memory=memory)
        folds = StratifiedKFold(5, shuffle=True, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of one exam the pose is not found, in every fold
            scores = cross_validate(clf, X, y, cv=folds, scoring="roc_auc", error_score="raise")
        rows.append(
            {
                "s": time.perf_counter() - clock,
                "processor": time.process_time() - processor,
                "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "auc": scores["test_score"].mean(),
                "reads": volumes.n_reads - reads,
                "encoded": features.n_encoded - encoded,
            }
        )
        clock, processor = time.perf_counter(), time.process_time()
    return rows


if __name__ == "__main__":
    main()
