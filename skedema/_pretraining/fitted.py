"""What a fitted autoencoder does with scans: describe them, and rebuild them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from skedema._caching.memory import memory_folder
from skedema._device import device_at_hand, full_float32
from skedema._features import features, recipe_of, recipe_of_mirrored
from skedema._pretraining.precision import precision
from skedema._pretraining.source import RowSource, ScanSource, Source, holds_rows, take_every_scan
from skedema._torch_state import own_torch_state
from skedema.modules.masked_autoencoder import MaskedAutoencoder, Pool
from skedema.modules.mirror import mirrored
from skedema.modules.pooled_encoder import PooledEncoder
from skedema.scans import VolumeReader


class FittedAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """The half of `ViTAutoencoder` that needs no training: a network, and how scans are read."""

    module_: MaskedAutoencoder
    volume_: VolumeReader
    pool: str
    dtype: str
    device: Any
    memory: Any
    n_jobs: int | None
    verbose: int

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
        module = self.module_
        if device.type != "cpu":
            module = copy.deepcopy(module).to(device)
        for volume in source.stream(rows):
            with torch.inference_mode(), precision(dtype, device), full_float32(device):
                result = function(module, torch.tensor(volume[None], device=device))
            yield result[0].float().cpu().numpy()

    def _features_dtype(self) -> torch.dtype:
        return torch.bfloat16 if self.dtype == "bfloat16" else torch.float32

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
