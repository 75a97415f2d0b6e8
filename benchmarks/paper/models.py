"""Every model of the tables, and how each is tuned: all settings of the benchmark are here."""

from typing import Any, NamedTuple

from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.paper.oracle import TrueFindings
from benchmarks.paper.plan import Plan
from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema.baselines import ablations, baselines
from skedema.encoders import CNN
from skedema.fusion import CrossAttention

NAME = "AttentionMixer"
INNER_FOLDS = 3
#: What each kind of model is tuned over, within the training part of a fold.
GRID: dict[type, dict[str, list[Any]]] = {
    LogisticRegression: {"C": [0.01, 0.1, 1.0, 10.0]},
    HistGradientBoostingClassifier: {"learning_rate": [0.03, 0.1], "max_leaf_nodes": [4, 16]},
    MLPClassifier: {"alpha": [1.0, 10.0, 100.0]},
    AttentionMixerClassifier: {"input_dropout": [0.3, 0.5], "max_epochs": [20, 50]},
}
ARCHITECTURE = {"dim": [16, 32, 64], "depth": [1, 2], "n_heads": [1, 4]}
AVERAGED = 5
N_COMPONENTS = 32
#: Rows that train a vision transformer in every fit, with their epochs: no grid, one seed.
TRAINED_THROUGHOUT = {"no pre-training, trained on labels": 12, "fine-tuning": 12}
EPOCHS, EPOCHS_QUICK = 60, 3  # of pre-training
THROUGHOUT_EPOCHS_QUICK = 1
READER = VolumeReader(spacing=6.75, shape=32, windows=[(40, 30)], align=True)
CNN_EPOCHS = 25


class Encoders(NamedTuple):
    """One autoencoder and the first components of its features; both fitted."""

    full: ViTAutoencoder
    compact: Pipeline


def autoencoder(plan: Plan, *, random_weights: bool = False) -> ViTAutoencoder:
    """The encoder of all models; with random weights it is left as its pre-training begins."""
    given = ViTAutoencoder(
        size="small",
        volume=READER,
        contrast_weight=0.0,
        pool="patches",
        max_epochs=EPOCHS_QUICK if plan.quick else EPOCHS,
        memory=plan.memory,
        n_jobs=plan.jobs,
        random_state=0,
        verbose=1,
    )
    if random_weights:
        given.set_params(max_epochs=1, lr=1e-12)  # a step of next to nothing
    return given


def encoders(scans: list[str], plan: Plan, *, random_weights: bool = False) -> Encoders:
    """Fit both on scans without labels."""
    components = PCA(min(N_COMPONENTS, len(scans) - 1), random_state=0)
    full = autoencoder(plan, random_weights=random_weights)
    compact = make_pipeline(full, StandardScaler(), components).fit(scans)
    return Encoders(compact[0], compact)


def attention_mixer(encoder: Any, seed: int, plan: Plan) -> AttentionMixerClassifier:
    """The model of the paper, on an encoder that is fitted."""
    return AttentionMixerClassifier(
        image="scan",
        encoder=FrozenEstimator(encoder),
        fine_tune=False,
        memory=plan.memory,
        random_state=seed,
    )


def comparison(given: Encoders, X: Any, seed: int, plan: Plan) -> dict[str, Any]:
    """AttentionMixer and every baseline, tuned."""
    mixer = attention_mixer(given.compact, seed, plan)
    models = {NAME: mixer, **baselines(mixer, X, n_components=_components(given))}
    cnn = models["scan alone, 3-D CNN"].steps[-1][1]
    cnn.set_params(**_cnn())
    return {name: tuned(model, seed, plan) for name, model in models.items()}


def averaged(given: Encoders, seed: int, plan: Plan) -> VotingClassifier:
    """AttentionMixer as it is by default, of several initial weights."""
    members = [
        (f"start {start}", attention_mixer(given.compact, AVERAGED * seed + start, plan))
        for start in range(AVERAGED)
    ]
    return VotingClassifier(members, voting="soft")


def _components(given: Encoders) -> int:
    return int(given.compact[-1].n_components)


def _cnn() -> dict[str, Any]:
    """Parameters of a classifier that trains a CNN on labels; each region asks."""
    return {
        "encoder": CNN(width=16, depth=3),
        "fusion": CrossAttention(query="tokens"),
        "fine_tune": True,
        "volume": READER,
        "batch_size": 16,
        "max_epochs": CNN_EPOCHS,
    }


def on_true_findings(findings: TrueFindings, X: Any, seed: int, plan: Plan) -> dict[str, Any]:
    """Two models that are told what the scans show."""
    told = attention_mixer(findings, seed, plan)
    logistic = baselines(told, X, n_components=8)["frozen features, logistic regression"]
    models = {NAME: told, "logistic regression": logistic}
    return {f"true findings, {name}": tuned(model, seed, plan) for name, model in models.items()}


