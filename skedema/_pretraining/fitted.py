"""A fitted autoencoder: where it comes from, and what it does with scans."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Literal, Self, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from skedema._caching.memory import memory_folder
from skedema._device import device_at_hand, precision
from skedema._features import ModuleEncoder, View, features_of, has_own_way
from skedema._pretrained import Pretrained
from skedema._pretraining.loop import Stage
from skedema._pretraining.run import first_reader, first_stage
from skedema._pretraining.source import RowSource, Source, holds_rows
from skedema._pretraining.worth import Worth
from skedema._scan_column import take_every_scan
from skedema._told import tell
from skedema._torch_state import own_torch_state
from skedema._volumes import Volumes
from skedema.modules.masked_autoencoder import MaskedAutoencoder, Pool
from skedema.modules.pooled_encoder import PooledEncoder
from skedema.modules.reference_weights import WeightsReport, load_reference_weights
from skedema.scans import VolumeReader

_HISTORY = ("total", "reconstruction", "edge", "contrast", "lr", "seconds")


class FittedAutoencoder(
    Pretrained, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """The half of `ViTAutoencoder` that needs no training: a network, and how scans are read."""

    module_: MaskedAutoencoder
    volume_: VolumeReader
    n_iter_: int
    check_: Worth | None
    weights_report_: WeightsReport
    _seed: int
    _n_scans: int  # of the last fit
    _history: list[dict[str, float]]
    _optimizer_state: dict[str, Any] | None
    pool: str
    dtype: str
    device: Any
    memory: Any
    n_jobs: int | None
    verbose: int
    warm_start: bool

    @classmethod
    def from_reference(
        cls,
        state_dict: Mapping[str, Tensor],
        *,
        volume: VolumeReader | None = None,
        size: str = "base",
        strict: bool = True,
        **params: Any,
    ) -> Self:
        """Make a fitted estimator of the weights of the reference implementation.

        Parameters
        ----------
        state_dict : mapping of str to Tensor
            The weights under the reference's names: in its checkpoint files, under ``"model"``.
        volume : VolumeReader or None, default=None
            How scans are read: with the channels and voxels that the weights were made for.
        size : {"tiny", "small", "base"}, default="base"
            As the parameter.
        strict : bool, default=True
            Whether a key that does not fit is an error. If not, the rest is loaded, and a warning
            and `weights_report_` tell what kept its random values.
        **params
            Others; `reference_compat` is True unless given: the predictor fits no other network.

        Returns
        -------
        ViTAutoencoder
            With no epoch trained; `partial_fit`, and `fit` with ``warm_start=True``, go on from it.

        Raises
        ------
        skedema.modules.reference_weights.ReferenceWeightsError
            With `strict`, when a key is missing, left over, or has another shape; all are named.
        """
        params = {"reference_compat": True} | params
        estimator = cls(size=size, volume=volume, **params)
        estimator._validate_params()
        params = estimator.get_params(deep=False)
        with own_torch_state():
            stage = first_stage(params, first_reader(params))
            report = load_reference_weights(stage.module.eval(), state_dict, strict=strict)
        if not report.fits:
            tell(f"Not all reference weights were loaded: {report}.")
        estimator._take(stage)
        estimator.weights_report_ = report
        return estimator

    @property
    def history_(self) -> pd.DataFrame:
        """One row an epoch: losses, learning rate and seconds."""
        check_is_fitted(self)
        frame = pd.DataFrame(self._history, columns=list(_HISTORY), dtype=np.float64)
        return frame.rename_axis("epoch").reset_index()

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Describe each scan by a vector; nothing is hidden and nothing is random.

        Parameters
        ----------
        X
            As in `fit`.

        Returns
        -------
        ndarray of float32 of shape (n, dim), or (n, n_patches * dim) with ``pool="patches"``
            The features; those of a scan do not depend on the others.

        Raises
        ------
        ScanError
            When scans are missing or cannot be read.
        """
        return self._features(X, mirror=False)

    def transform_mirrored(self, X: Any) -> NDArray[np.float32]:
        """Describe each scan as it looks mirrored left to right.

        ``AttentionMixerClassifier(encoder=..., mirror=True)`` learns from it beside `transform`
        where the encoder is fixed.

        Parameters
        ----------
        X
            As in `fit`.

        Returns
        -------
        ndarray of float32 of shape (n, dim), or (n, n_patches * dim) with ``pool="patches"``
            What `transform` gives of the mirrored volumes.

        Raises
        ------
        ScanError
            When scans are missing or cannot be read.
        """
        return self._features(X, mirror=True)

    def features_digest(self) -> str | None:
        """Tell what features depend on besides the scan: weights, reader, precision, device.

        Features with the same digest are shared, whichever estimator computed them, and those of a
        scan are the same to the bit whichever others it is given with.

        Returns
        -------
        str or None
            Equal for estimators that give equal features; None where it cannot be told.
        """
        return self._encoder().recipe()

    @own_torch_state()
    def network(self, pool: Literal["tokens"] | None = None) -> PooledEncoder:
        """Copy the encoder as a torch module, to be trained further with a classifier.

        ``AttentionMixerClassifier(encoder=..., fine_tune=True)`` starts from it: its output is
        what `transform` gives.

        Parameters
        ----------
        pool : "tokens" or None, default=None
            ``"tokens"``: a token a patch, and the module tells their ``grid``. None: the
            parameter `pool`.

        Returns
        -------
        PooledEncoder
            ``(B, C, X, Y, Z) -> (B, 1, dim)``, or ``(B, 1, n_patches * dim)`` with
            ``pool="patches"``; ``(B, n_patches, dim)`` of ``"tokens"``.
        """
        check_is_fitted(self)
        return PooledEncoder(self.module_, cast(Pool, pool or self.pool))

    @own_torch_state()
    def reconstruct(self, X: Any, *, random_state: int = 0) -> NDArray[np.float32]:
        """Hide patches of each scan and rebuild them.

        Parameters
        ----------
        X
            As in `fit`.
        random_state : int, default=0
            Decides which patches are hidden, the same in every scan.

        Returns
        -------
        ndarray of float32 of shape (n, C, X, Y, Z)
            Volumes on the grid of `volume_`: patches that were hidden as they were rebuilt, the
            others as they are.

        Raises
        ------
        ScanError
            When scans are missing or cannot be read.
        """
        check_is_fitted(self)
        generator = torch.Generator().manual_seed(random_state)
        noise = torch.rand((1, self.module_.n_patches), generator=generator)

        def rebuild(module: MaskedAutoencoder, volume: Tensor) -> Tensor:
            masked = module(volume, noise.to(volume.device))
            rebuilt = module.standardize.invert(module.patches.join(masked.prediction.float()))
            hidden = masked.mask.unsqueeze(-1).expand_as(masked.prediction)
            return torch.where(module.patches.join(hidden).bool(), rebuilt, volume)

        source = self._source(X, self.volume_, reset=False)
        views = [View(row, mirror=False) for row in range(len(source))]
        return np.stack(list(self._encoder(rebuild).encode(source, views, keep=False)))

    @property
    def _n_features_out(self) -> int:
        dim = int(self.module_.class_token.shape[-1])
        return dim * self.module_.n_patches if self.pool == "patches" else dim

    @own_torch_state()
    def _features(self, X: Any, *, mirror: bool) -> NDArray[np.float32]:
        encoder = self._encoder()
        source = self._source(X, self.volume_, reset=False)
        rows = np.arange(len(source))
        if isinstance(source, RowSource) or self.features_digest() is None:  # not to be kept
            views = [View(row, mirror) for row in rows.tolist()]
            return np.stack(list(encoder.encode(source, views, keep=False)))
        return features_of(encoder, source, rows, (mirror,))[0]

    def _as_encoder(self) -> ModuleEncoder | None:
        """Hand over what features are computed with; None where a subclass has its own way."""
        return None if has_own_way(self, FittedAutoencoder) else self._encoder()

    def _encoder(
        self, function: Callable[[MaskedAutoencoder, Tensor], Tensor] | None = None
    ) -> ModuleEncoder:
        """Give the module with its reader; it computes features unless told a `function`."""
        check_is_fitted(self)
        self._validate_params()
        device, pool = device_at_hand(self.device), cast(Pool, self.pool)
        dtype = torch.bfloat16 if self.dtype == "bfloat16" else torch.float32

        def compute(module: MaskedAutoencoder, volume: Tensor) -> Tensor:
            with precision(dtype, device):
                result = function(module, volume) if function else module.features(volume, pool)
            return result.float()

        settings = (pool, dtype)
        return ModuleEncoder(self.module_, self.volume_, device, settings, function=compute)

    def _source(self, X: Any, reader: VolumeReader, *, reset: bool) -> Source:
        if holds_rows(X):
            rows = validate_data(self, X, dtype=np.float32, reset=reset)
            return RowSource(rows, (reader.n_channels, *reader.settings().shape))
        if reset:
            for name in ("n_features_in_", "feature_names_in_"):
                self.__dict__.pop(name, None)
        memory = memory_folder(self.memory)
        return Volumes(
            take_every_scan(X, reader.remote), reader, memory, self.n_jobs, int(self.verbose)
        )

    def _stage(self) -> Stage:
        # A copy: whatever stops a run that goes on leaves the last one's weights whole.
        module = copy.deepcopy(self.module_)
        return Stage(module, self.volume_, self._seed, self._history, self._optimizer_state)

    def _take(self, stage: Stage, n_scans: int = 0) -> None:
        self.module_, self.volume_, self._seed = stage.module, stage.reader, stage.seed
        self._history, self.n_iter_ = stage.history, len(stage.history)
        self._optimizer_state = stage.optimizer
        self._n_scans = n_scans
        self.check_ = None

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        if not self.warm_start and "_optimizer_state" in state:
            state["_optimizer_state"] = None
        return state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
