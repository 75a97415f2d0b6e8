"""The image side of a model: from scans to features, or to volumes that are learned from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from torch import Tensor, nn

from skedema._caching.memory import memory_folder, memory_for_others
from skedema._features import DerivedEncoder, ModuleEncoder, features_of
from skedema._plugins import build
from skedema._rng import isolated_rng
from skedema._scan_column import Scans
from skedema._training.encoding import TransformerEncoder
from skedema._training.fitted import fit_once
from skedema._volumes import Volumes
from skedema.encoders import is_transformer, make_encoder
from skedema.encoders._left_open import fill_left_open
from skedema.modules.fused import as_tokens, probe
from skedema.modules.tokens import InOrder
from skedema.scans import VolumeReader
from skedema.scans._remarks import gathered, tell


def can_be_trained(encoder: Any) -> bool:
    """Tell whether gradients can reach an encoder."""
    made = make_encoder(encoder)
    return not is_transformer(made) or callable(getattr(made, "network", None))


def is_trained(encoder: Any, fine_tune: bool | str) -> bool:
    """Tell whether an encoder is trained with the model, or fixed."""
    made = make_encoder(encoder)
    reachable = can_be_trained(made)
    if fine_tune == "auto":
        return reachable and not isinstance(made, FrozenEstimator)
    if fine_tune and not reachable:
        raise ValueError(
            f"fine_tune=True needs an encoder that gradients can reach; "
            f"{type(made).__name__} is a scikit-learn transformer without a method "
            "network() that gives a torch module. Use fine_tune=False."
        )
    return bool(fine_tune)


class ImageSide:
    """How a model takes scans. It makes the encoder, but the model is who holds it.

    Parameters
    ----------
    encoder, fine_tune, volume
        As the classifier's parameters.
    dtype : torch.dtype
        Of volumes and features.

    Attributes
    ----------
    trained : bool
        Whether the encoder is part of the network that is trained.
    reader : VolumeReader or None
        How scans are read; None after `fit` where the encoder does so and does not tell how.
    shape : tuple of 2 int
        Tokens and width of the features of a scan, once they are known.
    widths : dict of str to int
        Where features have named parts, each of which becomes a token: their columns.
    order : str
        Where tokens are a sequence, such as that of slices: what becomes of them, "tokens", or
        "attention" where they are pooled by that. "" where they are none.
    """

    order: str = ""

    def __init__(
        self, encoder: Any, fine_tune: bool | str, volume: VolumeReader | None, dtype: torch.dtype
    ) -> None:
        self.given = make_encoder(encoder)
        self.frozen = isinstance(self.given, FrozenEstimator)
        self.volume = volume
        self.reader: Any = VolumeReader() if volume is None else clone(volume)
        self.reader.settings()
        self.dtype = dtype
        self.trained = is_trained(self.given, fine_tune)
        self.shape: tuple[int, ...] = (0, 0)
        self.widths: dict[str, int] = {}

    @property
    def tokens(self) -> tuple[int, Any]:
        """The tokens of a scan that the network is to take, and their width or widths."""
        n_tokens, width = self.shape
        if self.order:
            attended = self.order == "attention"
            return 1 if attended else n_tokens, InOrder(width, n_tokens, attended)
        return (len(self.widths), tuple(self.widths.values())) if self.widths else (n_tokens, width)

    @property
    def names(self) -> list[Any]:
        """The names of these tokens; numbers where they have none."""
        return list(self.widths) or list(range(self.tokens[0]))

    def mirrors(self, mirror: bool | str) -> bool:
        """Decide whether patients are learned from mirrored as well; "auto": if it is trained."""
        if mirror == "auto":
            return self.trained
        able = (
            self.trained
            or not is_transformer(self.given)
            or callable(getattr(self.given, "transform_mirrored", None))
        )
        if mirror and not able:
            raise ValueError(
                "mirror=True needs an encoder whose scans can be mirrored: an encoder object or a "
                f"ViTAutoencoder. {type(self.given).__name__} is a scikit-learn transformer that "
                "reads scans itself, and has no method transform_mirrored(). Use mirror=False."
            )
        return bool(mirror)

    def volumes(self, scans: Scans, memory: Any, n_jobs: int | None, verbose: int = 0) -> Volumes:
        """Open scans; what is None is as an autoencoder has it."""
        if _hands_over(self.given):
            memory = self.given.memory if memory is None else memory
            n_jobs = self.given.n_jobs if n_jobs is None else n_jobs
        return Volumes(scans, self.reader, memory_folder(memory), n_jobs, int(verbose))

    def fit(
        self,
        volumes: Volumes,
        y: np.ndarray,
        *,
        seed: int,
        device: Any = "auto",
        checkpoint_dir: Any = None,
    ) -> Any:
        """Give the encoder: a new module, or a transformer fitted on training patients' scans."""
        if not is_transformer(self.given):
            return self._built(seed)
        with self._heard(volumes):
            if self.frozen:
                encoder = clone(self.given)
            else:
                transformer = self.filled(volumes, seed, device, checkpoint_dir)
                labels = y[volumes.scans.patients(volumes.rows)]
                encoder = fit_once(transformer, volumes.scans, volumes.rows, labels)
            reader = getattr(encoder, "volume_", None)
            self.reader = reader if isinstance(reader, VolumeReader) else None
        if self.trained and self.reader is None:
            raise TypeError(
                f"To be trained further, {type(self.given).__name__} needs an attribute volume_, "
                "the VolumeReader of the volumes that the module of its network() takes."
            )
        return encoder

    def network(
        self, encoder: Any, volumes: Volumes, device: torch.device
    ) -> tuple[nn.Module, list[np.ndarray]]:
        """Give the module that is trained, and the features with which a fitted one begins."""
        if not is_transformer(encoder):
            return encoder, []
        features = self.transform(encoder, volumes, device)
        module = self._checked(encoder.network())
        self._learn_tokens(encoder)
        return module, [volumes.scans.by_patient(features)]

    def transform(self, encoder: Any, volumes: Volumes, device: torch.device) -> np.ndarray:
        """Encode each scan once; gives (n_scans, T, E), zeros where there is none."""
        return self._features(encoder, volumes, device, (False,))[0]

    def encode(self, encoder: Any, batch: Tensor, device: torch.device) -> Tensor | None:
        """Encode volumes (B, C, X, Y, Z) as `reader` gives them, all at once, gradients included.

        Gives (B, T, E); None where it does not take volumes, but scans.
        """
        how = self._encoder(encoder, device)
        return None if isinstance(how, TransformerEncoder) else as_tokens(how.apply(batch))

    def learn(
        self, encoder: Any, volumes: Volumes, device: torch.device, mirror: bool | str
    ) -> dict[str, Any]:
        """Give what is learned from: volumes if the encoder is trained, features if fixed."""
        mirrors = self.mirrors(mirror)
        if self.trained:
            volumes.prefetch(volumes.rows)
            shape = volumes.shape
            return {"volume": volumes.__getitem__, "volume_shape": shape, "mirror": mirrors}
        ways = (False, True) if mirrors else (False,)
        views = self._features(encoder, volumes, device, ways)
        self.shape = views[0].shape[1:]
        self._learn_tokens(encoder)
        of_patients = map(volumes.scans.by_patient, views)
        return dict(zip(("features", "mirrored"), of_patients, strict=False))

    def _built(self, seed: int) -> nn.Module:
        with isolated_rng(seed):
            module = build(
                self.given,
                in_channels=self.reader.n_channels,
                shape=self.reader.settings().shape,
            )
        if not isinstance(module, nn.Module):
            raise TypeError(
                f"{type(self.given).__name__}.build must return a torch module, got "
                f"{type(module).__name__}."
            )
        module = self._checked(module)
        return module if self.trained else module.eval()

    def _checked(self, module: nn.Module) -> nn.Module:
        module = module.to(self.dtype)
        self.shape = probe(module, self.reader.n_channels, self.reader.settings().shape)
        return module

    def filled(self, volumes: Volumes, seed: int, device: Any, checkpoint_dir: Any = None) -> Any:
        """Give the transformer that is fitted, which is handed what it leaves open."""
        transformer = clone(self.given)
        memory = memory_for_others(volumes.memory)
        context = {
            "device": device,
            "memory": memory,
            # A memory keeps checkpoints as well, for whoever has the same encoder.
            "checkpoint_dir": checkpoint_dir if memory is None else None,
            "n_jobs": volumes.n_jobs,
            "volume": self.volume,
            "verbose": volumes.verbose or None,
        }
        fill_left_open(transformer, context, seed)
        return transformer

    def _learn_tokens(self, encoder: Any) -> None:
        self.widths = _widths(encoder, self.shape)
        self.order = getattr(encoder, "token_order_", "") if is_transformer(encoder) else ""

    def _features(
        self, encoder: Any, volumes: Volumes, device: torch.device, mirrored: Sequence[bool]
    ) -> list[np.ndarray]:
        """Encode scans in each way; of those that are missing, there are zeros."""
        rows = volumes.rows
        if not len(rows):
            return [np.zeros((len(volumes), *self.shape))] * len(mirrored)
        of_the_fold = is_transformer(self.given) and not self.frozen
        with self._heard(volumes):
            how = self._encoder(encoder, device)
            views = features_of(how, volumes, rows, mirrored, keep=self.trained or of_the_fold)
        return [self._of_everyone(view, volumes, encoder) for view in views]

    def _encoder(
        self, encoder: Any, device: torch.device
    ) -> ModuleEncoder | DerivedEncoder | TransformerEncoder:
        if isinstance(encoder, nn.Module):
            return ModuleEncoder(encoder, self.reader, device, (self.dtype,), self.dtype)
        made = encoder._as_encoder() if _hands_over(encoder) else None
        return TransformerEncoder(encoder) if made is None else made

    def _of_everyone(self, found: np.ndarray, volumes: Volumes, encoder: Any) -> np.ndarray:
        rows = volumes.rows
        finite = np.isfinite(found).reshape(len(found), -1).all(axis=1)
        if not (self.trained or finite.all()):
            raise ValueError(
                f"{type(encoder).__name__} gave features that are not finite for "
                f"{volumes.names(rows[~finite])}."
            )
        tokens = found[:, None] if found.ndim == 2 else found
        every = np.zeros((len(volumes), *tokens.shape[1:]), dtype=tokens.dtype)
        every[rows] = tokens
        return every

    @contextmanager
    def _heard(self, volumes: Volumes) -> Iterator[None]:
        """Tell once what an encoder told that reads scans itself, a few at a time."""
        with gathered() as told:
            yield
        if self.reader is None:
            tell([each._replace(row="") for each in told], len(volumes.rows))


def _widths(encoder: Any, shape: tuple[int, ...]) -> dict[str, int]:
    """Give the named parts of a transformer's features, if it names any."""
    named = getattr(encoder, "token_widths_", None) if is_transformer(encoder) else None
    if named is None:
        return {}
    widths = dict(named) if isinstance(named, Mapping) else {}
    positive = all(isinstance(width, Integral) and int(width) > 0 for width in widths.values())
    if not (widths and positive and all(isinstance(name, str) for name in widths)):
        raise ValueError(
            f"token_widths_ of {type(encoder).__name__} must lead from names to positive numbers "
            f"of columns, got {named!r}."
        )
    if shape != (1, sum(widths.values())):
        raise ValueError(
            f"token_widths_ of {type(encoder).__name__} must share out the columns of the features "
            f"of a scan: it names {sum(widths.values())}, and there are {math.prod(shape)}."
        )
    return {name: int(width) for name, width in widths.items()}


def _hands_over(encoder: Any) -> bool:
    """Tell a transformer of ours, frozen or not, from what passes its attributes on."""
    thawed = encoder.estimator if isinstance(encoder, FrozenEstimator) else encoder
    return hasattr(type(thawed), "_as_encoder")