def ablation(given: Encoders, initial: Encoders, seed: int, plan: Plan) -> dict[str, Any]:
    """AttentionMixer without each of its parts; `initial` has random weights."""
    mixer = attention_mixer(given.compact, seed, plan)
    parts: dict[str, Any] = {NAME: mixer, **ablations(mixer)}
    models = {name: tuned(part, seed, plan) for name, part in parts.items()}
    models["no pre-training, frozen"] = tuned(
        attention_mixer(initial.compact, seed, plan), seed, plan
    )
    cnn = clone(mixer).set_params(**_cnn())
    models["a 3-D CNN, trained on labels"] = cnn
    models["a 3-D CNN, trained on labels, one pooled query"] = ablations(cnn)["one pooled query"]
    if not plan.quick:
        models["architecture searched"] = _searched(mixer, ARCHITECTURE, seed)
    trained = ablations(attention_mixer(given.full, seed, plan).set_params(mirror=True))
    slow = {
        "fine-tuning": trained["fine-tuning"],
        "no pre-training, trained on labels": trained["no pre-training"],
    }
    for name, part in slow.items() if seed == 0 else ():
        models[name] = part.set_params(max_epochs=_epochs_throughout(name, plan), batch_size=16)
    return models


def ablation_notes(plan: Plan) -> dict[str, str]:
    """What the rows that take long are spared, to stand beside their names."""
    return {
        name: f"1 seed, {_epochs_throughout(name, plan)} epochs, not tuned"
        for name in TRAINED_THROUGHOUT
    }


def fusions(given: Encoders, X: Any, seed: int, plan: Plan) -> dict[str, AttentionMixerClassifier]:
    """AttentionMixer and each other fusion, as they are by default."""
    mixer = attention_mixer(given.compact, seed, plan)
    others = {
        name: model for name, model in baselines(mixer, X).items() if name.startswith("fusion, ")
    }
    return {NAME: mixer, **others}


def tuned(model: Any, seed: int, plan: Plan) -> Any:
    """Search a model's grid on the training part.

    What tunes itself stays, averaging has tuned members, stacking trains its own as they are. A
    quick run has no search.
    """
    if plan.quick or isinstance(model, StackingClassifier):
        return model
    if isinstance(model, VotingClassifier):
        members = [(name, tuned(member, seed, plan)) for name, member in model.estimators]
        return clone(model).set_params(estimators=members)
    last, prefix = model, ""
    if isinstance(model, Pipeline):
        step, last = model.steps[-1]
        prefix = f"{step}__"
    grid = _grid(last)
    if not grid:
        return model
    return _searched(model, {prefix + name: values for name, values in grid.items()}, seed)


def _searched(model: Any, grid: dict[str, list[Any]], seed: int) -> GridSearchCV:
    return GridSearchCV(
        model,
        grid,
        scoring="neg_log_loss",
        cv=StratifiedKFold(INNER_FOLDS, shuffle=True, random_state=seed),
        error_score="raise",
    )


def _grid(model: Any) -> dict[str, list[Any]]:
    """What a model is tuned over; nothing for what tunes itself and for the CNN."""
    grid = GRID.get(type(model), {})
    if not isinstance(model, AttentionMixerClassifier):
        return grid
    if isinstance(model.encoder, CNN):
        return {}
    if model.input_dropout == 0:  # the one without
        return {name: values for name, values in grid.items() if name != "input_dropout"}
    return grid


def settings(plan: Plan) -> str:
    """Say in words what holds for all tables."""
    if plan.quick:
        how = "A quick run: nothing is tuned beyond what tunes itself."
    else:
        grids = "; ".join(
            f"{kind.__name__} {', '.join(f'{k} {v}' for k, v in grid.items())}"
            for kind, grid in GRID.items()
        )
        how = (
            f"Each model is tuned within the training part of a fold, by log loss on "
            f"{INNER_FOLDS} inner folds: {grids}. Logistic regressions on frozen features tune C "
            "themselves, over seven values; averaging has tuned members; stacking trains its own "
            "untuned."
        )
    return (
        f"The encoder is one ViTAutoencoder ({_words(autoencoder(plan))}), pre-trained without "
        f"labels on the scans of {plan.unlabelled} other simulated patients and frozen; of its "
        f"features, the first {N_COMPONENTS} principal components among these scans go to all "
        "models but the 3-D CNN, which is trained on labels alone for "
        f"{CNN_EPOCHS} epochs, on the same voxels, mirrored at random. {how} A seed decides "
        "folds, inner folds, initial weights and order of the patients; cohort and encoder are "
        "the same for all seeds."
    )


def _epochs_throughout(name: str, plan: Plan) -> int:
    return THROUGHOUT_EPOCHS_QUICK if plan.quick else TRAINED_THROUGHOUT[name]


def _words(encoder: ViTAutoencoder) -> str:
    reader = encoder.volume
    return (
        f"size {encoder.size}, heads upright on {reader.shape} cubed voxels of "
        f"{reader.spacing:g} mm, windows "
        f"(width, level) {reader.windows}, pool {encoder.pool}, {encoder.max_epochs} epochs"
    )
