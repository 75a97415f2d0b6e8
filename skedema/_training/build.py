"""Put the network together from the estimator's parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from skorch.utils import noop
from torch import nn

from skedema._plugins import build
from skedema._training.net import FusionNet, LossStopper
from skedema._training.patients import Patients
from skedema._training.target import TargetKind
from skedema.fusion import make_fusion
from skedema.modules.committee import Committee
from skedema.modules.fused import FusedNetwork
from skedema.modules.scan_series import ScanSeries, with_changes
from skedema.modules.tokens import ClinicalTokens, ScanTokens
from skedema.refiners import make_refiner

# "auto": what training hides of its patients, and from how many patients on.
_HIDDEN, _ENOUGH_TO_HIDE = 0.3, 40


def build_network(
    parameters: Any,
    patients: Patients,
    encoder: nn.Module | None,
    views: Sequence[Any],
    shape: tuple[int, Any] | None,
    n_categories: Sequence[int],
    n_outputs: int,
) -> FusedNetwork:
    """Build the network, with fresh weights from torch's global generator.

    Parameters
    ----------
    parameters : estimator
        It has the parameters of `AttentionMixerClassifier`.
    patients : Patients
        Those to learn from.
    encoder : Module or None
        The one that is trained.
    views : sequence of array of shape (n, k * T, E) or None
        Their features of an encoder that was fitted before, as they are and mirrored. They are
        standardised by weighted mean and spread, also where the encoder is trained further.
    shape : tuple or None
        Tokens of a scan, and the width of its features or, where they have parts, the widths of
        these; None for a model without scans.
    n_categories : sequence of int
        Of each clinical token, 0 for a numeric one.
    n_outputs : int
        Outputs of the network.

    Returns
    -------
    FusedNetwork
        In the patients' dtype.

    Raises
    ------
    ValueError
        When `n_heads` does not divide `dim`, or a part holds batch normalisation.
    TypeError
        When the fusion's module does not say how many tokens it gives.
    """
    dim, dropout = parameters.dim, parameters.dropout
    if dim % parameters.n_heads:
        raise ValueError(f"n_heads={parameters.n_heads} must divide dim={dim}.")
    hidden = parameters.input_dropout
    if hidden == "auto":
        hidden = _HIDDEN if len(patients) >= _ENOUGH_TO_HIDE else 0.0
    scan_tokens, n_queries = _scan_tokens(patients, views, shape, dim, float(hidden))
    mix = build(
        make_fusion(parameters.fusion),
        dim=dim,
        n_heads=parameters.n_heads,
        n_queries=n_queries,
        n_variables=len(n_categories),
        dropout=dropout,
    )
    if not isinstance(getattr(mix, "n_tokens", None), int):
        raise TypeError(
            f"The module of fusion {type(mix).__name__} must have an integer attribute n_tokens, "
            "the length of the sequence it gives."
        )
    refine = make_refiner(parameters.refiner)
    sizes = {"dim": dim, "n_tokens": mix.n_tokens, "depth": parameters.depth, "dropout": dropout}
    lacked = patients.clinical.isnan().any(dim=0)
    network = FusedNetwork(
        encoder,
        scan_tokens,
        ClinicalTokens(n_categories, dim, lacked),
        mix,
        torch.nn.Identity() if refine is None else build(refine, **sizes),
        dim,
        n_outputs,
        dropout,
        token_dropout=float(hidden),
        modality_dropout=parameters.modality_dropout,
    )
    _refuse_batch_norm(network)
    return network.to(patients.dtype)


def _scan_tokens(
    patients: Patients,
    views: Sequence[Any],
    shape: tuple[int, Any] | None,
    dim: int,
    dropout: float,
) -> tuple[ScanTokens | ScanSeries, int]:
    """Make what turns features into tokens, and count these."""
    n_tokens, width = (1, None) if shape is None else shape
    given = [torch.as_tensor(view) for view in views if view is not None]
    if patients.n_scans == 1:
        made = ScanTokens(width, dim, dropout)
        _standardise(made, given, patients.present, patients.weight)
        return made, n_tokens
    series = ScanSeries(width, dim, dropout, patients.n_scans)
    there = series.there(patients.present).unbind(dim=1)
    of_views = zip(*(with_changes(view, patients.present) for view in given), strict=True)
    for tokens, known, features in zip(series.sets, there, of_views, strict=False):
        _standardise(tokens, features, known, patients.weight)
    return series, n_tokens * len(series.sets)


def _standardise(
    tokens: ScanTokens, views: Sequence[torch.Tensor], there: torch.Tensor, weight: torch.Tensor
) -> None:
    if views and there.any():
        features = np.concatenate([view[there].numpy() for view in views], axis=1)
        tokens.standardise(*_spread(features, weight[there].numpy()))


def _refuse_batch_norm(network: FusedNetwork) -> None:
    for name, part in network.named_children():
        if any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in part.modules()):
            raise ValueError(
                f"The {name} ({type(part).__name__}) holds batch normalisation, with which the "
                "patients of a batch influence each other. Use GroupNorm or LayerNorm; an encoder "
                "that is not trained may keep its own: fine_tune=False."
            )


def build_net(
    parameters: Any,
    network: FusedNetwork | Committee,
    kind: TargetKind,
    seed: int,
    batch_size: int,
    lr: float,
    device: torch.device,
) -> FusionNet:
    """Wrap the network into skorch's training loop, which watches the loss of validation."""
    watchers, verbose = list(parameters.callbacks or []), int(parameters.verbose)
    sink = print if verbose else noop
    stopper = LossStopper(patience=parameters.n_iter_no_change, load_best=True, sink=sink)
    watchers.append(stopper)  # without a name, which could be that of a user's
    return FusionNet(
        network,
        kind=kind,
        seed=seed,
        layer_decay=parameters.layer_decay,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=parameters.weight_decay,
        optimizer__fused=device.type in ("cpu", "cuda"),
        lr=lr,
        batch_size=batch_size,
        callbacks=watchers,
        device=device,
        verbose=verbose,
    )


def _spread(features: np.ndarray, weight: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    weight = np.repeat(weight.astype(np.float64), features.shape[1])
    features = features.reshape(-1, features.shape[-1]).astype(np.float64)
    mean = np.average(features, axis=0, weights=weight)
    spread = np.sqrt(np.average((features - mean) ** 2, axis=0, weights=weight))
    # Rounding leaves a little spread in a feature that does not vary.
    constant = spread <= 1e-7 * np.abs(mean)
    return torch.tensor(mean), torch.tensor(np.where(constant, 1.0, spread))
