"""What published weights are worth on patients of your own, and whether they were loaded right.

    python -m benchmarks.encoders --recipe fm_hct --weights model_weights.pth cohort.csv \\
        --image scan --target edema [--groups patient] [--drop COLUMN] [--memory FOLDER]

Out of fold: a linear probe on the features alone, a logistic regression on them beside the
clinical variables, and the classifier with them, each with the AUC and its 95 % interval, beside
the numbers of `Density` and the default encoder on the same folds. Nothing is tuned on what is
reported: the strength of each regression is chosen within the training part.

First it prints a digest: the SHA-256 of the file, and what the encoder makes of a head that is
drawn by formulas, the same everywhere. Two sites whose digests agree have loaded the same weights,
read scans alike and computed alike; numbers may differ in the last digit between processors.
Without a cohort that is all it does. ``--random`` stands for ``--weights``: the network with
random weights, to try the command before the file is there.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from skedema import AttentionMixerClassifier
from skedema.baselines import baselines
from skedema.cli._cohort import ColumnOptions, read_cohort
from skedema.cli._file import FileOptions
from skedema.encoders import PretrainedEncoder
from skedema.encoders.pretrained import Recipe, make_recipe
from skedema.evaluation import evaluate

DEFAULT, DENSITY, TABLE = "default encoder", "density", "clinical variables alone"
# What `baselines` calls the models of an encoder.
PROBE, BESIDE, FUSED = "probe", "beside the clinical variables", "classifier"
_FIRST = 6  # features that are printed
_NOTHING = 1e-5  # of a standard deviation


def reference_head() -> nib.Nifti1Image:
    """Draw a head by formulas: skull, brain, ventricles and a bleeding on a table, oblique."""
    shape, size = (200, 240, 40), (1.0, 1.0, 4.0)
    x, y, z = np.meshgrid(
        *((np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(shape, size, strict=True)),
        indexing="ij",
    )

    def within(centre: tuple[float, ...], radii: tuple[float, ...]) -> np.ndarray:
        parts = zip((x, y, z), centre, radii, strict=True)
        return sum(((axis - c) / r) ** 2 for axis, c, r in parts) < 1

    hu = np.full(shape, -1000.0)
    for value, centre, radii in (
        (40, (0, 0, 0), (80, 98, 78)),  # scalp
        (1100, (0, 0, 0), (75, 93, 73)),  # skull
        (28, (0, 0, 0), (69, 87, 67)),  # white matter, grey around it
        (36, (0, 0, 0), (69, 87, 67)),
        (28, (0, 0, 0), (60, 77, 58)),
        (8, (-14, 5, 8), (7, 26, 12)),
        (8, (14, 5, 8), (7, 26, 12)),
        (65, (38, -20, 12), (14, 18, 12)),
    ):
        hu[within(centre, radii)] = value
    hu[(np.abs(x) < 90) & (np.abs(y + 112) < 4)] = 150
    angle = np.radians(12)
    affine = np.diag([*size, 1.0])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    affine[1:3, 1:3] = turn @ affine[1:3, 1:3]
    return nib.Nifti1Image(hu.astype(np.int16), affine)


def encoder_of(options: argparse.Namespace, folder: Path) -> PretrainedEncoder:
    """Load the weights, or those that stand for them."""
    weights, recipe = options.weights, make_recipe(options.recipe)
    if weights is None:
        if not isinstance(recipe, Recipe) or (reader := recipe.reader()) is None:
            raise ValueError(f"--random: the recipe {options.recipe} makes no network by itself.")
        torch.manual_seed(options.seed)
        shape = reader.settings().shape
        network = recipe.build(in_channels=reader.n_channels, shape=shape)
        weights = folder / "random.pth"
        torch.save(recipe.state(network), weights)
    encoder = PretrainedEncoder(
        weights, recipe=recipe, entry=options.entry, memory=options.memory, n_jobs=options.n_jobs
    )
    return encoder.fit()


def digest(encoder: PretrainedEncoder) -> list[str]:
    """Say what was loaded, and what it makes of the reference head."""
    features = encoder.transform([reference_head()])[0].astype(np.float64)
    volume = encoder.volume_.read(reference_head())
    mean, sd = features.mean(), features.std()
    mean = 0.0 if abs(mean) < _NOTHING * sd else mean  # what is left of rounding differs
    report = encoder.weights_report_
    told = {
        "SHA-256 of the file": encoder.origin_["sha256"],
        "keys": f"{len(report.loaded)} loaded, {len(report.ignored)} left out by name",
        "reference head": ", ".join(
            f"channel {k} {channel.mean():.4g} +- {channel.std():.4g}"
            for k, channel in enumerate(volume)
        ),
        "its features": f"{len(features)}, mean {mean:.4g}, sd {sd:.4g}, "
        f"norm {np.linalg.norm(features):.4g}, "
        f"the first {' '.join(f'{value:.4g}' for value in features[:_FIRST])}",
    }
    return [f"{name}: {text}" for name, text in told.items()]


def models_of(encoder: Any, X: pd.DataFrame, options: argparse.Namespace) -> dict[str, Any]:
    """Make the models that are compared, by what they know of the scan and how they use it."""
    common = {
        "image": options.image,
        "memory": options.memory,
        "n_jobs": options.n_jobs,
        "random_state": options.seed,
    }
    made: dict[str, Any] = {}
    for name, each in ((options.recipe, FrozenEstimator(encoder)), (DEFAULT, "mirrored_tokens")):
        classifier = AttentionMixerClassifier(encoder=each, **common)
        others = baselines(classifier, X)
        made[f"{name}, {PROBE}"] = others["scan alone, linear probe"]
        if X.shape[1] > 1:
            made[f"{name}, {BESIDE}"] = others["frozen features, logistic regression"]
            made[f"{name}, {FUSED}"] = clone(classifier)
    for name, other in (
        (f"{DENSITY}, {PROBE}", "scan alone, density"),
        (f"{DENSITY}, {BESIDE}", "density features, logistic regression"),
        (TABLE, "metadata alone, logistic regression"),
    ):
        if other in others:
            made[name] = others[other]
    return made


def lines_of(result: Any, names: list[str]) -> list[str]:
    """Make a table: AUC, and what is gained over the default encoder used in the same way."""
    auc = result.summary(["roc_auc"]).set_index("estimator")
    lines = ["| model | AUC (95 %) | less that of the default encoder |", "| --- | --- | --- |"]
    for name in names:
        encoder, _, way = name.partition(", ")
        reference, gained = f"{DEFAULT}, {way}", ""
        if encoder != DEFAULT and reference in names:
            table = result.compare(reference).set_index("estimator")
            gained = "{difference:+.3f} ({low:+.3f} to {high:+.3f})".format(**table.loc[name])
        figure = "{pooled:.3f} ({low:.3f} to {high:.3f})".format(**auc.loc[name])
        lines.append(f"| {name} | {figure} | {gained} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", type=Path, nargs="?", help="a CSV; without, the digest alone")
    parser.add_argument("--recipe", required=True)
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--weights", help="the file, or the folder with config.json")
    given.add_argument("--random", action="store_true", help="random weights, to try the command")
    parser.add_argument("--entry", help="which state of a training checkpoint")
    parser.add_argument("--image", default="scan", help="column of the scans")
    parser.add_argument("--target", help="column of the labels")
    parser.add_argument("--groups", help="column of the patients, where they have several rows")
    parser.add_argument("--drop", action="append", default=[], help="column to leave out")
    parser.add_argument("--root", type=Path, help="where relative paths of scans start")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memory", type=Path, help="where features are kept")
    parser.add_argument("--n-jobs", type=int, default=None, help="processes that read scans")
    options = parser.parse_args()
    if options.cohort is not None and options.target is None:
        parser.error("a cohort needs --target, the column of its labels")
    with tempfile.TemporaryDirectory() as folder:
        try:
            run(options, Path(folder))
        except (ValueError, OSError) as error:
            sys.exit(str(error))


def run(options: argparse.Namespace, folder: Path) -> None:
    if options.random:
        print(
            f"RANDOM WEIGHTS (seed {options.seed}): a try-out of this command. No figure below "
            "says anything about published weights.\n"
        )
    encoder = encoder_of(options, folder)
    print("\n".join([*make_recipe(options.recipe).summary().splitlines(), *digest(encoder)]))
    if options.cohort is None:
        return
    columns = ColumnOptions(image=[options.image], drop=options.drop)
    beside = [options.groups] if options.groups else []
    table = read_cohort(
        options.cohort,
        FileOptions(root=options.root),
        columns,
        target=options.target,
        beside=beside,
    )
    groups = table.column(options.groups, "--groups") if options.groups else None
    models = models_of(encoder, table.X, options)
    result = evaluate(
        models,
        table.X,
        table.y,
        cv=options.folds,
        groups=groups,
        metrics=["roc_auc"],
        random_state=options.seed,
        return_estimator=False,
    )
    print(f"\n{options.cohort}, {options.target}: {result!r}\n")
    print("\n".join(lines_of(result, list(models))))


if __name__ == "__main__":
    main()
