"""Does the interval of one patient hold the truth? Its coverage where the truth is known.

    python -m benchmarks.intervals [--draws 6] [--quick]

Simulated patients without scans have an exact posterior given their table. A classifier learns from
100, 400 or 1,000 of them, and `skedema.inspection` gives the interval of others, from what the fit
held out (by four members; of 1,000 patients by early stopping, which sets a tenth aside), or, of
gradient boosting, from half of the patients, who are not learned from. Two truths are looked at:
the share of patients with edema among all whom the model gives about the same probability (the mean
posterior of the nearest 250 of 5,000 patients), which is what the interval is of; and the posterior
of the patient, which no interval of this kind promises to hold. Seeds are 60,000 and above; the
method was chosen on others, 9,000 to 9,005 and 40,000 to 40,005.
"""

import argparse
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.paper.oracle import CLINICAL
from benchmarks.paper.patients import drawn
from benchmarks.paper.tables import markdown
from skedema import AttentionMixerClassifier
from skedema.inspection._interval import Calibration, recalibrated, venn_abers

SEED, TESTED_SEED = 60_000, 6_000_000
SIZES = 100, 400, 1000
GROUPS = {"all": (0, 1), "below 0.2": (0, 0.2), "0.2 to 0.8": (0.2, 0.8), "above 0.8": (0.8, 1)}


def patients(n: int, seed: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    X, y, oracle = drawn(n, seed, interaction=0.0)
    return X.drop(columns="scan"), y, oracle[CLINICAL]


def held_out_by_the_fit(n: int, seed: int) -> tuple[Any, Calibration]:
    X, y, _ = patients(n, seed)
    clf = AttentionMixerClassifier(warn_unusual=False, random_state=seed).fit(X, y)
    held = clf.held_out_
    return clf, Calibration(held.proba, np.asarray(held.y, dtype=int), held.sample_weight)


def half_not_learned_from(n: int, seed: int) -> tuple[Any, Calibration]:
    X, y, _ = patients(n, seed)
    X = X.select_dtypes(["number", "bool"]).astype(float)
    clf = HistGradientBoostingClassifier(max_iter=50, random_state=0).fit(X[::2], y[::2])
    rest = clf.predict_proba(X[1::2]), y[1::2].astype(int), np.ones(n // 2)
    return clf, Calibration(*rest)


MODELS = {
    "AttentionMixer, held out by its fit": held_out_by_the_fit,
    "gradient boosting, half held out": half_not_learned_from,
}


def intervals(
    of_members: np.ndarray, probability: np.ndarray, calibration: Calibration
) -> pd.DataFrame:
    """What `interval_table` gives of the class 1, patient by patient."""
    others = calibration.proba[:, 1], calibration.codes == 1, calibration.weight
    found = []
    for each, score in zip(of_members, probability, strict=True):
        bounds = recalibrated(score, *others, each)
        found.append((score, *bounds, *venn_abers(score, *others)))
    return pd.DataFrame(found, columns=["probability", "low", "high", "p0", "p1"])


def one_draw(model: str, n: int, draw: int, n_known: int, n_asked: int) -> pd.DataFrame:
    """The intervals of some patients, with both truths."""
    clf, calibration = MODELS[model](n, SEED + draw)
    X, _, posterior = patients(n_known, TESTED_SEED)
    given = X[clf.feature_names_in_]
    if not isinstance(clf, AttentionMixerClassifier):
        given = given.astype(float)
    of_members = members(clf, given)
    probability = of_members.mean(axis=1)
    rows = np.linspace(0, n_known - 1, n_asked).astype(int)
    apart = np.abs(probability[rows, None] - probability)
    alike = np.argsort(apart, axis=1, kind="stable")[:, : n_known // 20]
    truth = {"share": posterior[alike].mean(axis=1), "posterior": posterior[rows]}
    return intervals(of_members[rows], probability[rows], calibration).assign(**truth)


def members(clf: Any, X: pd.DataFrame) -> np.ndarray:
    """The probability of class 1 by each member, (n, n_members)."""
    if isinstance(clf, AttentionMixerClassifier):
        outputs = clf._outputs(X)  # of one network without an axis for members
        return softmax(outputs, axis=-1)[..., 1].reshape(len(outputs), -1)
    return clf.predict_proba(X)[:, 1:]


def summary(table: pd.DataFrame) -> list[str]:
    held = [
        f"{((table[truth] >= table[low]) & (table[truth] <= table[high])).mean():.2f}"
        for low, high in (("low", "high"), ("p0", "p1"))
        for truth in ("share", "posterior")
    ]
    widths = [
        f"{(table[high] - table[low]).mean():.2f}" for low, high in (("low", "high"), ("p0", "p1"))
    ]
    # Venn-Abers promises that the share lies between the means of p0 and p1.
    means = " / ".join(f"{table[name].mean():.3f}" for name in ("p0", "share", "p1"))
    return [*held[:2], widths[0], *held[2:], widths[1], means]


def report(n_draws: int, n_known: int, n_asked: int) -> Iterator[list[str]]:
    for model in MODELS:
        for n in SIZES:
            found = [one_draw(model, n, draw, n_known, n_asked) for draw in range(n_draws)]
            table = pd.concat(found, ignore_index=True)
            for group, (low, high) in GROUPS.items():
                inside = table[(table["probability"] >= low) & (table["probability"] <= high)]
                if len(inside):
                    yield [model, str(n), group, str(len(inside)), *summary(inside)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=6)
    parser.add_argument("--quick", action="store_true", help="2 draws, to see that it runs")
    options = parser.parse_args()
    sizes = (2, 500, 40) if options.quick else (options.draws, 5000, 200)
    columns = ["model", "patients", "probability", "intervals", "95 % holds the share"]
    columns += ["the posterior", "width", "Venn-Abers holds the share", "the posterior", "width"]
    columns += ["means of p0 / share / p1"]
    print(markdown(columns, []))
    for row in report(*sizes):
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
