"""ViTAutoencoder: features of scans, learned without labels."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from skedema._all_or_nothing import all_or_nothing
from skedema._caching.memory import memory_folder
from skedema._device import device_at_hand, find_device, full_float32
from skedema._features import features, recipe_of, recipe_of_mirrored
from skedema._pretraining.checkpoints import Checkpoints, folder_of_run
from skedema._pretraining.cost import Cost, measure
from skedema._pretraining.fingerprint import fingerprint
from skedema._pretraining.loop import Settings, Training
from skedema._pretraining.precision import precision, training_dtype
from skedema._pretraining.progress import progress
from skedema._pretraining.resumable import problem_of_state
from skedema._pretraining.scale import voxel_scale
from skedema._pretraining.source import RowSource, ScanSource, Source, holds_rows, take_every_scan
from skedema._pretraining.views import ViewAugmentation
from skedema._rng import isolated_rng
from skedema._torch_state import own_torch_state
from skedema.modules.autoencoder_sizes import SIZES, AutoencoderSize
from skedema.modules.masked_autoencoder import MaskedAutoencoder
from skedema.modules.mirror import mirrored
from skedema.modules.pooled_encoder import PooledEncoder
from skedema.modules.reference_weights import WeightsReport, load_reference_weights
from skedema.scans import VolumeReader

__all__ = ["ViTAutoencoder", "ViewAugmentation"]

_HISTORY = ("total", "reconstruction", "edge", "contrast", "lr", "seconds")
_WIDTHS = ("dim", "depth", "n_heads", "decoder_dim", "decoder_depth", "decoder_heads")


class ViTAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Learn features of scans without labels: hide most of a scan and rebuild it.

    ViT-AE++ (Prabhakar et al., "ViT-AE++: improving vision transformer autoencoder for
    self-supervised medical image representations", MIDL 2023): a vision transformer sees a quarter
    of the patches of a scan, a lighter one rebuilds the rest; edges are to be rebuilt too, and two
    views of a scan are to look alike. `transform` then gives a vector a scan, in which a linear
    classifier finds what it needs.

    Parameters
    ----------
    size : {"tiny", "small", "base"}, default="small"
        Widths, depths, heads and patch by name, see `skedema.modules.autoencoder_sizes.SIZES`;
        ``"base"`` is the reference's. What is given below replaces a part of it.
    dim, depth, n_heads : int, default=None
        Width of the encoder's tokens and of the features (even), blocks, and heads.
    decoder_dim, decoder_depth, decoder_heads : int, default=None
        The same of the decoder, which only training and `reconstruct` need.
    patch : int or tuple of 3 int, default=None
        Voxels of a patch along each axis. None is what `size` says: 8 for ``"base"``, a quarter of
        each side of the volume for the others. A volume that is no multiple of it is continued.
    volume : VolumeReader or None, default=None
        How scans are read and resampled. None is what `size` says: ``VolumeReader()``, 96 cubed,
        for ``"base"``; for the others ``VolumeReader(spacing=6.75, shape=32)``, the same field of
        view at a third of the resolution: minutes on a CPU instead of hours, and enough for what is
        centimetres wide. A copy is kept as `volume_`, and with it how every later scan is read.
    mask_ratio : float, default=0.75
        Share of the patches that is hidden.
    edge_weight : float, default=0.01
        Weight of the edge loss in the first epoch. It falls linearly to zero over the epochs; it
        stays as it is in `partial_fit`, which does not know the last one.
    contrast_weight : float, default=0.1
        Weight of the contrast between two views; the reference's is 0.001.
    pool : {"mean", "cls", "patches"}, default="mean"
        What `transform` gives: the mean of the patch tokens, normalised; the class token; or the
        tokens of all patches, each normalised, side by side in the order of the grid. It may be
        changed after `fit`. ``"patches"`` tells where in the head something is, which a mean over
        patches loses: on 400 simulated scans with infarcts or none, cross-validated ridge
        regressions on the mean, the patches and plain voxels correlated with the severity of the
        lesion by 0.70, 0.90 and 0.95. So many numbers want regularisation, or a PCA after them.
        A scan takes ``4 * n_patches * dim`` bytes then, 49 KB for 64 patches of width 192.
    augment : bool or ViewAugmentation, default=True
        How the two views of a scan come about. True is
        ``skedema.autoencoder.ViewAugmentation()``: small shifts, a flip for both views, and
        an offset and noise of a few HU, no more than between scanners. False: both are the scan.
    reference_compat : bool, default=False
        Compute losses as the reference implementation does, its oddities included; see
        `skedema.modules.autoencoder_objective.pretraining_losses`.
    max_epochs : int, default=100
        How often every scan is seen.
    batch_size : int, default=8
        Scans a step.
    lr : float, default=1e-3
        Learning rate of AdamW at its highest: it rises linearly at first and then falls to zero by
        half a cosine, as a function of the step.
    weight_decay : float, default=0.05
        Weight decay of AdamW, on matrices alone.
    warmup_fraction : float, default=0.1
        Share of the steps in which the learning rate rises.
    checkpoint_dir : path or None, default=None
        A folder for the checkpoints of `fit`; each run, that is each set of parameters and scans
        (those of a fold, say), has its own within. When its checkpoints are there, `fit` goes on
        from the newest: after a kill at any moment it ends with the weights, bit for bit on a CPU,
        of a fit that was never stopped; a fit that was finished is taken as it is. Remove the
        folder to begin anew. Where a checkpoint cannot be written, on a full disk say, a warning
        tells, and training goes on.
    checkpoint_minutes : float, default=10.0
        How much work may be lost: the least time between two checkpoints. 0 writes one after every
        step.
    memory : str, path, joblib.Memory or None, default=None
        A folder where what was computed is kept between runs and shared between processes: read
        volumes, features and, with an integer `random_state`, the checkpoints of `fit`, as with
        `checkpoint_dir`. It is a cache: what cannot be written or is damaged there is made anew,
        with a warning. None: volumes and features in memory alone, within bounds.
    dtype : {"auto", "float32", "bfloat16"}, default="auto"
        Precision of the training, weights being float32 in any case. ``"auto"``: bfloat16 on
        processors that multiply it in hardware. Features are computed in float32 and are the
        same wherever they are computed, unless ``"bfloat16"`` is asked for.
    device : str or torch.device, default="auto"
        ``"auto"`` is a CUDA device if there is one. It may be changed after `fit`. `fit` needs the
        device; a fitted autoencoder that comes to a machine without it computes where ``"auto"``
        would.
    n_jobs : int or None, default=None
        Processes that read scans ahead of training.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights and the optimizer's state of the last, for
        `max_epochs` more. Only then is that state, twice the size of the weights, pickled.
    random_state : int, RandomState or None, default=None
        Seeds weights, order, masks and views. Two fits with the same integer are equal, bit for
        bit, on one kind of CPU and one thread count, and global random generators are left as they
        were. On a GPU see ``docs/gpu.md``.
    verbose : int, default=0
        Above 0, shows the time left on standard error.

    Attributes
    ----------
    module_ : MaskedAutoencoder
        The network, on the CPU.
    volume_ : VolumeReader
        How scans are read.
    history_ : DataFrame
        One row an epoch, numbered from 0: means of the losses (``total``, ``reconstruction``,
        ``edge``, ``contrast``), the last ``lr``, and ``seconds``.
    n_iter_ : int
        Epochs trained.
    n_features_in_ : int
        Numbers a row; only where X was a table of rows.
    weights_report_ : WeightsReport
        After `from_reference`: what became of every key.

    See Also
    --------
    AttentionMixerClassifier : Takes it as `encoder`: as it is, and fitted on the training scans
        only, or fitted before and wrapped in `sklearn.frozen.FrozenEstimator`.
    VolumeReader : What happens to scans.

    Notes
    -----
    When `fit` is interrupted (Ctrl-C) it raises KeyboardInterrupt, as others do, and leaves the
    estimator fitted with the weights of the finished epoch that had the lowest reconstruction loss
    (of the total, the one part whose weight is the same in every epoch). If no epoch was finished
    it is as it was before.

    Voxels are standardised by mean and standard deviation of a typical scan (medians over 16 of
    them), kept with the weights; not with `reference_compat`.

    Volumes are read when their batch is due. Features of a scan are computed apart from those of
    others, so they do not depend on them in any bit.

    Examples
    --------
    >>> import numpy as np
    >>> from skedema import ViTAutoencoder, VolumeReader
    >>> scans = [np.random.default_rng(i).normal(40, 10, (16, 16, 16)) for i in range(4)]
    >>> autoencoder = ViTAutoencoder(
    ...     size="tiny", volume=VolumeReader(shape=16), max_epochs=2, random_state=0
    ... )
    >>> autoencoder.fit_transform(scans).shape
    (4, 96)
    """

    module_: MaskedAutoencoder
    volume_: VolumeReader
    n_iter_: int
    weights_report_: WeightsReport
    _seed: int
    _history: list[dict[str, float]]
    _optimizer_state: dict[str, Any] | None
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "size": [StrOptions(set(SIZES))],
        **{name: [Interval(Integral, 1, None, closed="left"), None] for name in _WIDTHS},
        "patch": [Interval(Integral, 1, None, closed="left"), tuple, list, None],
        "volume": [VolumeReader, None],
        "mask_ratio": [Interval(Real, 0, 1, closed="neither")],
        "edge_weight": [Interval(Real, 0, None, closed="left")],
        "contrast_weight": [Interval(Real, 0, None, closed="left")],
        "pool": [StrOptions({"mean", "cls", "patches"})],
        "augment": ["boolean", ViewAugmentation],
        "reference_compat": ["boolean"],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "warmup_fraction": [Interval(Real, 0, 1, closed="left")],
        "checkpoint_dir": "no_validation",
        "checkpoint_minutes": [Interval(Real, 0, None, closed="left")],
        "memory": "no_validation",
        "dtype": [StrOptions({"auto", "float32", "bfloat16"})],
        "device": [str, torch.device],
        "n_jobs": [Integral, None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        size: str = "small",
        dim: int | None = None,
        depth: int | None = None,
        n_heads: int | None = None,
        decoder_dim: int | None = None,
        decoder_depth: int | None = None,
        decoder_heads: int | None = None,
        patch: int | tuple[int, int, int] | None = None,
        volume: VolumeReader | None = None,
        mask_ratio: float = 0.75,
        edge_weight: float = 0.01,
        contrast_weight: float = 0.1,
        pool: str = "mean",
        augment: Any = True,
        reference_compat: bool = False,
        max_epochs: int = 100,
        batch_size: int = 8,
        lr: float = 1e-3,
        weight_decay: float = 0.05,
        warmup_fraction: float = 0.1,
        checkpoint_dir: Any = None,
        checkpoint_minutes: float = 10.0,
        memory: Any = None,
        dtype: str = "auto",
        device: Any = "auto",
        n_jobs: int | None = None,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.size = size
        self.dim = dim
        self.depth = depth
        self.n_heads = n_heads
        self.decoder_dim = decoder_dim
        self.decoder_depth = decoder_depth
        self.decoder_heads = decoder_heads
        self.patch = patch
        self.volume = volume
        self.mask_ratio = mask_ratio
        self.edge_weight = edge_weight
        self.contrast_weight = contrast_weight
        self.pool = pool
        self.augment = augment
        self.reference_compat = reference_compat
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.warmup_fraction = warmup_fraction
        self.checkpoint_dir = checkpoint_dir
        self.checkpoint_minutes = checkpoint_minutes
        self.memory = memory
        self.dtype = dtype
        self.device = device
        self.n_jobs = n_jobs
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

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
            The weights under the reference's names; in its checkpoint files they are what is under
            ``"model"``.
        volume : VolumeReader or None, default=None
            How scans are read: with the channels and voxels that the weights were made for.
        size : {"tiny", "small", "base"}, default="base"
            As the parameter.
        strict : bool, default=True
            Whether a key that does not fit is an error. If not, the rest is loaded, and
            a warning and the report in `weights_report_` tell what kept its random values.
        **params
            Further parameters. `reference_compat` is True unless given: the reference's
            predictor fits no other network.

        Returns
        -------
        ViTAutoencoder
            With no epoch trained; `partial_fit`, and `fit` with ``warm_start=True``, go on from it.

        Raises
        ------
        skedema.modules.reference_weights.ReferenceWeightsError
            With `strict`, when a key is missing, left over, or has another shape. Every such key is
            named, and nothing is loaded.
        """
        params = {"reference_compat": True} | params
        estimator = cls(size=size, volume=volume, **params)
        estimator._validate_params()
        reader, seed = estimator._given(goes_on=False)
        with own_torch_state():
            module = estimator._new_module(reader, seed)
            report: WeightsReport = load_reference_weights(module, state_dict, strict=strict)
        if not report.fits:
            warnings.warn(f"Not all reference weights were loaded: {report}.", stacklevel=2)
        estimator.module_ = module.eval()
        estimator.volume_, estimator._seed = reader, seed
        estimator._history, estimator.n_iter_ = [], 0
        estimator._optimizer_state = None
        estimator.weights_report_ = report
        return estimator

    @own_torch_state()
    def fit(self, X: Any, y: Any = None) -> Self:
        """Pre-train.

        Parameters
        ----------
        X : sequence of n scans, or array of shape (n, C X Y Z)
            Scans as `VolumeReader.transform` takes them: a list, Series, column or table of one
            column of paths, nibabel images or 3-D arrays in HU. Or rows of numbers: volumes as that
            method gives them, flattened.
        y : object, default=None
            Ignored: there are no labels.

        Returns
        -------
        ViTAutoencoder
            The fitted estimator.

        Raises
        ------
        ScanError
            When scans are missing (the message names the rows) or cannot be read.
        ValueError
            When parameters do not go together, `checkpoint_dir` cannot be written to, or the
            checkpoints of this run there are damaged.
        FloatingPointError
            When a loss is not finite; the message names the scans of the batch.
        KeyboardInterrupt
            When interrupted; see Notes.

        Warns
        -----
        UserWarning
            Once, with the rows, if scans do not look like HU, or were read without the brain mask
            or left as scanned since what was found is not to be trusted (see `VolumeReader`).
        """
        interrupt = self._fit(X)
        if interrupt is not None:
            raise interrupt
        return self

    @all_or_nothing
    def _fit(self, X: Any) -> KeyboardInterrupt | None:
        """Fit, and give the interrupt that came after the first finished epoch."""
        self._validate_params()
        goes_on = self.warm_start and hasattr(self, "module_")
        training = self._training(X, goes_on=goes_on, n_epochs=self.max_epochs)
        self._set_scale(training, goes_on=goes_on)
        checkpoints = self._checkpoints(training, goes_on=goes_on)
        interrupt = None
        try:
            with progress(training.n_steps, training.n_steps_done, self.verbose) as after_step:
                training.run(checkpoints, after_step)
        except KeyboardInterrupt as error:
            if training.best is None:
                raise
            training.module.load_state_dict(training.best)
            interrupt = error
        else:
            training.source.tell_odd()
        keep_optimizer = self.warm_start and interrupt is None
        self._finish(training, goes_on=goes_on, keep_optimizer=keep_optimizer)
        return interrupt

    @own_torch_state()
    @all_or_nothing
    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Train for one epoch, from where the last call ended.

        Learning rate and edge weight stay as the parameters say, and no checkpoint is written.

        Parameters
        ----------
        X
            As in `fit`.
        y : object, default=None
            Ignored.

        Returns
        -------
        ViTAutoencoder
            The estimator.
        """
        self._validate_params()
        goes_on = hasattr(self, "module_")
        training = self._training(X, goes_on=goes_on, n_epochs=1, endless=True)
        self._set_scale(training, goes_on=goes_on)
        with progress(training.n_steps, 0, self.verbose) as after_step:
            training.run(after_step=after_step)
        training.source.tell_odd()
        self._finish(training, goes_on=goes_on, keep_optimizer=True)
        return self

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
        return PooledEncoder(self.module_, cast(Any, self.pool))

    @own_torch_state()
    def estimate(self, X: Any) -> Cost:
        """Tell what `fit` will cost before it starts, by taking a few of its steps.

        Parameters
        ----------
        X
            As in `fit`. A batch of scans is read; the estimator stays as it is.

        Returns
        -------
        Cost
            ``n_parameters``, ``memory`` (bytes), ``seconds_per_step``, ``seconds_per_scan``,
            ``n_steps`` and ``seconds``; also printed.
        """
        self._validate_params()
        cost = measure(clone(self)._training(X, goes_on=False, n_epochs=self.max_epochs))
        print(cost)
        return cost

    @property
    def history_(self) -> pd.DataFrame:
        """One row an epoch: losses, learning rate and seconds."""
        check_is_fitted(self)
        frame = pd.DataFrame(self._history, columns=list(_HISTORY), dtype=np.float64)
        return frame.rename_axis("epoch").reset_index()

    @property
    def _n_features_out(self) -> int:
        dim = int(self.module_.class_token.shape[-1])
        return dim * self.module_.n_patches if self.pool == "patches" else dim

    @own_torch_state()
    def _features(self, X: Any, *, mirror: bool) -> NDArray[np.float32]:
        check_is_fitted(self)
        self._validate_params()
        source = self._source(X, self.volume_, reset=False)
        pool = cast(Any, self.pool)

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
            source.scans, rows, recipe, encode, memory=self._memory(), verbose=int(self.verbose)
        )

    def _given(self, *, goes_on: bool) -> tuple[VolumeReader, int]:
        """Give what the first fit decides: how scans are read, and the seed."""
        if goes_on:
            return self.volume_, self._seed
        reader = _reader(self.size) if self.volume is None else clone(self.volume)
        reader.settings()
        return reader, int(check_random_state(self.random_state).randint(2**31))

    def _source(self, X: Any, reader: VolumeReader, *, reset: bool) -> RowSource | ScanSource:
        if holds_rows(X):
            rows = validate_data(self, X, dtype=np.float32, reset=reset)
            return RowSource(rows, (reader.n_channels, *reader.settings().shape))
        if reset:
            for name in ("n_features_in_", "feature_names_in_"):
                self.__dict__.pop(name, None)
        return ScanSource(take_every_scan(X), reader, self._memory(), self.n_jobs)

    def _new_module(self, reader: VolumeReader, seed: int) -> MaskedAutoencoder:
        size = self._size()
        with isolated_rng(seed):
            return MaskedAutoencoder(
                reader.n_channels,
                reader.settings().shape,
                size,
                self.mask_ratio,
                "batch" if self.reference_compat else "layer",
            )

    def _size(self) -> AutoencoderSize:
        given = {name: getattr(self, name) for name in _WIDTHS}
        if self.patch is not None:
            sides = (self.patch,) * 3 if isinstance(self.patch, Integral) else self.patch
            given["patch"] = tuple(int(side) for side in cast(Any, sides))
        return replace(SIZES[self.size], **{k: v for k, v in given.items() if v is not None})

    def _training(self, X: Any, *, goes_on: bool, n_epochs: int, endless: bool = False) -> Training:
        device = find_device(self.device)
        reader, seed = self._given(goes_on=goes_on)
        source = self._source(X, reader, reset=not goes_on)
        settings = Settings(
            seed=seed,
            n_epochs=n_epochs,
            first_epoch=self.n_iter_ if goes_on else 0,
            endless=endless,
            batch_size=min(self.batch_size, len(source)),
            lr=self.lr,
            weight_decay=self.weight_decay,
            warmup_fraction=self.warmup_fraction,
            edge_weight=self.edge_weight,
            contrast_weight=self.contrast_weight,
            reference_compat=self.reference_compat,
            augmentation=self._augmentation(),
            dtype=training_dtype(self.dtype, device),
            device=device,
        )
        # A copy: whatever stops this run leaves the last one's weights whole.
        module = copy.deepcopy(self.module_) if goes_on else self._new_module(reader, seed)
        training = Training(module, settings, source, reader)
        if goes_on and self._optimizer_state is not None:
            training.restore_optimizer(self._optimizer_state)
        return training

    def _set_scale(self, training: Training, *, goes_on: bool) -> None:
        if not (goes_on or self.reference_compat):
            training.module.standardize.set(*voxel_scale(training.source))

    def _augmentation(self) -> ViewAugmentation | None:
        if not isinstance(self.augment, ViewAugmentation):
            return ViewAugmentation() if self.augment else None
        self.augment._validate_params()
        return self.augment

    def _checkpoints(self, training: Training, *, goes_on: bool) -> Checkpoints | None:
        """Open the folder of checkpoints, and go to where the newest was."""
        run = fingerprint(self.get_params(deep=False), training, self.module_ if goes_on else None)
        memory = self._memory()
        if self.checkpoint_dir is not None:
            folder, cache = Path(self.checkpoint_dir).expanduser(), False
        # Without a seed no later fit is the same run.
        elif memory is not None and isinstance(self.random_state, Integral) and not goes_on:
            folder, cache = memory / "skedema" / "pretraining", True
        else:
            return None
        folder = folder_of_run(folder, run)
        checkpoints = Checkpoints(folder, run, self.checkpoint_minutes, cache=cache)
        state = checkpoints.load(partial(problem_of_state, training))
        if state is not None:
            training.restore(state)
        return checkpoints

    def _finish(self, training: Training, *, goes_on: bool, keep_optimizer: bool) -> None:
        self._history = (self._history if goes_on else []) + training.history
        self.n_iter_ = len(self._history)
        self.module_ = training.module.eval().cpu()
        self.volume_, self._seed = training.reader, training.settings.seed
        self._optimizer_state = training.optimizer_state() if keep_optimizer else None
        if not goes_on:
            self.__dict__.pop("weights_report_", None)

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

    def _memory(self) -> Path | None:
        return memory_folder(self.memory)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        if not self.warm_start and "_optimizer_state" in state:
            state["_optimizer_state"] = None
        return state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def vit_ae() -> ViTAutoencoder:
    """Make the encoder that ``encoder="vit_ae"`` names, the classifier's default.

    Returns
    -------
    ViTAutoencoder
        Not fitted yet.
    """
    return ViTAutoencoder()


def _reader(size: str) -> VolumeReader:
    return VolumeReader() if size == "base" else VolumeReader(spacing=6.75, shape=32)
