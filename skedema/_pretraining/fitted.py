"""A fitted autoencoder: where it comes from, and what it does with scans."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from skedema._caching.memory import memory_folder
from skedema._device import device_at_hand, full_float32, on_device
from skedema._features import features, recipe_of, recipe_of_mirrored
from skedema._pretraining.loop import Stage
from skedema._pretraining.precision import precision
from skedema._pretraining.run import first_reader, first_stage
from skedema._pretraining.source import RowSource, ScanSource, Source, holds_rows, take_every_scan
from skedema._told import tell
from skedema._torch_state import own_torch_state
from skedema.modules.masked_autoencoder import MaskedAutoencoder, Pool
from skedema.modules.mirror import mirrored
from skedema.modules.pooled_encoder import PooledEncoder
from skedema.modules.reference_weights import WeightsReport, load_reference_weights
from skedema.scans import VolumeReader

_HISTORY = ("total", "reconstruction", "edge", "contrast", "lr", "seconds")


class FittedAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """The half of `ViTAutoencoder` that needs no training: a network, and how scans are read."""

    module_: MaskedAutoencoder
    volume_: VolumeReader
    n_iter_: int
    weights_report_: WeightsReport
    _seed: int
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
        check_is_fitted(self)
        device = device_at_hand(self.device)
        return recipe_of(self.module_, self.volume_, device, self.pool, self._features_dtype())

    @own_torch_state()
    def network(self) -> PooledEncoder:
        """Copy the encoder as a torch module, to be trained further with a classifier.

        ``AttentionMixerClassifier(encoder=..., fine_tune=True)`` starts from it: its output is
        what `transform` gives.

        Returns
        -------
        PooledEncoder
            ``(B, C, X, Y, Z) -> (B, 1, dim)``, or ``(B, 1, n_patches * dim)`` with
            ``pool="patches"``.
        """
        check_is_fitted(self)
        return PooledEncoder(self.module_, cast(Pool, self.pool))

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
        source = self._source(X, self.volume_, reset=False)
        generator = torch.Generator().manual_seed(random_state)
        noise = torch.rand((1, self.module_.n_patches), generator=generator)

        def rebuild(module: MaskedAutoencoder, volume: Tensor) -> Tensor:
            masked = module(volume, noise.to(volume.device))
            rebuilt = module.standardize.invert(module.patches.join(masked.prediction.float()))
            hidden = masked.mask.unsqueeze(-1).expand_as(masked.prediction)
            return torch.where(module.patches.join(hidden).bool(), rebuilt, volume)

        return np.stack(list(self._apply(source, np.arange(len(source)), rebuild)))

    @property
    def _n_features_out(self) -> int:
        dim = int(self.module_.class_token.shape[-1])
        return dim * self.module_.n_patches if self.pool == "patches" else dim

    @own_torch_state()
    def _features(self, X: Any, *, mirror: bool) -> NDArray[np.float32]:
        check_is_fitted(self)
        self._validate_params()
        source, pool = self._source(X, self.volume_, reset=False), cast(Pool, self.pool)

        def describe(module: MaskedAutoencoder, volume: Tensor) -> Tensor:
            return module.features(mirrored(volume) if mirror else volume, pool)

        def encode(rows: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
            return self._apply(source, rows, describe)

        rows = np.arange(len(source))
        if isinstance(source, RowSource):
            return np.stack(list(encode(rows)))
        recipe = self.features_digest()
        if mirror:
            recipe = recipe_of_mirrored(recipe)
        return features.get(
            source.scans, rows, recipe, encode, memory=source.memory, verbose=int(self.verbose)
        )

    def _source(self, X: Any, reader: VolumeReader, *, reset: bool) -> Source:
        if holds_rows(X):
            rows = validate_data(self, X, dtype=np.float32, reset=reset)
            return RowSource(rows, (reader.n_channels, *reader.settings().shape))
        if reset:
            for name in ("n_features_in_", "feature_names_in_"):
                self.__dict__.pop(name, None)
        return ScanSource(take_every_scan(X), reader, memory_folder(self.memory), self.n_jobs)

    def _apply(
        self,
        source: Source,
        rows: NDArray[np.int64],
        function: Callable[[MaskedAutoencoder, Tensor], Tensor],
    ) -> Iterator[NDArray[np.float32]]:
        """Apply a function to one volume at a time."""
        device, dtype = device_at_hand(self.device), self._features_dtype()
        module = on_device(self.module_, device)
        for volume in source.stream(rows, keep=False):
            with torch.inference_mode(), precision(dtype, device), full_float32(device):
                result = function(module, torch.tensor(volume[None], device=device))
            yield result[0].float().cpu().numpy()

    def _features_dtype(self) -> torch.dtype:
        return torch.bfloat16 if self.dtype == "bfloat16" else torch.float32

    def _stage(self) -> Stage:
        # A copy: whatever stops a run that goes on leaves the last one's weights whole.
        module = copy.deepcopy(self.module_)
        return Stage(module, self.volume_, self._seed, self._history, self._optimizer_state)

    def _take(self, stage: Stage) -> None:
        self.module_, self.volume_, self._seed = stage.module, stage.reader, stage.seed
        self._history, self.n_iter_ = stage.history, len(stage.history)
        self._optimizer_state = stage.optimizer

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        if not self.warm_start and "_optimizer_state" in state:
            state["_optimizer_state"] = None
        return state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
