"""Is pre-training worth anything on prepared heads? AUC beside the same network's random weights.

    python -m benchmarks.pretraining_worth [--scans 400 --epochs 16 --patients 200 --seeds 61 62 63]

A network (192 wide, 6 deep, patches of 8) is pre-trained on simulated scans of another seed and, if
SKEDEMA_REAL_DATA names their folder, on the 82 exams of CT-ICH, all without labels. Then it is as
`MirroredTokens` would have it: the tokens of each patch of a scan and of its mirror image, their
mean and absolute difference, 32 components of each (16 of real exams), a logistic regression, both
fitted within each of five folds, three times. "random weights" is the network as training began,
voxels scaled in the same way; with ``max_epochs=0`` no scan decides that scale, either. Differences
from random weights are of the same patients, in brackets their 95 % intervals (DeLong); nothing is
tuned. What `fit` itself tells of each recipe (`check_`) comes on standard error.

`--storage` keeps volumes, features and checkpoints, so that a run that was killed goes on.
"""

import argparse
import copy
import os
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.decomposition import KernelPCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skedema import ViTAutoencoder, VolumeReader
from skedema._pretraining.run import first_stage
from skedema.datasets import make_head_ct_cohort
from skedema.evaluation.statistics import delong_covariance
from skedema.modules.masked_autoencoder import MaskedAutoencoder
from skedema.scans._remarks import gathered

UNLABELLED = 60  # seed of the scans to pre-train on
REPEATS, FOLDS, C = 3, 5, 0.03


class OtherSide(MaskedAutoencoder):
    """Of a patch and its mirror partner one is hidden, the other shown: with mask_ratio=0.5."""

    def encode_shown(self, volumes, noise):
        places = np.arange(self.n_patches).reshape(self.patches.grid)
        partner = places[::-1].ravel().copy()
        return super().encode_shown(volumes, noise + (noise > noise[:, partner]))


class MirrorReconstruction(ViTAutoencoder):
    """Rebuild each hidden patch with what lies on the other side in sight."""

    def _training(self, X, **settings):
        training = super()._training(X, **settings)
        training.module.__class__ = OtherSide
        return training


RECIPES = {
    "masked reconstruction": (ViTAutoencoder, {"contrast_weight": 0.0}),
    "masked reconstruction and contrast": (ViTAutoencoder, {}),
    "cross decoder": (ViTAutoencoder, {"contrast_weight": 0.0, "decoder": "cross"}),
    "cross decoder, a third": (
        ViTAutoencoder,
        {"contrast_weight": 0.0, "decoder": "cross", "predicted_share": 1 / 3},
    ),
    "mirror reconstruction": (MirrorReconstruction, {"contrast_weight": 0.0, "mask_ratio": 0.5}),
    "max_epochs=0": (ViTAutoencoder, {"max_epochs": 0}),
}


def pretrained(recipe: str, scans: list[str], options: argparse.Namespace) -> ViTAutoencoder:
    kind, settings = RECIPES[recipe]
    autoencoder = kind(
        dim=192,
        depth=6,
        n_heads=6,
        patch=8,
        volume=VolumeReader(template="head"),
        pool="patches",
        max_epochs=options.epochs,
        random_state=options.weights,
        memory=options.storage,
        checkpoint_dir=options.storage / kind.__name__,  # not to go on from those of the other
    ).set_params(**settings)
    with gathered():
        return autoencoder.fit(scans)


def untrained(autoencoder: ViTAutoencoder) -> ViTAutoencoder:
    """Give the same network with the weights that its training began with."""
    module = first_stage(autoencoder.get_params(deep=False), autoencoder.volume_).module.eval()
    module.standardize.load_state_dict(autoencoder.module_.standardize.state_dict())
    other = copy.copy(autoencoder)
    other.module_ = module
    return other


