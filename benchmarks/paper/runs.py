"""Models on the same folds over several seeds; one that fails does not stop the others."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, parallel_config
from sklearn.model_selection import StratifiedKFold

from benchmarks.paper.plan import Plan, kept
from skedema.evaluation import Evaluation, evaluate


@dataclass
class Run:
    """What models came to; `failed` holds the errors of those that did not finish."""

    order: list[str]
    evaluation: Evaluation | None
    failed: dict[str, str]

    @property
    def names(self) -> list[str]:
        return [name for name in self.order if name not in self.failed]

    def of(self, names: list[str]) -> Evaluation:
        """The evaluation of these alone, on the seeds that all of them have."""
        folds, predictions = self.evaluation.folds, self.evaluation.predictions
        repeats = [set(folds.loc[folds["estimator"] == name, "repeat"]) for name in names]
        common = set.intersection(*repeats)
        parts = {
            key: table[table["estimator"].isin(names) & table["repeat"].isin(common)]
            for key, table in (("folds", folds), ("predictions", predictions))
        }
        return replace(
            self.evaluation,
            **{key: table.reset_index(drop=True) for key, table in parts.items()},
        )

    def n_seeds(self, name: str) -> int:
        folds = self.evaluation.folds
        return int(folds.loc[folds["estimator"] == name, "repeat"].nunique())


def run(
    what: str, models_of: Callable[[int], dict[str, Any]], X: Any, y: Any, plan: Plan, seeds: int
) -> Run:
    """Evaluate the models that `models_of` gives for each seed; some may be there for fewer."""
    order: list[str] = []
    parts: list[Evaluation] = []
    failed: dict[str, str] = {}
    for seed in range(seeds):
        models = models_of(seed)
        order += [name for name in models if name not in order]
        print(f"{what}, seed {seed}: {len(models)} models", file=sys.stderr, flush=True)
        for part, error in _evaluated(models, X, y, plan, seed):
            if isinstance(part, Evaluation):
                parts.append(_with_repeat(part, seed))
            else:
                failed.setdefault(part, error)
    done = Run(order, _joined(parts, failed), failed)
    _tell_seconds(what, done)
    return done


def _tell_seconds(what: str, done: Run) -> None:
    """Say which models take long: seconds of a fit, tuning included, and minutes in all."""
    for name in done.names:
        folds = done.of([name]).folds
        mean, total = folds["fit_seconds"].mean(), folds["fit_seconds"].sum()
        print(f"{what}, {name}: {mean:.1f} s a fold, {total / 60:.1f} min", file=sys.stderr)


def first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


def side_by_side(function: Callable[..., Any], calls: Iterable[tuple], plan: Plan) -> list[Any]:
    """Call a function with each of these arguments, `plan.jobs` at the same time."""
    with parallel_config(backend="loky", inner_max_num_threads=1):
        return Parallel(n_jobs=plan.jobs)(delayed(function)(*call) for call in calls)


def kept_or_error(path: Path, make: Callable[[], Any]) -> Any:
    """What is kept, or made and kept; a text that says why, if it cannot be made."""
    try:
        return kept(path, make)
    except Exception as error:
        return first_line(error)


def _evaluated(models: dict[str, Any], X: Any, y: Any, plan: Plan, seed: int):
    """Give evaluations, all at once if nothing fails; else one by one, and names with errors."""

    def together(some: dict[str, Any]) -> Evaluation:
        return evaluate(
            some,
            X,
            y,
            cv=StratifiedKFold(plan.folds, shuffle=True, random_state=seed),
            n_jobs=plan.jobs,
            storage=plan.kept_folds,
            random_state=0,
            verbose=1,
        )

    try:
        yield together(models), ""
        return
    except Exception as error:
        print(f"one failed, so each by itself: {first_line(error)}", file=sys.stderr, flush=True)
    for name, model in models.items():
        try:
            yield together({name: model}), ""
        except Exception as error:
            yield name, first_line(error)


def _with_repeat(part: Evaluation, seed: int) -> Evaluation:
    return replace(
        part,
        folds=part.folds.assign(repeat=seed),
        predictions=part.predictions.assign(repeat=seed),
    )


def _joined(parts: list[Evaluation], failed: dict[str, str]) -> Evaluation | None:
    tables = {}
    for key in ("folds", "predictions"):
        table = pd.concat([getattr(part, key) for part in parts]) if parts else pd.DataFrame()
        if parts:
            table = table[~table["estimator"].isin(failed)].reset_index(drop=True)
        tables[key] = table
    return replace(parts[0], **tables) if len(tables["folds"]) else None


def with_known(run: Run, reference: str, known: dict[str, np.ndarray]) -> Run:
    """Add probabilities that need no training, on the patients and folds of the reference."""
    if reference in run.failed:
        return run
    alone = run.of([reference])
    folds, predictions = [run.evaluation.folds], [run.evaluation.predictions]
    for name, probability in known.items():
        at = probability[alone.predictions["row"]]
        folds.append(alone.folds.assign(estimator=name, fit_seconds=np.nan))
        predictions.append(
            alone.predictions.assign(
                estimator=name, probability=at, predicted=(at >= 0.5).astype(int)
            )
        )
    joined = replace(
        run.evaluation,
        folds=pd.concat(folds, ignore_index=True),
        predictions=pd.concat(predictions, ignore_index=True),
    )
    return Run([*run.order, *known], joined, run.failed)
