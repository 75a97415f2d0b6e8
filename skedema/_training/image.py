"""The image side of a fitted model: from cells of the scan column to volumes or features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from torch import nn

from skedema._caching.memory import memory_for_others
from skedema._device import on_cpu
from skedema._each import n_processes
from skedema._features import features
from skedema._rng import isolated_rng
from skedema._scan_column import Scans
from skedema._training.encoding import Encoding, ModuleEncoding, TransformerEncoding
from skedema._training.fitted import fit_once
from skedema._training.resources import Resources
from skedema.encoders import is_transformer, make_encoder
from skedema.modules.fused import probe
from skedema.scans import VolumeReader
from skedema.scans._remarks import Told, gathered, tell
from skedema.scans.cache import volumes

_GROUP = 16  # scans that are encoded as they are and then mirrored, while their volumes are held


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
        Where features are computed; it may be changed.

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
        self.frozen = isinstance(self.given, FrozenEstimator)
        as_it_comes = reachable and not self.frozen
        self.trained = as_it_comes if fine_tune == "auto" else bool(fine_tune)
        self.encoder: Any = None
        self.start: np.ndarray | None = None
        self.n_tokens = self.dim = 0

    def mirrors(self, mirror: bool | str) -> bool:
        """Decide whether patients are learned from mirrored as well.

        Parameters
        ----------
        mirror : bool or "auto"
            As the classifier's parameter.

        Returns
        -------
        bool
            ``"auto"``: where the encoder is trained.

        Raises
        ------
        ValueError
            When it is asked of an encoder that reads scans itself and cannot mirror them.
        """
        if mirror == "auto":
            return self.trained
        able = (
            self.trained
            or not self.is_transformer
            or callable(getattr(self.given, "transform_mirrored", None))
        )
        if mirror and not able:
            raise ValueError(
                "mirror=True needs an encoder whose scans can be mirrored: an encoder object or a "
                f"ViTAutoencoder. {type(self.given).__name__} is a scikit-learn transformer that "
                "reads scans itself, and has no method transform_mirrored(). Use mirror=False."
            )
        return bool(mirror)

    def fit(self, scans: Scans, y: np.ndarray, *, seed: int, resources: Resources) -> None:
        """Fit or build the encoder.

        Parameters
        ----------
        scans : Scans
            Those of the training patients; some have one.
        y : ndarray of shape (n,)
            Their classes, for transformers that use them.
        seed : int
            For the initial weights.
        resources : Resources
            Handed to a transformer that leaves them open.

        Raises
        ------
        TypeError
            When the encoder does not build what an encoder builds.
        ScanError
            When a scan cannot be read.
        """
        if self.is_transformer:
            rows = np.flatnonzero(scans.present)
            if self.frozen:
                self.encoder = clone(self.given)
            else:
                transformer = self._transformer(seed, resources)
                with gathered() as told:
                    self.encoder = fit_once(transformer, scans, rows, y[rows])
                self._pass_on(told, len(rows))
            if self.trained:
                self.reader = self.encoder.volume_
                self.start = self._known(scans, rows, resources, self.encoder)
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

    def _transformer(self, seed: int, resources: Resources) -> Any:
        """Clone the transformer and hand it what it leaves open."""
        transformer = clone(self.given)
        known = transformer.get_params()
        context = {
            "memory": memory_for_others(resources.memory),
            "n_jobs": resources.n_jobs,
            "volume": self.volume,
        }
        seeds = [name for name in known if name.split("__")[-1] == "random_state"]
        context.update(dict.fromkeys(seeds, seed))
        open_ones = {
            name: value
            for name, value in context.items()
            if name in known and known[name] is None and value is not None
        }
        if resources.verbose and known.get("verbose") in (0, False):
            open_ones["verbose"] = resources.verbose
        return transformer.set_params(**open_ones) if open_ones else transformer

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        if isinstance(self.encoder, nn.Module):
            state["encoder"] = on_cpu(self.encoder)
        return state

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

    def streamed(self, scans: Scans, resources: Resources) -> dict[str, Any]:
        """Give patients their volumes, for an encoder that is being trained.

        Parameters
        ----------
        scans : Scans
            The patients' scans.
        resources : Resources
            What may be used.

        Returns
        -------
        dict
            Arguments of `Patients`: volumes that are read when they are due.
        """
        if n_processes(resources.n_jobs, int(scans.present.sum())) > 1:
            cells = list(scans.cells[scans.present])
            volumes.read_ahead(self.reader, cells, resources.memory, resources.n_jobs)
        return {
            "volume": lambda row: scans.volume(row, self.reader, resources.memory),
            "volume_shape": (self.reader.n_channels, *self.reader.settings().shape),
        }

    def encoded(
        self, scans: Scans, resources: Resources, trained: nn.Module | None = None
    ) -> np.ndarray:
        """Encode scans, each one once; zeros where there is none.

        Parameters
        ----------
        scans : Scans
            The patients' scans.
        resources : Resources
            What may be used.
        trained : Module, default=None
            The encoder, where it was trained with the network, which then has it.

        Returns
        -------
        ndarray of shape (n, T, E)
            The features; those of a scan do not depend on the others.

        Raises
        ------
        ScanError
            When a scan cannot be read.
        ValueError
            When an encoder that was not trained gives numbers that are not finite.
        """
        rows = np.flatnonzero(scans.present)
        if not len(rows):
            return np.zeros((len(scans), self.n_tokens, self.dim))
        known = self._known(scans, rows, resources, self.encoder if trained is None else trained)
        if trained is None:
            self._check_finite(known, scans, rows)
        return self._everyone(known, scans, rows)

    def encoded_twice(self, scans: Scans, resources: Resources) -> tuple[np.ndarray, np.ndarray]:
        """Encode scans as they are and mirrored, each once, by an encoder that is not trained.

        Parameters
        ----------
        scans : Scans
            The patients' scans.
        resources : Resources
            What may be used.

        Returns
        -------
        plain, mirrored : ndarray of shape (n, T, E)
            As `encoded`.

        Raises
        ------
        ScanError, ValueError
            As `encoded`.
        """
        rows = np.flatnonzero(scans.present)
        if not len(rows):
            return self.encoded(scans, resources), self.encoded(scans, resources)
        plain = self._encoding(self.encoder, keep=True)
        mirrored = self._encoding(self.encoder, keep=True, mirror=True)
        recipe, recipe_mirrored = plain.recipe(), mirrored.recipe()
        turned: dict[int, np.ndarray] = {}

        def turn(some: np.ndarray) -> None:
            found = _get(
                scans,
                some,
                recipe_mirrored,
                lambda missing: mirrored.encode(scans, missing, resources),
                resources,
            )
            turned.update(zip(some.tolist(), found, strict=True))

        def both(missing: np.ndarray) -> Iterator[np.ndarray]:
            # Group by group, so that a scan is read once for both.
            for start in range(0, len(missing), _GROUP):
                group = missing[start : start + _GROUP]
                yield from plain.encode(scans, group, resources)
                turn(group)

        known = _get(scans, rows, recipe, both, resources)
        left = np.array([row for row in rows if row not in turned], dtype=int)
        if len(left):
            turn(left)
        views = plain.as_tokens(known), plain.as_tokens(np.stack([turned[int(r)] for r in rows]))
        for view in views:
            self._check_finite(view, scans, rows)
        return self._everyone(views[0], scans, rows), self._everyone(views[1], scans, rows)

    def tell_odd(
        self, scans: Scans, resources: Resources, but: Sequence[int] | np.ndarray = ()
    ) -> None:
        """Tell what is odd about scans that were encoded; see `Scans.odd`.

        Parameters
        ----------
        scans : Scans
            The patients' scans.
        resources : Resources
            What may be used.
        but : sequence of int, default=()
            Rows that something was told of already.

        Warns
        -----
        UserWarning
            If scans do not look like HU, or a brain mask or a pose was not to be trusted. An
            encoder that reads scans itself and does not tell how, by ``volume_``, warns itself.
        """
        reader = self._reads_by()
        if reader is not None:
            rows = np.flatnonzero(scans.present)
            told = scans.odd(np.setdiff1d(rows, but), reader, resources.memory)
            tell(told, len(rows))

    def _reads_by(self) -> VolumeReader | None:
        if self.trained or not self.is_transformer:
            return self.reader
        reader = getattr(self.encoder, "volume_", None)
        return reader if isinstance(reader, VolumeReader) else None

    def _pass_on(self, told: list[Told], n_scans: int) -> None:
        """Tell once what an encoder told that reads scans itself, a few at a time."""
        if self._reads_by() is None:
            tell([each._replace(row="") for each in told], n_scans)

    def _known(
        self, scans: Scans, rows: np.ndarray, resources: Resources, encoder: Any
    ) -> np.ndarray:
        frozen = self.frozen or isinstance(encoder, nn.Module)
        encoding = self._encoding(encoder, keep=self.trained or not frozen)
        with gathered() as told:
            known = _get(
                scans,
                rows,
                encoding.recipe(),
                lambda missing: encoding.encode(scans, missing, resources),
                resources,
            )
        self._pass_on(told, len(rows))
        return encoding.as_tokens(known)

    def _encoding(self, encoder: Any, *, keep: bool, mirror: bool = False) -> Encoding:
        if isinstance(encoder, nn.Module):
            return ModuleEncoding(
                encoder, self.reader, self.dtype, self.device, keep=keep, mirror=mirror
            )
        return TransformerEncoding(encoder, keep=keep, mirror=mirror)

    def _check_finite(self, known: np.ndarray, scans: Scans, rows: np.ndarray) -> None:
        finite = np.isfinite(known).reshape(len(known), -1).all(axis=1)
        if not finite.all():
            raise ValueError(
                f"{type(self.encoder).__name__} gave features that are not finite for "
                f"{scans.names(rows[~finite])}."
            )

    def _everyone(self, known: np.ndarray, scans: Scans, rows: np.ndarray) -> np.ndarray:
        """Give patients without a scan zeros."""
        self.n_tokens, self.dim = known.shape[1:]
        every = np.zeros((len(scans), *known.shape[1:]), dtype=known.dtype)
        every[rows] = known
        return every


def _get(
    scans: Scans,
    rows: np.ndarray,
    recipe: str | None,
    encode: Callable[[np.ndarray], Iterable[np.ndarray]],
    resources: Resources,
) -> np.ndarray:
    """Ask the cache of this process."""
    return features.get(
        scans, rows, recipe, encode, memory=resources.memory, verbose=resources.verbose
    )
