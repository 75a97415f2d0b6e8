"""No patient's result may depend on another's, whatever the plug-ins.

A network that lets patients see each other, through batch normalisation or an attention over the
wrong axis, gives another answer for the one patient who comes in than for the same patient among
others. Every name in the registries is tested, so a plug-in that is added later is tested as well.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from skorch.callbacks import Callback
from torch import Tensor, nn
from torch.testing import assert_close

from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema._training.cohort import Cohort
from skedema._training.target import Target
from skedema.encoders import CNN, Encoder, MirroredTokens, MonaiEncoder, ViT, list_encoders
from skedema.frames import read_table
from skedema.fusion import CrossAttention, Fusion, Perceiver, SelfAttention, list_fusions
from skedema.modules.attention import MultiHeadCrossAttention
from skedema.refiners import Refiner, list_refiners

pytestmark = pytest.mark.numerical

N, SHAPE = 6, (12, 10, 20)
COMPLETE, NO_SODIUM, NO_SCAN, NOTHING = range(4)
# Rounding depends on the shape of a batch; anything beyond that is another patient.
CLOSE = {"rtol": 1e-9, "atol": 1e-10}

FUSIONS = [*list_fusions(), CrossAttention(query="tokens"), CrossAttention(keys="table")]
REFINERS = [*list_refiners(), None]
# Those that leave out what is missing; which encoder gave the scan's tokens is the same to them.
MASKED = [
    CrossAttention(missing="mask"),
    CrossAttention(query="tokens", missing="mask"),
    CrossAttention(keys="table", missing="mask"),
    SelfAttention(missing="mask"),
    Perceiver(missing="mask"),
]
# Every fusion and every refiner, but not each with each, which would take twice as long.
HEADS = [(fusion, "mixer") for fusion in FUSIONS]
HEADS += [("cross_attention", refiner) for refiner in REFINERS if refiner != "mixer"]
# By its name it would be pre-trained at its full size.
SMALL = {"vit_ae": ViTAutoencoder(size="tiny", patch=4, depth=1, decoder_depth=1, max_epochs=1)}
# "density" needs a geometry; its scans are measured one by one in its own tests.
NAMES = [name for name in list_encoders() if name not in ("density", "mirrored_tokens")]
ENCODERS = [*(SMALL.get(name, name) for name in NAMES), CNN(width=3, depth=1)]
# Two that classify, one that gives a feature map, one that gives a sequence.
MONAI = [
    pytest.param("monai:resnet10", marks=pytest.mark.slow),
    MonaiEncoder(
        "DenseNet",
        dim=8,
        arguments={"init_features": 8, "growth_rate": 4, "block_config": (2, 2), "bn_size": 2},
    ),
    MonaiEncoder("UNet", dim=8, arguments={"channels": (4, 8), "strides": (2,), "norm": "batch"}),
    MonaiEncoder(
        "ViT",
        arguments={
            "patch_size": 8,
            "hidden_size": 24,
            "mlp_dim": 24,
            "num_layers": 1,
            "num_heads": 2,
        },
    ),
]


class StopAtOnce(Callback):
    """Leave the network as it was built."""

    def on_train_begin(self, net, **kwargs):
        raise KeyboardInterrupt


def cohort(shape: tuple[int, ...]) -> tuple[pd.DataFrame, list[str]]:
    rng = np.random.default_rng(0)
    scans = np.empty(N, dtype=object)
    for patient in range(N):
        scans[patient] = rng.normal(40, 20, shape).astype(np.float32)
    X = pd.DataFrame(
        {
            "scan": scans,
            "age": rng.normal(60, 10, N),
            "sodium": rng.normal(138, 5, N),
            "sex": rng.choice(["f", "m"], N),
            "anticoagulated": rng.choice([True, False], N).astype(object),
        }
    )
    X.loc[[NO_SODIUM, NOTHING], ["sodium", "sex"]] = None
    X.loc[[NO_SCAN, NOTHING], "scan"] = None
    X.loc[NOTHING, ["age", "anticoagulated"]] = None
    return X, ["mild", "severe", "none"] * (N // 3)


def fit(X: pd.DataFrame, y: list[str], **parameters: object) -> AttentionMixerClassifier:
    shape = next(cell.shape for cell in X["scan"] if cell is not None) if "scan" in X else None
    defaults = {
        "image": "scan" if "scan" in X else None,
        "volume": None if shape is None else VolumeReader(spacing=None, shape=shape),
        "dtype": "float64",
        "dim": 12,
        "n_heads": 2,
        "callbacks": [StopAtOnce()],
        "random_state": 0,
    }
    return AttentionMixerClassifier(**(defaults | parameters)).fit(X, y)


def inputs_of(classifier: AttentionMixerClassifier, X: pd.DataFrame) -> dict[str, Tensor]:
    """Give what the classifier trains its network on, for a table, as one batch."""
    table, nobody = classifier._columns.match(read_table(X)), np.zeros(N, dtype=int)
    columns, weight = classifier._columns, np.ones(N)
    cohort = Cohort(columns, table, columns.scans(table), nobody, weight)
    patients = classifier._to_learn(
        cohort, Target(classifier._kind, nobody, weight, nobody), classifier.encoder_, mirror=False
    )
    inputs, _ = patients.take(torch.arange(N))
    del inputs["weight"]
    return inputs


def garbage_but(patient: int, inputs: dict[str, Tensor], categorical: Tensor) -> dict[str, Tensor]:
    """Replace all other patients by nonsense, some of it huge, some of it missing."""
    rng = torch.Generator().manual_seed(patient)
    changed = {name: value.clone() for name, value in inputs.items()}
    others = torch.arange(N) != patient
    clinical = 1e8 * torch.randn(inputs["clinical"].shape, generator=rng, dtype=torch.float64)
    clinical[torch.rand(clinical.shape, generator=rng) < 0.3] = torch.nan
    clinical[:, categorical] = 0  # a category there is
    changed["clinical"][others] = clinical[others]
    changed["present"][others] = ~inputs["present"][others]
    for name in {"features", "volume"} & set(inputs):
        scan = 1e6 * torch.randn(inputs[name].shape, generator=rng, dtype=torch.float64)
        changed[name][others] = scan[others]
    return changed


def assert_outputs_are_independent(
    network: nn.Module,
    inputs: dict[str, Tensor],
    patients: Sequence[int] = (COMPLETE, NO_SODIUM, NO_SCAN, NOTHING),
) -> None:
    def run(inputs: dict[str, Tensor], rows: list[int] | slice = slice(None)) -> Tensor:
        with torch.no_grad():
            return network(**{name: value[rows] for name, value in inputs.items()})

    together = run(inputs)
    assert torch.isfinite(together).all()
    # Or there would be nothing to see; without clinical variables, two patients have nothing.
    assert len(torch.unique(together, dim=0)) >= N - 1
    order = [3, 5, 0, 2, 1, 4]
    assert_close(run(inputs, order), together[order], **CLOSE)
    for patient in patients:
        assert_close(run(inputs, [patient])[0], together[patient], **CLOSE)
        nonsense = garbage_but(patient, inputs, network.clinical_tokens.is_categorical)
        assert_close(run(nonsense)[patient], together[patient], **CLOSE)


def assert_gradients_stay_within_patients(
    network: nn.Module,
    loss: nn.Module,
    inputs: dict[str, Tensor],
    patients: Sequence[int] = (COMPLETE, NO_SCAN),
) -> None:
    leaves = {
        name: inputs[name].clone().requires_grad_()
        for name in ("clinical", "features", "volume")
        if name in inputs
    }
    logits = network(**(inputs | leaves))
    target = torch.arange(N) % logits.shape[1]
    numeric = ~network.clinical_tokens.is_categorical
    contrast = torch.tensor([1.0, -2.0, 0.5], dtype=logits.dtype)
    for patient in patients:
        only = torch.eye(N, dtype=logits.dtype)[patient]
        for output in (logits[patient] @ contrast, loss(logits, target, only)):
            found = torch.autograd.grad(
                output, list(leaves.values()), retain_graph=True, materialize_grads=True
            )
            for name, gradient in zip(leaves, found, strict=True):
                assert torch.isfinite(gradient).all(), name
                others = torch.arange(N) != patient
                assert not gradient[others].any(), f"{name} of other patients"
                if name == "clinical":
                    assert gradient[patient, numeric].all(), name
                else:
                    assert gradient[patient].any() == inputs["present"][patient], name


def assert_patients_are_independent(classifier: AttentionMixerClassifier, X: pd.DataFrame) -> None:
    network, loss = classifier.net_.module_, classifier.net_.criterion_
    inputs = inputs_of(classifier, X)
    for training in (False, True):
        network.train(training)
        assert_outputs_are_independent(network, inputs)
        assert_gradients_stay_within_patients(network, loss, inputs)
    # and all the way from the table
    together = classifier.predict_proba(X)
    assert_allclose(classifier.predict_proba(X[::-1])[::-1], together, **CLOSE)
    for patient in (COMPLETE, NO_SCAN):
        alone = classifier.predict_proba(X[patient : patient + 1])
        assert_allclose(alone[0], together[patient], **CLOSE)


@pytest.mark.parametrize(("fusion", "refiner"), HEADS, ids=str)
@pytest.mark.parametrize("fine_tune", [True, False], ids=["fine-tuned", "frozen"])
@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda e: str(e).partition("(")[0])
def test_patients_are_independent(encoder, fine_tune, fusion, refiner):
    X, y = cohort(SHAPE)
    classifier = fit(X, y, encoder=encoder, fine_tune=fine_tune, fusion=fusion, refiner=refiner)
    assert_patients_are_independent(classifier, X)


@pytest.mark.parametrize(("fusion", "refiner"), HEADS, ids=str)
@pytest.mark.parametrize("regions", [None, (1, 2, 2)], ids=str)
def test_patients_are_independent_with_mirrored_tokens(regions, fusion, refiner):
    X, y = cohort(SHAPE)
    encoder = MirroredTokens(ViT(dim=12, depth=1, patch=4), n_components=2, regions=regions)
    classifier = fit(X, y, encoder=encoder, fusion=fusion, refiner=refiner)
    assert_patients_are_independent(classifier, X)


# With one head: to heads, which see tokens alone, these are encoders like those above.
@pytest.mark.parametrize("fine_tune", [True, False], ids=["fine-tuned", "frozen"])
@pytest.mark.parametrize("encoder", MONAI, ids=lambda e: getattr(e, "name", e))
def test_patients_are_independent_with_networks_of_monai(encoder, fine_tune):
    pytest.importorskip("monai")
    X, y = cohort((8, 16, 8))
    classifier = fit(X, y, encoder=encoder, fine_tune=fine_tune)
    assert_patients_are_independent(classifier, X)


@pytest.mark.parametrize("fusion", MASKED, ids=str)
@pytest.mark.parametrize("left_out", [None, "scan", "clinical"], ids="without {}".format)
def test_patients_are_independent_where_what_is_missing_is_left_out(left_out, fusion):
    X, y = cohort(SHAPE)
    if left_out is not None:
        X = X.drop(columns="scan") if left_out == "scan" else X[["scan"]]
    classifier = fit(X, y, encoder=CNN(width=4, depth=2), fusion=fusion)
    assert_patients_are_independent(classifier, X)


@pytest.mark.slow
def test_patients_are_independent_with_a_deep_network_that_had_batch_norm():
    pytest.importorskip("monai")
    X, y = cohort((32, 32, 32))  # the smallest that DenseNet121 takes
    classifier = fit(X, y, encoder="monai:DenseNet121")
    network, inputs = classifier.net_.module_, inputs_of(classifier, X)
    network.train()
    assert_outputs_are_independent(network, inputs, [COMPLETE, NOTHING])
    assert_gradients_stay_within_patients(network, classifier.net_.criterion_, inputs, [COMPLETE])


@pytest.mark.parametrize(("fusion", "refiner"), HEADS, ids=str)
@pytest.mark.parametrize("left_out", ["scan", "clinical"], ids="without {}".format)
def test_patients_are_independent_with_one_modality_alone(left_out, fusion, refiner):
    X, y = cohort(SHAPE)
    X = X.drop(columns="scan") if left_out == "scan" else X[["scan"]]
    classifier = fit(X, y, encoder=CNN(width=4, depth=2), fusion=fusion, refiner=refiner)
    assert_patients_are_independent(classifier, X)


# The tests above can fail


class AttentionOverTheBatch(Fusion):
    """Takes the patients for the tokens, as a forgotten batch_first does."""

    def build(self, *, dim, n_heads, n_queries, n_variables, dropout):
        return _AttentionOverTheBatch(dim, n_heads)


class _AttentionOverTheBatch(nn.Module):
    n_tokens = 1

    def __init__(self, dim: int, n_heads: int) -> None:
        super().__init__()
        self.attend = MultiHeadCrossAttention(dim, n_heads, 0.0)

    def forward(self, queries, tokens, present):
        queries = queries.mean(dim=1, keepdim=True)
        attended, _ = self.attend(queries.transpose(0, 1), tokens.mean(dim=1).unsqueeze(0))
        return queries + attended.transpose(0, 1), None


class CentredOverTheBatch(Refiner):
    """Takes off what is common to the batch."""

    def build(self, *, dim, n_tokens, depth, dropout):
        return _CentredOverTheBatch()


class _CentredOverTheBatch(nn.Module):
    def forward(self, sequence):
        return sequence - sequence.mean(dim=0)


class BatchNormCNN(Encoder):
    """A CNN as they mostly are."""

    def build(self, *, in_channels, shape):
        return nn.Sequential(
            nn.Conv3d(in_channels, 4, 3, stride=4), nn.BatchNorm3d(4), nn.ReLU(), nn.Flatten(2)
        )


@pytest.mark.parametrize(
    "wrong", [{"fusion": AttentionOverTheBatch()}, {"refiner": CentredOverTheBatch()}], ids=str
)
def test_plug_in_that_mixes_patients_is_caught(wrong):
    X, y = cohort(SHAPE)
    classifier = fit(X, y, encoder=CNN(width=3, depth=2), **wrong)
    network, inputs = classifier.net_.module_, inputs_of(classifier, X)
    with pytest.raises(AssertionError):
        assert_outputs_are_independent(network, inputs)
    with pytest.raises(AssertionError, match="of other patients"):
        assert_gradients_stay_within_patients(network, classifier.net_.criterion_, inputs)


def test_batch_norm_is_caught_in_training_and_harmless_afterwards():
    X, y = cohort(SHAPE)
    classifier = fit(X, y, encoder=CNN(width=4, depth=1))
    network, inputs = classifier.net_.module_, inputs_of(classifier, X)
    network.encoder.stages[1] = nn.BatchNorm3d(4).double()  # behind the classifier's back
    network.eval()
    assert_outputs_are_independent(network, inputs)
    network.train()
    with pytest.raises(AssertionError):
        assert_outputs_are_independent(network, inputs)
    with pytest.raises(AssertionError, match="of other patients"):
        assert_gradients_stay_within_patients(network, classifier.net_.criterion_, inputs)


def test_encoder_with_batch_norm_is_refused_where_it_would_be_trained():
    X, y = cohort(SHAPE)
    with pytest.raises(
        ValueError, match=r"The encoder \(.*\) holds batch normalisation.*fine_tune=False"
    ):
        fit(X, y, encoder=BatchNormCNN())
    assert_patients_are_independent(fit(X, y, encoder=BatchNormCNN(), fine_tune=False), X)


# Each clinical variable is a token of its own


def test_each_clinical_variable_is_a_token_of_its_own():
    X, y = cohort(SHAPE)
    classifier = fit(X, y, encoder=CNN(width=3, depth=1), max_epochs=1, callbacks=None)
    embed = classifier.net_.module_.clinical_tokens
    names = [name for name in X if name != "scan"]

    def tokens(table: pd.DataFrame) -> Tensor:
        with torch.no_grad():
            return embed(inputs_of(classifier, table)["clinical"])

    before = tokens(X)
    assert before.shape == (N, len(names), 12)
    replacement = {"age": 1.0, "sodium": 1.0, "sex": None, "anticoagulated": None}
    for position, name in enumerate(names):
        changed = X.copy()
        changed.loc[COMPLETE, name] = replacement[name]
        differs = (tokens(changed) != before).any(dim=-1)
        assert differs.nonzero().tolist() == [[COMPLETE, position]], name
