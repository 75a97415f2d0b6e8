"""Large tables: a fit and predictions beside boosting and a bare loop of torch; memory.

    python -m benchmarks.load [--sizes 1000 10000] [--seeds 3] [--before] [--rows 100000 1000000]

Simulated patients with 14 clinical variables, a tenth missing and one of them a text, whose outcome
depends on sums, a product and a sine; 100,000 others are predicted. "plain torch" is the same
network with the same batches, epochs, learning rates and precision in a loop that does nothing
else, not even watch when to stop; the table is turned to numbers beforehand. Boosting is
scikit-learn's HistGradientBoostingClassifier as it comes. `--before` adds skedema with the settings
of few patients: float64, 50 epochs at most, a learning rate of 0.001.

Seconds are those of the processor, of all threads together, and of the clock; "times boosting" is
of the processor. Median over the seeds, and the least and most.

Memory: what a prediction of so many rows holds at its peak beyond the table and the result, each in
a process of its own.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss, roc_auc_score

from benchmarks.overhead import spread
from skedema import AttentionMixerClassifier
from skedema._rng import isolated_rng
from skedema._training.classes import Classes
from skedema._training.schedule import schedule

VARIABLES, PREDICTED, TESTED_SEED = 14, 100_000, 1_000_000
BOOSTING, PLAIN, OURS, BEFORE = "boosting", "plain torch", "skedema", "skedema, as for few"
TEXT = f"variable_{VARIABLES - 1}"
Contender = tuple[Callable[[], object], Callable[[], np.ndarray]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[1_000, 10_000])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--before", action="store_true")
    parser.add_argument("--rows", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        print(peak(options.peak))
        return
    names = [BOOSTING, PLAIN, OURS, *([BEFORE] if options.before else [])]
    print(f"{torch.get_num_threads()} threads of torch; {PREDICTED:,} rows are predicted.\n")
    print("| patients | model | fit s | clock s | times boosting | predict s | clock s", end="")
    print(" | times boosting | AUC | log loss |")
    print(f"| {' | '.join(['---'] * 10)} |")
    for n in options.sizes:
        compare(n, names, options.seeds)
    print("\n| rows | MB beyond table and result |\n| --- | --- |")
    for n in options.rows:
        command = [sys.executable, "-m", "benchmarks.load", "--peak", str(n)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        print(f"| {n:,} | {float(done.stdout) / 1e6:.0f} |", flush=True)


def compare(n: int, names: list[str], n_seeds: int) -> None:
    found: dict[str, list[list[float]]] = defaultdict(list)
    tested, truth = simulated(PREDICTED, TESTED_SEED)
    skedema(*simulated(200, 0), tested[:10])[0]()  # imports what is imported when first needed
    for seed in range(n_seeds):
        patients = simulated(n, seed)
        for name in names:  # in turn, so that a busy moment meets all
            fit, predict = CONTENDERS[name](*patients, tested)
            _, *fitting = clocked(fit)
            proba, *predicting = clocked(predict)
            scores = roc_auc_score(truth, proba), log_loss(truth, proba)
            found[name].append([*fitting, *predicting, *scores])
    base = [statistics.median(row[k] for row in found[BOOSTING]) for k in (0, 2)]
    for name in names:
        fits, fit_clock, predictions, clock, auc, loss = zip(*found[name], strict=True)
        times = [statistics.median(v) / b for v, b in zip((fits, predictions), base, strict=True)]
        row = [spread(fits), spread(fit_clock), f"{times[0]:.1f}", spread(predictions)]
        row += [spread(clock), f"{times[1]:.1f}", scores_of(auc), scores_of(loss)]
        print(f"| {n:,} | {name} | {' | '.join(row)} |", flush=True)


def scores_of(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.4f} ({min(values):.4f} to {max(values):.4f})"


def clocked(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """Do something; gives what it gave, and seconds of the processor and of the clock."""
    spent, start = time.process_time(), time.perf_counter()
    given = work()
    return given, time.process_time() - spent, time.perf_counter() - start


def simulated(n: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw patients; what tells their outcome is the same for all seeds."""
    factors = 0.4 * np.random.default_rng(12345).normal(size=VARIABLES)
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, VARIABLES))).add_prefix("variable_")
    logit = X.to_numpy() @ factors + 0.8 * X["variable_0"] * X["variable_1"]
    logit += 0.6 * np.sin(2 * X["variable_2"])
    y = (logit + rng.logistic(size=n) > 0).to_numpy(dtype=int)
    X = X.mask(rng.random(X.shape) < 0.1)
    X[TEXT] = np.where(X[TEXT].isna(), None, np.where(X[TEXT] > 0, "high", "low"))
    return X, y


def boosting(X: pd.DataFrame, y: np.ndarray, tested: pd.DataFrame) -> Contender:
    model = HistGradientBoostingClassifier(random_state=0)
    X, tested = (part.assign(**{TEXT: part[TEXT].astype("category")}) for part in (X, tested))
    return lambda: model.fit(X, y), lambda: model.predict_proba(tested)[:, 1]


def skedema(X: pd.DataFrame, y: np.ndarray, tested: pd.DataFrame, **options: Any) -> Contender:
    model = AttentionMixerClassifier(random_state=0, **options)
    return lambda: model.fit(X, y), lambda: model.predict_proba(tested)[:, 1]


def plain_torch(X: pd.DataFrame, y: np.ndarray, tested: pd.DataFrame) -> Contender:
    """Train the network of a model as one writes it down."""
    shell = AttentionMixerClassifier(random_state=0)
    plan = schedule(shell, 1, len(y))
    shell.set_params(max_epochs=1).fit(X, y)  # for the numbers, the sizes and the precision
    patients, others = shell._look_at(X)[1], shell._look_at(tested)[1]
    target = torch.tensor(y)
    with isolated_rng(0):
        network = shell._new_network(patients, None, None, Classes(2), 1)
    size = shell.net_.batch_size

    def train() -> None:
        network.train()
        optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.1, fused=True)
        for epoch in range(plan.n_epochs):
            for group in optimizer.param_groups:
                group["lr"] = plan.lr if plan.rate is None else plan.rate(epoch)
            for rows in torch.randperm(len(target)).split(size):
                optimizer.zero_grad()
                logits = network(patients.clinical[rows], patients.present[rows])
                torch.nn.functional.cross_entropy(logits, target[rows]).backward()
                optimizer.step()

    def predict() -> np.ndarray:
        network.eval()
        with torch.no_grad():
            batches = zip(others.clinical.split(256), others.present.split(256), strict=True)
            logits = torch.cat([network(*batch) for batch in batches])
        return logits.double().softmax(dim=1)[:, 1].numpy()

    return train, predict


CONTENDERS: dict[str, Callable[..., Contender]] = {
    BOOSTING: boosting,
    PLAIN: plain_torch,
    OURS: skedema,
    BEFORE: partial(skedema, dtype="float64", lr=1e-3, max_epochs=50),
}


def peak(n: int) -> int:
    """Bytes that a prediction holds at its peak, less what it gives."""
    model = AttentionMixerClassifier(max_epochs=1, random_state=0).fit(*simulated(3_000, 0))
    X, _ = simulated(n, TESTED_SEED)
    model.predict_proba(X[:300])
    before = peak_of_process(reset=True)
    given = model.predict_proba(X)
    return peak_of_process() - before - given.nbytes


def peak_of_process(reset: bool = False) -> int:
    """Bytes that the process has held at most, of late if it was reset (on Linux)."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
