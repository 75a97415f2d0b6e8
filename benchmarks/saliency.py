"""Does relevance find a lesion that was put in, and does it go when weights are made random?

Healthy simulated heads, half of them with an infarct's edema put in (`implant_edema`), teach a
classifier; relevance of others with such a lesion is compared with where it was put. "Pointing" is
how often the highest voxel lies within 10 mm of the lesion (the pointing game of Zhang et al.,
IJCV 2018), "overlap" which share of the highest voxels, as many as the lesion has, are its own;
beside both what a voxel of the brain drawn at random would reach. Weights are made random from the
head on down (Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018): the rank correlation
of the map in the brain with the trained model's is to fall.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Iterator
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import torch
from scipy import ndimage, stats
from sklearn.metrics import roc_auc_score

from skedema import AttentionMixerClassifier, VolumeReader
from skedema.datasets import implant_edema
from skedema.datasets._acquisition import draw_acquisition
from skedema.datasets._confounders import NO_CONFOUNDERS
from skedema.datasets._grid import straight_grid
from skedema.datasets._phantom import draw_head
from skedema.datasets._scan import Drawn, render
from skedema.encoders import CNN, MirroredTokens, ViT
from skedema.inspection import explain_scan
from skedema.scans.brain import brain_mask

SHAPE, SPACING = (48, 56, 48), (4.0, 4.0, 4.0)
NEAR = 10.0  # mm
READER = VolumeReader(template="head", spacing=6.8, shape=(24, 28, 24))
#: Encoders, and the methods that they can be asked by.
ENCODERS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "mirrored tokens, random weights": (
        MirroredTokens(volume=READER), ("occlusion", "gradient", "rollout"),
    ),
    "cnn, trained": (CNN(width=8), ("occlusion", "gradient")),
    "vit, trained": (
        ViT(dim=48, depth=2, n_heads=4, patch=(4, 4, 4)), ("occlusion", "gradient", "rollout"),
    ),
}  # fmt: skip


def healthy_heads(n: int, seed: int) -> list[np.ndarray]:
    """Render heads without a finding, in HU."""
    heads = []
    for number in range(n):
        rng = np.random.default_rng([seed, number])
        acquisition = draw_acquisition("A", rng)
        anatomy = draw_head(int(rng.integers(40, 85)), ("male", "female")[number % 2], rng)
        where = straight_grid(SHAPE, SPACING)
        hu = render(Drawn(anatomy, None, NO_CONFOUNDERS, acquisition), where)
        heads.append((hu + rng.normal(0, 4, hu.shape)).astype(np.float32))
    return heads


def cohort(
    heads: list[np.ndarray], severity: float, seed: int
) -> tuple[pd.DataFrame, np.ndarray, list[np.ndarray]]:
    """Put a lesion into every second head; gives the table, who has one, and where."""
    affine = straight_grid(SHAPE, SPACING).affine
    y = np.arange(len(heads)) % 2
    cells = np.empty(len(heads), dtype=object)
    lesions = []
    for k, (hu, ill) in enumerate(zip(heads, y, strict=True)):
        lesion = np.zeros(hu.shape, dtype=bool)
        if ill:
            brain = brain_mask(hu, SPACING)
            hu, lesion = implant_edema(
                hu, SPACING, brain, severity=severity, random_state=1000 * seed + k
            )
        cells[k] = nib.Nifti1Image(hu, affine)
        lesions.append(lesion)
    age = np.random.default_rng(seed).normal(65, 10, len(heads))
    return pd.DataFrame({"scan": cells, "age": age}), y, lesions


def agreement(relevance: np.ndarray, lesion: np.ndarray, brain: np.ndarray) -> dict[str, float]:
    """Compare relevance with the lesion: pointing and overlap, and what chance reaches."""
    near = ndimage.distance_transform_edt(~lesion, sampling=SPACING) <= NEAR
    inside = np.where(brain, relevance, -np.inf)
    n = int(lesion.sum())
    highest = np.zeros(lesion.size, dtype=bool)
    highest[np.argsort(inside, axis=None, kind="stable")[-n:]] = True
    return {
        "pointing": float(near.flat[inside.argmax()]),
        "pointing_by_chance": float(near[brain].mean()),
        "overlap": float(lesion.ravel()[highest].mean()),
        "overlap_by_chance": float(lesion[brain].mean()),
    }


def made_random(clf: AttentionMixerClassifier, seed: int = 0) -> Iterator[tuple[str, Any]]:
    """Give copies with weights shuffled: of the last layer, of all but the encoder, of all."""
    model, generator = copy.deepcopy(clf), torch.Generator().manual_seed(seed)
    stages = {
        "last layer": lambda name: name.split(".")[-2] == "classify",
        "without encoder": lambda name: not name.startswith("encoder."),
        "all": lambda name: True,
    }
    for stage, chosen in stages.items():
        modules = [model.net_.module_]
        if stage == "all" and hasattr(model.encoder_, "module_"):
            modules.append(model.encoder_.module_)
        with torch.no_grad():
            for module in modules:
                for name, weight in module.named_parameters():
                    if chosen(name):
                        order = torch.randperm(weight.numel(), generator=generator)
                        weight.copy_(weight.flatten()[order].view_as(weight))
        yield stage, model


def compare(
    encoder: Any,
    methods: tuple[str, ...],
    heads: list[np.ndarray],
    n_train: int,
    severity: float,
    seed: int,
) -> Iterator[dict[str, Any]]:
    """Teach one model, and look where it looked; one row a method."""
    order = np.random.default_rng(seed).permutation(len(heads))
    X, y, lesions = cohort([heads[k] for k in order], severity, seed)
    clf = AttentionMixerClassifier(
        image="scan", encoder=encoder, volume=READER, max_epochs=30, random_state=seed
    )
    clf.fit(X[:n_train], y[:n_train])
    auc = roc_auc_score(y[n_train:], clf.predict_proba(X[n_train:])[:, 1])
    ill = [k for k in range(n_train, len(X)) if y[k]]
    for method in methods:
        start, rows, maps = time.process_time(), [], {}
        for k in ill:
            found = explain_scan(clf, X.iloc[k], method=method)
            brain = brain_mask(found.hu, SPACING)
            rows.append(agreement(found.relevance, lesions[k], brain))
            maps[k] = found.relevance[brain]
        row = {"method": method, "auc": auc, "seconds": (time.process_time() - start) / len(ill)}
        row |= pd.DataFrame(rows).mean().to_dict()
        for stage, model in made_random(clf):
            like = []
            for k in ill[:4]:
                again = explain_scan(model, X.iloc[k], method=method)
                brain = brain_mask(again.hu, SPACING)
                like.append(stats.spearmanr(maps[k], again.relevance[brain]).statistic)
            row[f"random {stage}"] = float(np.nanmean(like))
        yield row


def main() -> None:
    """Print one row an encoder and method."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--train", type=int, default=72)
    parser.add_argument("--test", type=int, default=16, help="half of them with a lesion")
    parser.add_argument("--severity", type=float, default=0.0, help="in standard deviations")
    arguments = parser.parse_args()
    heads = healthy_heads(arguments.train + arguments.test, 0)
    rows = []
    for name, (encoder, methods) in ENCODERS.items():
        for seed in range(arguments.seeds):
            how = heads, arguments.train, arguments.severity, seed
            rows += [
                {"encoder": name, "seed": seed} | row for row in compare(encoder, methods, *how)
            ]
            print(pd.DataFrame(rows).tail(len(methods)).round(3).to_string(), flush=True)
    table = pd.DataFrame(rows).groupby(["encoder", "method"], sort=False).mean()
    print(table.drop(columns="seed").round(2).to_string())


if __name__ == "__main__":
    main()
