"""Every model of the tables: all settings of the benchmark are here.

Networks are as they are by default. What is not one of ours is tuned within the training part of a
fold, if that is cheap.
"""

from typing import Any

from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline

from benchmarks.paper.oracle import TrueFindings
from benchmarks.paper.plan import Plan
from skedema import AttentionMixerClassifier
from skedema.baselines import WeightedAverage, baselines

NAME = "AttentionMixer"
#: The features of all models: the classifier's own default, fitted on the training part.
ENCODER = AttentionMixerClassifier().encoder
INNER_FOLDS = 3
GRID: dict[type, dict[str, list[Any]]] = {
    LogisticRegression: {"C": [0.001, 0.01, 0.1, 1.0, 10.0]},
    HistGradientBoostingClassifier: {"learning_rate": [0.03, 0.1], "max_leaf_nodes": [4, 16]},
    MLPClassifier: {"alpha": [1.0, 10.0, 100.0]},
}
AVERAGED = 5
#: As far as a quick run trains networks.
EPOCHS_QUICK = 3
#: Left out for their time: one trains a network on volumes, the other twelve heads a fold.
SLOW = ("scan alone, 3-D CNN", "stacking")
WITH_DENSITY = "with density"
#: Those whose difference the cohort with interaction is for.
ON_INTERACTION = (
    NAME,
    "metadata alone",
    "fusion, concat",
    "fusion, film",
    "fusion, product of experts",
    "averaging",
    "frozen features, gradient boosting",
    "frozen features, logistic regression",
)


def attention_mixer(seed: int, plan: Plan, encoder: Any = None) -> AttentionMixerClassifier:
    """The model of the paper, as it is by default; a quick run trains it for a few epochs."""
    return AttentionMixerClassifier(
        image="scan",
        encoder=ENCODER if encoder is None else encoder,
        memory=plan.memory,
        random_state=seed,
        **({"max_epochs": EPOCHS_QUICK} if plan.quick else {}),
    )


def comparison(X: Any, seed: int, plan: Plan) -> dict[str, Any]:
    """AttentionMixer and every baseline on the same features."""
    mixer = attention_mixer(seed, plan)
    models = {NAME: mixer, **rivals(mixer, X)}
    for name in SLOW:
        models.pop(name, None)
    both = attention_mixer(seed, plan, [ENCODER, "density"])
    regression = "frozen features, logistic regression"
    models[f"{NAME}, {WITH_DENSITY}"] = both
    models[f"{regression}, {WITH_DENSITY}"] = rivals(both, X)[regression]
    return {name: tuned(model, seed, plan) for name, model in models.items()}


def rivals(mixer: AttentionMixerClassifier, X: Any) -> dict[str, Any]:
    """Baselines on the same features as the classifier's."""
    return baselines(mixer, X, n_components=None)


def averaged(seed: int, plan: Plan) -> VotingClassifier:
    """AttentionMixer of several initial weights."""
    members = [
        (f"start {start}", attention_mixer(AVERAGED * seed + start, plan))
        for start in range(AVERAGED)
    ]
    return VotingClassifier(members, voting="soft")


def on_true_findings(findings: TrueFindings, X: Any, seed: int, plan: Plan) -> dict[str, Any]:
    """Two models that are told what the scans show."""
    told = attention_mixer(seed, plan, findings)
    logistic = rivals(told, X)["frozen features, logistic regression"]
    models = {NAME: told, "logistic regression": logistic}
    return {f"true findings, {name}": tuned(model, seed, plan) for name, model in models.items()}


def fusions(X: Any, seed: int, plan: Plan) -> dict[str, AttentionMixerClassifier]:
    """AttentionMixer and each other fusion."""
    mixer = attention_mixer(seed, plan)
    others = {
        name: model for name, model in rivals(mixer, X).items() if name.startswith("fusion, ")
    }
    return {NAME: mixer, **others}


def tuned(model: Any, seed: int, plan: Plan) -> Any:
    """Search the grid of a model that is none of ours on the training part.

    A quick run has no search.
    """
    if isinstance(model, WeightedAverage):
        return clone(model).set_params(cv=2 if plan.quick else INNER_FOLDS)
    if plan.quick or isinstance(model, StackingClassifier | VotingClassifier):
        return model
    last, prefix = model, ""
    if isinstance(model, Pipeline):
        step, last = model.steps[-1]
        prefix = f"{step}__"
    grid = GRID.get(type(last))
    if grid is None:  # one of ours, or it tunes itself
        return model
    return GridSearchCV(
        clone(model),
        {prefix + name: values for name, values in grid.items()},
        scoring="neg_log_loss",
        cv=StratifiedKFold(INNER_FOLDS, shuffle=True, random_state=seed),
        error_score="raise",
    )


def settings(plan: Plan) -> str:
    """Say in words what holds for all tables."""
    if plan.quick:
        how = (
            f"A quick run: networks train for {EPOCHS_QUICK} epochs, and nothing is tuned beyond "
            "what tunes itself."
        )
    else:
        grids = "; ".join(
            f"{kind.__name__} {', '.join(f'{k} {v}' for k, v in grid.items())}"
            for kind, grid in GRID.items()
        )
        how = (
            "Networks of skedema are as they are by default and are not tuned. Of the others, "
            f"{grids} are searched within the training part of a fold, by log loss on "
            f"{INNER_FOLDS} inner folds, which also weigh the members of the weighted average, and "
            "logistic regressions on frozen features tune C themselves, over seven values."
        )
    return (
        f"All models get the same features of a scan, those of the default encoder ({ENCODER!r}), "
        f"fitted within the training part of a fold. {how} A seed decides folds, inner folds, "
        "initial weights and order of the patients."
    )
