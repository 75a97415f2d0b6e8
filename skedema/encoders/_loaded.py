"""Encoders whose network is loaded, and learns nothing from the scans that it describes."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from skedema._caching.memory import memory_folder
from skedema._device import device_at_hand, precision
from skedema._features import ModuleEncoder, features_of, has_own_way
from skedema._pretrained import Pretrained
from skedema._scan_column import take_every_scan
from skedema._torch_state import own_torch_state
from skedema._volumes import Volumes
from skedema.modules.reference_weights import WeightsReport
from skedema.scans import VolumeReader
from skedema.scans._remarks import told_once


class LoadedEncoder(Pretrained, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """What a network and its reader make of scans; subclasses say in `fit` how to load both."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "memory": "no_validation",
        "dtype": [StrOptions({"float32", "bfloat16"})],
        "device": [str, torch.device],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    module_: Any
    volume_: VolumeReader
    weights_report_: WeightsReport
    origin_: dict[str, str]
    memory: Any
    dtype: str
    device: Any
    n_jobs: int | None
    verbose: int
    _width: int  # of a token that the network gives

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Describe each scan by a vector.

        Parameters
        ----------
        X : sequence of n scans
            As `VolumeReader.transform` takes: a list, Series, column or table of one column.

        Returns
        -------
        ndarray of float32 of shape (n, dim), or (n, n_tokens * dim) where `pool` leaves tokens
            The features; those of a scan do not depend on the others. Tokens, each of a patch or
            of a slice, stand side by side.

        Raises
        ------
        ScanError
            When scans are missing (the message names the rows) or cannot be read.

        Warns
        -----
        UserWarning
            Once, with the rows, of scans that are odd; see `VolumeReader`.
        """
        return self._features(X, mirror=False)

    def transform_mirrored(self, X: Any) -> NDArray[np.float32]:
        """Describe each scan as it looks mirrored left to right.

        Parameters
        ----------
        X : sequence of n scans
            As in `transform`.

        Returns
        -------
        ndarray of float32 of the shape that `transform` gives
            What `transform` gives of the mirrored volumes.

        Raises
        ------
        ScanError
            When scans are missing or cannot be read.

        Warns
        -----
        UserWarning
            As in `transform`.
        """
        return self._features(X, mirror=True)

    def features_digest(self) -> str | None:
        """Tell what features depend on besides the scan.

        Returns
        -------
        str or None
            The SHA-256 of the weights' file, the weights as they are now, reader, precision and
            kind of device: equal for encoders that give equal features. None where it cannot be
            told.
        """
        return self._encoder().recipe()

    @told_once()
    @own_torch_state()
    def _features(self, X: Any, *, mirror: bool) -> NDArray[np.float32]:
        encoder = self._encoder()
        scans = take_every_scan(X, self.volume_.remote)
        memory = memory_folder(self.memory)
        volumes = Volumes(scans, self.volume_, memory, self.n_jobs, int(self.verbose))
        found = features_of(encoder, volumes, volumes.rows, (mirror,))[0]
        volumes.tell_odd()
        return found.reshape(len(found), -1)

    def _as_encoder(self) -> ModuleEncoder | None:
        """Hand over what features are computed with; None where a subclass has its own way."""
        return None if has_own_way(self, LoadedEncoder) else self._encoder()

    def _encoder(self) -> ModuleEncoder:
        check_is_fitted(self)
        device = device_at_hand(self.device)
        dtype = torch.bfloat16 if self.dtype == "bfloat16" else torch.float32

        def compute(module: nn.Module, volume: Tensor) -> Tensor:
            with precision(dtype, device):
                found: Tensor = module(volume)
            return found.float()

        settings = (self.origin_["sha256"], dtype)
        return ModuleEncoder(self.module_, self.volume_, device, settings, function=compute)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.no_validation = True
        tags.requires_fit = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
