"""The image side of a fitted model: from cells of the scan column to volumes or features."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from joblib import Memory, effective_n_jobs
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from torch import nn

from skedema._rng import isolated_rng
from skedema._scan_column import Scans
from skedema._training.patients import Patients
from skedema.encoders import is_transformer, make_encoder
from skedema.modules.fused import probe
from skedema.scans import VolumeReader
from skedema.scans.cache import volumes


class ImageBranch:
    """What a model knows about scans.

    Parameters
    ----------
    encoder : str, Encoder or transformer
        As the classifier's parameter.
    fine_tune : bool or "auto"
        Whether the encoder's weights are trained with the classifier. ``"auto"``: yes where
        gradients can reach them, unless it is frozen.
    volume : VolumeReader or None
        How scans are read, where the encoder does not say so itself.
    dtype : torch.dtype
        Of the volumes and the features.
    device : torch.device
        Where features are computed.

    Attributes
    ----------
    encoder : transformer, Module or None
        After `fit`, until `release`.
    trained : bool
        Whether the encoder is part of the network that is trained.
    n_tokens, dim : int
        T and E of its features.
    start : ndarray of shape (n, T, E) or None
        What a pre-trained encoder that is trained further gave at first; until `release`.
    """

    def __init__(
        self,
        encoder: Any,
        fine_tune: Any,
        volume: VolumeReader | None,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.given = make_encoder(encoder)
        self.volume = volume
        self.reader = VolumeReader() if volume is None else clone(volume)
        self.reader.settings()
        self.dtype = dtype
        self.device = device
        self.is_transformer = is_transformer(self.given)
        reachable = not self.is_transformer or callable(getattr(self.given, "network", None))
        if fine_tune is True and not reachable:
            raise ValueError(
                f"fine_tune=True needs an encoder that gradients can reach; "
                f"{type(self.given).__name__} is a scikit-learn transformer without a method "
                "network() that gives a torch module. Use fine_tune=False."
            )
        as_it_comes = reachable and not isinstance(self.given, FrozenEstimator)
        self.trained = as_it_comes if fine_tune == "auto" else bool(fine_tune)
        self.encoder: Any = None
        self.start: np.ndarray | None = None
        self.n_tokens = self.dim = 0

    def fit(
        self,
        cells: np.ndarray,
        y: np.ndarray,
        *,
        seed: int,
        memory: Memory | None,
        n_jobs: int | None,
        verbose: int,
    ) -> None:
        """Fit or build the encoder.

        Parameters
        ----------
        cells : ndarray of object of shape (n,)
            The scans of the training patients who have one.
        y : ndarray of shape (n,)
            Their classes, for transformers that use them.
        seed : int
            For the initial weights.
        memory : joblib.Memory or None
            Where read volumes are kept between runs.
        n_jobs : int or None
            Processes that read scans.
        verbose : int
            Handed to a transformer that is silent.

        Raises
        ------
        TypeError
            When the encoder does not build what an encoder builds.
        """
        if self.is_transformer:
            self.encoder = self._transformer(seed, memory, n_jobs, verbose).fit(cells, y)
            if self.trained:
                self.reader = self.encoder.volume_
                self.start = _as_matrix(self.encoder.transform(cells), self.encoder, len(cells))
                self._take(self.encoder.network())
            return
        settings = self.reader.settings()
        with isolated_rng(seed):
            module = self.given.build(in_channels=self.reader.n_channels, shape=settings.shape)
        if not isinstance(module, nn.Module):
            raise TypeError(
                f"{type(self.given).__name__}.build must return a torch module, got "
                f"{type(module).__name__}."
            )
        self._take(module)

    def _take(self, module: nn.Module) -> None:
        self.encoder = module.to(self.dtype)
        self.n_tokens, self.dim = probe(
            self.encoder, self.reader.n_channels, self.reader.settings().shape
        )

    def _transformer(
        self, seed: int, memory: Memory | None, n_jobs: int | None, verbose: int
    ) -> Any:
        """Clone the transformer and hand it what it leaves open, or nothing where it is frozen."""
        transformer = clone(self.given)
        if isinstance(transformer, FrozenEstimator):
            return transformer
        known = transformer.get_params()
        context = {"memory": memory, "n_jobs": n_jobs, "volume": self.volume}
        seeds = [name for name in known if name.split("__")[-1] == "random_state"]
        context.update(dict.fromkeys(seeds, seed))
        open_ones = {
            name: value
            for name, value in context.items()
            if name in known and known[name] is None and value is not None
        }
        if verbose and known.get("verbose") in (0, False):
            open_ones["verbose"] = verbose
        return transformer.set_params(**open_ones) if open_ones else transformer

    def release(self) -> nn.Module:
        """Hand over an encoder that is trained: from now on the network alone holds it.

        Returns
        -------
        Module
            The encoder.
        """
        module: nn.Module = self.encoder
        self.encoder = self.start = None
        return module

    def patients(
        self,
        clinical: np.ndarray,
        scans: Scans,
        *,
        memory: Memory | None,
        n_jobs: int | None,
        batch_size: int,
        target: np.ndarray | None = None,
        weight: np.ndarray | None = None,
    ) -> Patients:
        """Gather patients for the network.

        Parameters
        ----------
        clinical : ndarray of shape (n, K)
            The tokenizer's output.
        scans : Scans
            Their scans.
        memory : joblib.Memory or None
            Where read volumes are kept between runs.
        n_jobs : int or None
            Processes that read scans.
        batch_size : int
            Scans that are encoded at once.
        target : ndarray of int of shape (n,), default=None
            Class codes.
        weight : ndarray of shape (n,), default=None
            Weights of the loss.

        Returns
        -------
        Patients
            With features, or with volumes that stream.
        """
        if (self.trained or not self.is_transformer) and effective_n_jobs(n_jobs) > 1:
            volumes.read_ahead(self.reader, list(scans.cells[scans.present]), memory, n_jobs)
        inputs: dict[str, Any]
        if self.trained:
            inputs = {
                "volume": lambda row: scans.volume(row, self.reader, memory),
                "volume_shape": (self.reader.n_channels, *self.reader.settings().shape),
            }
        else:
            inputs = {"features": self._features(scans, memory, batch_size)}
        return Patients(
            clinical, scans.present, **inputs, dtype=self.dtype, target=target, weight=weight
        )

    def _features(self, scans: Scans, memory: Memory | None, batch_size: int) -> np.ndarray:
        """Encode the scans; zeros where there is none."""
        rows = np.flatnonzero(scans.present)
        if not len(rows):
            return np.zeros((len(scans), self.n_tokens, self.dim))
        if self.is_transformer:
            known = _as_matrix(self.encoder.transform(scans.cells[rows]), self.encoder, len(rows))
            self.n_tokens, self.dim = known.shape[1:]
        else:
            known = self._encode(scans, rows, memory, batch_size)
        finite = np.isfinite(known).reshape(len(known), -1).all(axis=1)
        if not finite.all():
            raise ValueError(
                f"{type(self.encoder).__name__} gave features that are not finite for "
                f"{scans.names(rows[~finite])}."
            )
        features = np.zeros((len(scans), *known.shape[1:]), dtype=known.dtype)
        features[rows] = known
        return features

    def _encode(
        self, scans: Scans, rows: np.ndarray, memory: Memory | None, batch_size: int
    ) -> np.ndarray:
        encoder = self.encoder.eval().to(self.device)
        parts = []
        with torch.no_grad():
            for start in range(0, len(rows), batch_size):
                stack = [
                    scans.volume(row, self.reader, memory)
                    for row in rows[start : start + batch_size]
                ]
                batch = torch.as_tensor(np.stack(stack), dtype=self.dtype, device=self.device)
                parts.append(encoder(batch).cpu())
        return np.asarray(torch.cat(parts).numpy())


def _as_matrix(features: Any, encoder: Any, n: int) -> np.ndarray:
    if hasattr(features, "toarray"):
        features = features.toarray()
    matrix = np.asarray(features)
    if matrix.ndim != 2 or len(matrix) != n or matrix.dtype.kind not in "fiub":
        raise ValueError(
            f"An encoder that is a transformer turns n scans into numbers of shape (n, dim); "
            f"{type(encoder).__name__} gave {matrix.dtype} of shape {matrix.shape} for {n}."
        )
    return matrix[:, None, :].astype(np.float64)
