"""Put the network together from the estimator's parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from skorch.callbacks import EarlyStopping
from skorch.utils import noop
from torch import nn

from skedema._training.intake import Intake
from skedema._training.net import FusionNet
from skedema._training.patients import Patients
from skedema.fusion import make_fusion
from skedema.modules.fused import FusedClassifier
from skedema.modules.tokens import ClinicalTokens, ScanTokens
from skedema.refiners import make_refiner


def build_network(
    intake: Intake,
    patients: Patients,
    *,
    fusion: Any,
    refiner: Any,
    dim: int,
    n_heads: int,
    depth: int,
    dropout: float,
    input_dropout: float,
    modality_dropout: float,
    n_classes: int,
) -> FusedClassifier:
    """Build the network, with fresh weights from torch's global generator.

    Parameters
    ----------
    intake : Intake
        Fitted: it knows the variables and the encoder.
    patients : Patients
        The training patients; features of an encoder that was trained before are standardised by
        their weighted mean and spread, over both views where they are there, also where the encoder
        is trained further.
    fusion, refiner, dim, n_heads, depth, dropout, input_dropout, modality_dropout
        The classifier's parameters.
    n_classes : int
        Number of logits.

    Returns
    -------
    FusedClassifier
        In the patients' dtype.

    Raises
    ------
    ValueError
        When `n_heads` does not divide `dim`, or a part holds batch normalisation.
    TypeError
        When the fusion's module does not say how many tokens it gives.
    """
    if dim % n_heads:
        raise ValueError(f"n_heads={n_heads} must divide dim={dim}.")
    n_variables = len(intake.variables)
    encoder, feature_dim, n_queries = None, None, 1
    present = patients.present.numpy()
    views = [v.numpy()[present] for v in (patients.features, patients.mirrored) if v is not None]
    known = np.concatenate(views, axis=1) if views else None
    if intake.branch is not None:
        feature_dim, n_queries = intake.branch.dim, intake.branch.n_tokens
        if intake.branch.trained:
            known = intake.branch.start
            encoder = intake.branch.release()
    scan_tokens = ScanTokens(feature_dim, dim, input_dropout)
    if known is not None:
        scan_tokens.standardise(*_spread(known, patients.weight.numpy()[present]))
    mix = make_fusion(fusion).build(
        dim=dim, n_heads=n_heads, n_queries=n_queries, n_variables=n_variables, dropout=dropout
    )
    if not isinstance(getattr(mix, "n_tokens", None), int):
        raise TypeError(
            f"The module of fusion {type(mix).__name__} must have an integer attribute n_tokens, "
            "the length of the sequence it gives."
        )
    refine = make_refiner(refiner)
    lacked = patients.clinical.isnan().any(dim=0)
    network = FusedClassifier(
        encoder,
        scan_tokens,
        ClinicalTokens(intake.n_categories.tolist(), dim, lacked),
        mix,
        torch.nn.Identity()
        if refine is None
        else refine.build(dim=dim, n_tokens=mix.n_tokens, depth=depth, dropout=dropout),
        dim,
        n_classes,
        dropout,
        token_dropout=input_dropout,
        modality_dropout=modality_dropout,
    )
    _refuse_batch_norm(network)
    return network.to(patients.dtype)


def _refuse_batch_norm(network: FusedClassifier) -> None:
    for name, part in network.named_children():
        if any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in part.modules()):
            raise ValueError(
                f"The {name} ({type(part).__name__}) holds batch normalisation, with which the "
                "patients of a batch influence each other. Use GroupNorm or LayerNorm; an encoder "
                "that is not trained may keep its own: fine_tune=False."
            )


def build_net(
    network: FusedClassifier,
    *,
    seed: int,
    lr: float,
    layer_decay: float,
    weight_decay: float,
    batch_size: int,
    patience: int | None,
    callbacks: Any,
    device: torch.device,
    verbose: int,
) -> FusionNet:
    """Wrap the network into skorch's training loop.

    Parameters
    ----------
    network : FusedClassifier
        With fresh weights.
    seed : int
        Decides the order of the patients.
    lr, layer_decay, weight_decay, batch_size, callbacks, device, verbose
        The classifier's parameters.
    patience : int or None
        Epochs without a lower validation loss before stopping; None to train to the end.

    Returns
    -------
    FusionNet
        Not trained yet.
    """
    watchers = list(callbacks or [])
    if patience is not None:
        sink = print if verbose else noop
        stopper = EarlyStopping(patience=patience, load_best=True, sink=sink)
        watchers.append(("early_stopping", stopper))
    return FusionNet(
        network,
        seed=seed,
        layer_decay=layer_decay,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=weight_decay,
        optimizer__fused=device.type in ("cpu", "cuda"),
        lr=lr,
        batch_size=batch_size,
        callbacks=watchers,
        device=device,
        verbose=verbose,
    )


def _spread(known: np.ndarray, weight: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    weight = np.repeat(weight.astype(np.float64), known.shape[1])
    known = known.reshape(-1, known.shape[-1]).astype(np.float64)
    mean = np.average(known, axis=0, weights=weight)
    spread = np.sqrt(np.average((known - mean) ** 2, axis=0, weights=weight))
    # Rounding leaves a little spread in a feature that does not vary.
    constant = spread <= 1e-7 * np.abs(mean)
    return torch.tensor(mean), torch.tensor(np.where(constant, 1.0, spread))
