"""Autoencoders of this library that were saved, as pre-trained encoders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from sklearn.frozen import FrozenEstimator

from skedema._caching.digest import file_digest
from skedema.autoencoder import ViTAutoencoder
from skedema.encoders.pretrained.recipe import AnyRecipe, Loaded
from skedema.modules.masked_autoencoder import Pool
from skedema.modules.pooled_encoder import PooledEncoder
from skedema.modules.pooled_tokens import TokenPool
from skedema.modules.reference_weights import WeightsReport
from skedema.persistence._errors import ModelFileError
from skedema.persistence._file import load
from skedema.persistence._pretrained import WEIGHTS, load_folder
from skedema.scans import VolumeReader


class SavedAutoencoder(AnyRecipe):
    """A `skedema.ViTAutoencoder` in a file or a folder; ``recipe="vit_ae"``.

    A file is one of `skedema.save`, a folder one of `save_pretrained`. Both hold how scans were
    read, and are read without running code.
    """

    title = "a ViTAutoencoder of this library, pre-trained by whoever saved it"
    licence = "that of whoever pre-trained it; see the model card of its folder"
    citation = "Prabhakar et al., MIDL 2023 (ViT-AE++), and whoever pre-trained it"
    source = "a file of your own"
    pools = ("mean", "cls", "patches")

    def load(
        self,
        weights: str | os.PathLike[str],
        *,
        volume: VolumeReader | None,
        pool: TokenPool | None,
        entry: str | None,
    ) -> Loaded:
        if entry is not None:
            raise ValueError(
                f"entry={entry!r} is of a training checkpoint, which recipe='vit_ae' does not "
                "read: leave entry=None."
            )
        path = Path(weights)
        estimator = load_folder(ViTAutoencoder, path) if path.is_dir() else load(path)
        if isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        if not isinstance(estimator, ViTAutoencoder):
            raise ModelFileError(
                f"{os.fspath(path)}: holds a {type(estimator).__name__}, and no ViTAutoencoder. "
                "Save the autoencoder by itself."
            )
        reader = estimator.volume_ if volume is None else volume
        if reader.settings() != estimator.volume_.settings():
            raise ValueError(
                f"volume= reads scans otherwise than {os.fspath(path)} was pre-trained on "
                f"({estimator.volume_.summary()}). Leave volume='auto'."
            )
        module = PooledEncoder(estimator.module_, cast(Pool, pool or estimator.pool)).eval()
        keys = tuple(module.state_dict())
        report = WeightsReport(keys, (), (), (), (), ())
        file = path / WEIGHTS if path.is_dir() else path
        return Loaded(module, reader, self._origin(file_digest(file)), report)