def scores(autoencoder: ViTAutoencoder, scans: list[str], y: np.ndarray, k: int) -> np.ndarray:
    """Predict each patient from the others, (REPEATS, n)."""
    with gathered():
        tokens, others = autoencoder.transform(scans), autoencoder.transform_mirrored(scans)
    parts = (tokens + others) / 2, np.abs(tokens - others)
    products = [part @ part.T for part in (part - part.mean(axis=0) for part in parts)]
    found = np.empty((REPEATS, len(y)))
    for repeat in range(REPEATS):
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=repeat)
        for train, test in folds.split(y, y):
            X = np.hstack([components(product, train, k) for product in products])
            model = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=5000))
            found[repeat, test] = model.fit(X[train], y[train]).decision_function(X[test])
    return found


def components(products: np.ndarray, train: np.ndarray, k: int) -> np.ndarray:
    """Project all on the principal components of `train`, from scalar products (n, n)."""
    model = KernelPCA(k, kernel="precomputed", eigen_solver="dense")
    model.fit(products[np.ix_(train, train)])
    return model.transform(products[:, train])


def compared(y: np.ndarray, found: np.ndarray, random: np.ndarray) -> tuple[float, float, float]:
    """Give the AUC, and how much above random weights it is, with the variance of that."""
    auc, covariance = delong_covariance(y, np.stack([found, random]))
    contrast = np.array([1.0, -1.0])
    return auc[0], auc[0] - auc[1], contrast @ covariance @ contrast


def told(difference: float, variance: float) -> str:
    half = 1.96 * np.sqrt(variance)
    return f"{difference:+.3f} ({difference - half:+.3f} to {difference + half:+.3f})"


def cohorts(options: argparse.Namespace):
    """Give name, scans, labels and number of components of each."""
    for seed in options.seeds:
        cohort = simulated(options.patients, seed, options)
        yield f"seed {seed}", cohort.frame["scan"].to_list(), cohort.target.to_numpy(), 32
    scans, y = real(options)
    if scans:
        yield "CT-ICH", scans, y, 16


def simulated(n: int, seed: int, options: argparse.Namespace):
    return make_head_ct_cohort(n, options.storage / f"cohort-{seed}-{n}", random_state=seed)


def real(options: argparse.Namespace) -> tuple[list[str], np.ndarray]:
    if not options.real:
        return [], np.array([])
    home = Path(options.real) / "ct_ich"
    table = pd.read_csv(home / "cohort.csv")
    return [str(home / name) for name in table["scan"]], table["ich"].to_numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=int, default=400, help="simulated, to pre-train on")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--patients", type=int, default=200, help="of each simulated cohort")
    parser.add_argument("--seeds", type=int, nargs="*", default=[61, 62, 63])
    parser.add_argument("--weights", type=int, default=0, help="seed of the initial weights")
    parser.add_argument("--recipes", nargs="*", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--real", default=os.environ.get("SKEDEMA_REAL_DATA"))
    parser.add_argument("--storage", type=Path, default=Path("results/pretraining"))
    options = parser.parse_args()
    scans = simulated(options.scans, UNLABELLED, options).frame["scan"].to_list()
    scans += real(options)[0]
    networks = {recipe: pretrained(recipe, scans, options) for recipe in options.recipes}
    random = untrained(next(iter(networks.values())))
    rows = {name: [] for name in ("random weights", *networks)}
    names, summed = [], {name: np.zeros(3) for name in networks}
    for name, scans, y, k in cohorts(options):
        names.append(name)
        base = scores(random, scans, y, k)
        rows["random weights"].append(f"{compared(y, base, base)[0]:.3f}")
        for recipe, network in networks.items():
            auc, difference, variance = compared(y, scores(network, scans, y, k), base)
            rows[recipe].append(f"{auc:.3f}, {told(difference, variance)}")
            if name != "CT-ICH":
                summed[recipe] += auc, difference, variance
    if n := len(options.seeds):
        names.append("mean of the simulated")
        rows["random weights"].append("")
        for recipe, (auc, difference, variance) in summed.items():
            rows[recipe].append(f"{auc / n:.3f}, {told(difference / n, variance / n**2)}")
    print(f"| weights | {' | '.join(names)} |\n|{' --- |' * (len(names) + 1)}")
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
