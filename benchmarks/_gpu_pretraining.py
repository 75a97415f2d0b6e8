"""What features are worth before, during and after a longer pre-training on simulated scans."""

import math
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skedema import ViTAutoencoder, VolumeReader
from skedema.datasets import make_head_ct_cohort

POOLS = ("mean", "patches")
N_COMPONENTS, C = 32, 0.1  # of the probe; not tuned
_BOOTSTRAPS = 1000
DECODERS: dict[str, dict[str, Any]] = {
    "self": {},
    "cross, a third": {"decoder": "cross", "predicted_share": 1 / 3},
}


@dataclass(frozen=True)
class Plan:
    """How large everything is: as it counts, or as small as it can be."""

    readers: dict[str, VolumeReader]
    n_labelled: int
    n_unlabelled: int
    label_counts: tuple[int, ...]
    n_looks: int
    max_epochs: int
    batch_size: int
    runs: tuple[tuple[str, str, int, float], ...]  # network, decoder, seed, share of the time


PLAN = Plan(
    {"small": VolumeReader(spacing=6.75, shape=32), "base": VolumeReader(spacing=3.375, shape=64)},
    n_labelled=800,
    n_unlabelled=2400,
    label_counts=(50, 200, 640),
    n_looks=2,
    max_epochs=1000,
    batch_size=64,
    # Of a network all have the same time, so that the cheaper decoder has more epochs.
    runs=tuple(
        (network, decoder, seed, share)
        for network, seed, share in (("small", 0, 1.0), ("base", 0, 2.0), ("small", 1, 1.0))
        for decoder in DECODERS
    ),
)
QUICK = Plan(
    {"tiny": VolumeReader(spacing=13.5, shape=16)},
    n_labelled=24,
    n_unlabelled=8,
    label_counts=(16,),
    n_looks=2,
    max_epochs=4,
    batch_size=8,
    runs=tuple(("tiny", decoder, 0, 1.0) for decoder in DECODERS),
)


@dataclass(frozen=True)
class Cohort:
    """Scans as rows of voxels on the grid of each network; the first ones have a label."""

    rows: dict[str, np.ndarray]
    target: np.ndarray


def measure_features(rows, device: str, quick: bool, n_jobs: int, wait: Callable[[], float]) -> int:
    plan = QUICK if quick else PLAN
    cohort = simulate(plan, n_jobs)
    print(f"{plan.n_unlabelled} scans to learn from, {plan.n_labelled} with a label", flush=True)
    end = wait() - 15  # what a look takes that comes late
    failed = 0
    for number, (network, decoder, seed, share) in enumerate(plan.runs):
        left = (end - time.time()) * share / sum(other for *_, other in plan.runs[number:])
        try:
            pretrain(rows, plan, cohort, (network, decoder, seed), device, time.time() + left)
        except Exception:
            traceback.print_exc()
            failed += 1
    return failed


def simulate(plan: Plan, n_jobs: int) -> Cohort:
    n = plan.n_labelled + plan.n_unlabelled
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        made = make_head_ct_cohort(n, folder, random_state=0, n_jobs=n_jobs)
        print(f"simulated {n} scans in {time.perf_counter() - begin:.0f} s", flush=True)
        paths = made.frame["scan"].tolist()
        parts = Parallel(n_jobs)(
            delayed(read)(paths[i : i + 50], plan.readers) for i in range(0, n, 50)
        )
        print(f"and read them, {time.perf_counter() - begin:.0f} s in all", flush=True)
    found = {name: np.concatenate([part[name] for part in parts]) for name in plan.readers}
    return Cohort(found, made.target.to_numpy()[: plan.n_labelled])


def read(paths: list[str], readers: dict[str, VolumeReader]) -> dict[str, np.ndarray]:
    return {
        name: reader.transform(paths).reshape(len(paths), -1) for name, reader in readers.items()
    }


