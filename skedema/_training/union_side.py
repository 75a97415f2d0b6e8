"""The image side of a model with several encoders side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skedema._training.image_side import ImageSide
from skedema._volumes import Volumes
from skedema.encoders import EncoderUnion, make_encoder
from skedema.scans import VolumeReader
from skedema.scans._remarks import Kind, gathered, tell
from skedema.scans.cache import reading


def make_image_side(
    encoder: Any, fine_tune: bool | str, volume: VolumeReader | None, dtype: torch.dtype
) -> ImageSide:
    """Make the side of one encoder, or of several; see `ImageSide`."""
    made = make_encoder(encoder)
    thawed = made.estimator if isinstance(made, FrozenEstimator) else made
    kind = UnionSide if isinstance(thawed, EncoderUnion) else ImageSide
    return kind(made, fine_tune, volume, dtype)


class UnionSide(ImageSide):
    """Several image sides, one an encoder.

    Each encoder is fitted, and its features are computed and kept, as if it were the only one.
    """

    def __init__(
        self, encoder: Any, fine_tune: bool | str, volume: VolumeReader | None, dtype: torch.dtype
    ) -> None:
        super().__init__(encoder, fine_tune, volume, dtype)
        if self.frozen:
            check_is_fitted(self.given.estimator)
            parts = [(name, FrozenEstimator(part)) for name, part in self.given.encoders_]
        else:
            parts = self.given._parts()
        self.sides = {name: make_image_side(part, False, volume, dtype) for name, part in parts}

    def mirrors(self, mirror: bool | str) -> bool:
        if mirror is True:
            for side in self.sides.values():
                side.mirrors(mirror)  # names the part that cannot
        return super().mirrors(mirror)

    def fit(self, volumes: Volumes, y: np.ndarray, **how: Any) -> Any:
        with self._heard(volumes):
            parts = [
                (name, side.fit(for_part(side, volumes), y, **how))
                for name, side in self.sides.items()
            ]
            if self.frozen:
                encoder = clone(self.given)
            else:
                encoder = clone(self.given)._take(parts, volumes.scans.cells[volumes.rows[:1]])
        self.reader = getattr(encoder, "volume_", None)
        return encoder

    def _features(
        self, encoder: Any, volumes: Volumes, device: torch.device, mirrored: Sequence[bool]
    ) -> list[np.ndarray]:
        if not len(volumes.rows):
            return super()._features(encoder, volumes, device, mirrored)
        fitted = dict(encoder.encoders_)
        with self._heard(volumes):
            of_parts = []
            for name, side in self.sides.items():
                own = for_part(side, volumes)
                found = side._features(fitted[name], own, device, mirrored)
                of_parts.append([view.reshape(len(view), 1, -1) for view in found])
                if side.reader is not None and side.reader is not self.reader:
                    own.tell_odd()
        return [np.concatenate(views, axis=-1) for views in zip(*of_parts, strict=True)]

    def encode(self, encoder: Any, batch: Tensor, device: torch.device) -> Tensor | None:
        fitted, parts = dict(encoder.encoders_), []
        for name, side in self.sides.items():
            if side.reader is None or reading(side.reader) != reading(self.reader):
                return None
            parts.append(side.encode(fitted[name], batch, device))
        known = [part.flatten(1).unsqueeze(1) for part in parts if part is not None]
        return torch.cat(known, dim=-1) if len(known) == len(parts) else None

    @contextmanager
    def _heard(self, volumes: Volumes) -> Iterator[None]:
        """Tell what parts told, but for what is told of volumes by `reader` anyway."""
        with gathered() as told:
            yield
        left = [each for each in told if not _looksfor_part(self.reader, each.remark.kind)]
        tell([each._replace(row="") for each in left], len(volumes.rows))


def for_part(side: ImageSide, volumes: Volumes) -> Volumes:
    """Open scans as a part reads them."""
    return side.volumes(volumes.scans, volumes.memory, volumes.n_jobs, volumes.verbose)


def _looksfor_part(reader: VolumeReader | None, kind: Kind) -> bool:
    """Say whether reading tells of a kind of oddity."""
    if reader is None:
        return False
    if kind in ("files", "intensity"):
        return True
    whole = reader.template is not None or reader.align
    return whole or (kind == "mask" and reader.skull_strip)
