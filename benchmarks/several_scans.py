"""Is what changed between two scans learned, from both and from either?

Healthy simulated heads get an infarct's edema of a severity s at baseline, drawn from a standard
normal distribution, and of s + g at follow-up, in the same place (`implant_edema`); each scan has
noise of its own. The outcome depends on g, the growth, and on the age, or, as a check that nothing
is lost where growth does not matter, on the severity at follow-up and the age. Out of fold, the
default encoder: both scans, either alone, none, and what the outcome's own model would reach.
"""

from __future__ import annotations

import argparse

import nibabel as nib
import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from benchmarks.saliency import SHAPE, SPACING, healthy_heads
from skedema import AttentionMixerClassifier
from skedema.datasets import implant_edema
from skedema.datasets._grid import straight_grid
from skedema.evaluation.statistics import delong_test
from skedema.scans.brain import brain_mask

SCANS = ["baseline", "followup"]
NOISE = 3.0  # HU


def patients(n: int, seed: int) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Give scans and ages, and the probability of each outcome."""
    rng = np.random.default_rng(seed)
    severity, growth = rng.normal(size=n), rng.normal(0, 0.7, n)
    age = rng.normal(65, 12, n)
    X = pd.DataFrame({"age": age.round(), "hours_between": rng.normal(24, 4, n).round(1)})
    cells: dict[str, list[np.ndarray]] = {name: [] for name in SCANS}
    for number, head in enumerate(healthy_heads(n, seed)):
        mask = brain_mask(head, SPACING)
        for name, s in zip(SCANS, (severity, severity + growth), strict=True):
            ill = implant_edema(
                head, SPACING, mask, severity=float(s[number]), random_state=number
            ).volume
            noise = np.where(mask, rng.normal(0, NOISE, head.shape), 0.0)
            cells[name].append((ill + noise).astype(np.float32))
    affine = straight_grid(SHAPE, SPACING).affine
    for name, volumes in cells.items():
        X[name] = pd.Series([nib.Nifti1Image(each, affine) for each in volumes], dtype=object)
    older = 0.6 * (age - 65) / 12
    return X, {
        "growth": expit(3.0 * growth + older),
        "severity at follow-up": expit(2.0 * (severity + growth) + older),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=1)
    args = parser.parse_args()
    for seed in range(args.seeds):
        X, probabilities = patients(args.patients, seed)
        for outcome, probability in probabilities.items():
            rng = np.random.default_rng([seed, 1])
            y = (rng.random(len(X)) < probability).astype(int)
            print(f"seed {seed}, {outcome}: {len(X)} patients, {y.mean():.0%} with it")
            print(f"  the outcome's own model    {roc_auc_score(y, probability):.3f}", flush=True)
            both = None
            for name, image in {
                "both": SCANS,
                "follow-up alone": ["followup"],
                "baseline alone": ["baseline"],
                "none": None,
            }.items():
                told = out_of_fold(X, y, image, args.folds)
                line = f"  {name:27}{roc_auc_score(y, told):.3f}"
                if both is None:
                    both = told
                else:
                    found = delong_test(y, both, told)
                    line += f"  both less it {found.difference:+.3f}, p {found.p_value:.3g}"
                print(line, flush=True)


def out_of_fold(X: pd.DataFrame, y: np.ndarray, image: list[str] | None, folds: int) -> np.ndarray:
    kept = X.drop(columns=[name for name in SCANS if name not in (image or [])])
    clf = AttentionMixerClassifier(image=image, random_state=0)
    cv = StratifiedKFold(folds, shuffle=True, random_state=0)
    return np.asarray(cross_val_predict(clf, kept, y, cv=cv, method="predict_proba")[:, 1])


if __name__ == "__main__":
    main()