def pretrain(rows, plan, cohort, which: tuple[str, str, int], device: str, end: float) -> None:
    """Pre-train until the time is over on scans without labels, looking at features on the way."""
    network, decoder, seed = which
    labelled, scans = np.split(cohort.rows[network], [plan.n_labelled])
    model = ViTAutoencoder(
        size=network,
        volume=plan.readers[network],
        batch_size=plan.batch_size,
        max_epochs=1,
        device=device,
        random_state=seed,
        **DECODERS[decoder],
    )

    def look(module, epoch: int, seconds: float) -> None:
        for pool in POOLS:
            components = principal_components(module, labelled, pool)
            for n_labels in plan.label_counts:
                auc, low, high = probe_auc(components, cohort.target, n_labels)
                rows.add(
                    network=network,
                    decoder=decoder,
                    seed=seed,
                    epochs=epoch,
                    seconds=f"{seconds:.0f}",
                    features=pool,
                    labels=n_labels,
                    AUC=f"{auc:.3f} ({low:.3f} to {high:.3f})",
                )

    # A schedule needs its number of epochs: as many as fit.
    cost = model.estimate(scans)
    training = start_of(model, scans, 1)
    begin = time.time()
    look(training.module, 0, 0.0)
    for_looks = 1.2 * plan.n_looks * (time.time() - begin)
    seconds = 0.9 * (end - time.time() - for_looks)
    n_epochs = max(plan.n_looks, int(seconds / (cost.seconds_per_step * training.n_batches)))
    n_epochs = min(n_epochs, plan.max_epochs)
    training = start_of(model, scans, n_epochs)
    looks = {math.ceil(n_epochs * k / plan.n_looks) for k in range(1, plan.n_looks + 1)}
    trained = 0.0
    for epoch in range(1, n_epochs + 1):
        begin = time.time()
        for batch in training.batches():
            training.step(batch)
        training._finish_epoch()
        trained += time.time() - begin
        late = time.time() > end
        if epoch in looks or late:
            look(training.module, epoch, trained)
        if late:
            print(f"stopped after {epoch} of {n_epochs} epochs", flush=True)
            return


def start_of(model: ViTAutoencoder, scans: np.ndarray, n_epochs: int):
    training = model._training(scans, goes_on=False, n_epochs=n_epochs)
    training.set_scale()
    return training


def principal_components(module, rows: np.ndarray, pool: str) -> np.ndarray:
    """Encode scans and give the first principal components of their features.

    Found without labels, on all labelled scans at once: of n scans by the eigenvectors of an n x n
    matrix, however many numbers a scan has.
    """
    device = module.positions.device
    shape = (module.patches.in_channels, *module.patches.shape)
    module.eval()
    with torch.inference_mode():
        features = torch.cat(
            [
                module.features(torch.from_numpy(some).reshape(-1, *shape).to(device), pool)
                for some in np.split(rows, range(32, len(rows), 32))
            ]
        )
        centred = features - features.mean(dim=0)
        values, vectors = torch.linalg.eigh((centred @ centred.T).double().cpu())
    module.train()
    scores = vectors * values.clamp(min=0).sqrt()
    return scores.flip(1)[:, :N_COMPONENTS].numpy()


def probe_auc(components: np.ndarray, target: np.ndarray, n_labels: int):
    """Cross-validate a logistic probe that learns from so many labels; with a 95 % interval.

    Five folds, four times; within a fold's training part the first `n_labels` patients of a
    random order teach. Probabilities out of fold are averaged over the repeats; for the interval
    patients are drawn with replacement.
    """
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=4, random_state=0)
    rng = np.random.default_rng(0)
    found = np.zeros(len(target))
    for train, test in folds.split(components, target):
        few = rng.permutation(train)[:n_labels]
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=1000))
        probe.fit(components[few], target[few])
        found[test] += probe.predict_proba(components[test])[:, 1] / 4
    ill, well = found[target == 1], found[target == 0]
    above = (ill[:, None] > well) + 0.5 * (ill[:, None] == well)
    times = rng.multinomial(len(target), np.full(len(target), 1 / len(target)), _BOOTSTRAPS)
    of_ill, of_well = times[:, target == 1], times[:, target == 0]
    drawn = ((of_ill @ above) * of_well).sum(1) / (of_ill.sum(1) * of_well.sum(1))
    return (above.mean(), *np.quantile(drawn, [0.025, 0.975]))
