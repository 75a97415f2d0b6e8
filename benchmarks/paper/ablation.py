"""AttentionMixer without each of its parts, and with other encoders."""

from typing import Any

from sklearn.base import clone

from benchmarks.paper.cohorts import cohort
from benchmarks.paper.models import NAME, attention_mixer, rivals
from benchmarks.paper.plan import Plan
from benchmarks.paper.runs import run
from benchmarks.paper.tables import COLUMNS, comparison_table
from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema.baselines import ablations
from skedema.encoders import CNN, MirroredTokens
from skedema.fusion import CrossAttention

#: Heads upright on 32 cubed voxels in a narrow window, bone and air in the picture.
NOT_PREPARED = VolumeReader(spacing=6.75, shape=32, windows=[(40, 30)], align=True)
PREPARED = VolumeReader(template="head")
PATCH = 8
#: Of what is trained on labels, with volumes going through the network in every step.
EPOCHS, EPOCHS_QUICK = 25, 1
PRETRAINED_EPOCHS, PRETRAINED_EPOCHS_QUICK = 60, 1


def scan_sides(mixer: AttentionMixerClassifier) -> dict[str, Any]:
    """The classifier with other features of the scan."""
    pooled = ViTAutoencoder(patch=PATCH, max_epochs=0, volume=PREPARED, random_state=0)
    encoders = {
        "sides apart": MirroredTokens(sides="apart"),
        "mean of the sides alone": MirroredTokens(sides="mean"),
        "difference of the sides alone": MirroredTokens(sides="difference"),
        "head not prepared": MirroredTokens(volume=NOT_PREPARED),
        "mean over all tokens": pooled,
        "8 components": MirroredTokens(n_components=8),
        "16 components": MirroredTokens(n_components=16),
        "64 components": MirroredTokens(n_components=64),
        "components a region": MirroredTokens(regions=(1, 3, 2)),
        "other random weights, 1": MirroredTokens(random_state=1),
        "other random weights, 2": MirroredTokens(random_state=2),
        "density": "density",
        "tokens and density": [mixer.encoder, "density"],
    }
    others = {
        name: clone(mixer).set_params(encoder=encoder, fine_tune=False)
        for name, encoder in encoders.items()
    }
    return {NAME: mixer, **others}


def ablation_tables(plan: Plan) -> str:
    """A table of the head's parts, and two of the scan's side: fused, and the scan alone."""
    patients = cohort(plan, plan.cohorts[0])
    X, y = patients.frame, patients.target

    def of_head(seed: int) -> dict[str, Any]:
        mixer = attention_mixer(seed, plan)
        return {NAME: mixer, **ablations(mixer), "one member": clone(mixer).set_params(n_members=1)}

    def of_scan(seed: int) -> dict[str, Any]:
        return scan_sides(attention_mixer(seed, plan))

    def of_scan_alone(seed: int) -> dict[str, Any]:
        models = of_scan(seed)
        return {name: rivals(model, X)["scan alone"] for name, model in models.items()}

    text = [f"Cohort {plan.cohorts[0]}. {COLUMNS}"]
    for title, models_of in (
        ("The head", of_head),
        ("The scan's side", of_scan),
        ("The scan's side, scan alone", of_scan_alone),
    ):
        done = run(title, models_of, X, y, plan, plan.seeds)
        text += [f"### {title}", comparison_table(done, NAME)]
    return "\n\n".join(text)


def trained_table(plan: Plan) -> str:
    """Encoders that learn from labels, or from the training scans without them."""
    patients = cohort(plan, plan.cohorts[0])
    X, y = patients.frame, patients.target
    epochs = EPOCHS_QUICK if plan.quick else EPOCHS
    pretrained = PRETRAINED_EPOCHS_QUICK if plan.quick else PRETRAINED_EPOCHS

    def models_of(seed: int) -> dict[str, Any]:
        mixer = attention_mixer(seed, plan)
        through = {"fine_tune": True, "volume": PREPARED, "batch_size": 16, "max_epochs": epochs}
        cnn = {"encoder": CNN(width=16, depth=3), "fusion": CrossAttention(query="tokens")}
        untrained = ViTAutoencoder(patch=PATCH, max_epochs=0, random_state=0)
        taught = ViTAutoencoder(patch=PATCH, max_epochs=pretrained, random_state=0)
        models = {
            "a 3-D CNN, trained on labels": {**cnn, **through},
            "a vision transformer, trained on labels": {
                "encoder": untrained,
                "layer_decay": 1.0,  # no layer knows anything yet that is to be kept
                **through,
            },
            "pre-trained on the training scans": {"encoder": MirroredTokens(taught)},
        }
        made: dict[str, Any] = {NAME: mixer}
        for name, changes in models.items():
            made[name] = fused = clone(mixer).set_params(**changes)
            made[f"scan alone, {name}"] = rivals(fused, X)["scan alone"]
        return made

    done = run("trained", models_of, X, y, plan, 1)
    about = (
        f"Cohort {plan.cohorts[0]}, 1 seed. Trained on labels: {epochs} epochs of the network, "
        "mirrored at random; pre-trained: "
        f"{pretrained} epochs of masked reconstruction in each fold, then as the default encoder. "
    )
    return f"{about}{COLUMNS}\n\n{comparison_table(done, NAME)}"
