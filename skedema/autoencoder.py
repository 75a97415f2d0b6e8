"""ViTAutoencoder: features of scans, learned without labels."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import torch
from sklearn.base import clone
from sklearn.utils._param_validation import Interval, StrOptions

from skedema._all_or_nothing import all_or_nothing
from skedema._device import find_device
from skedema._pace import paced
from skedema._pretraining.cost import Cost, measure
from skedema._pretraining.fitted import FittedAutoencoder
from skedema._pretraining.loop import Training
from skedema._pretraining.run import WIDTHS, first_reader, first_stage, train
from skedema._pretraining.views import ViewAugmentation
from skedema._pretraining.worth import told_worth
from skedema._torch_state import own_torch_state
from skedema.modules.autoencoder_sizes import SIZES
from skedema.scans import VolumeReader

__all__ = ["ViTAutoencoder", "ViewAugmentation"]

_AT_LEAST_ONE = Interval(Integral, 1, None, closed="left")
_NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
_CONSTRAINTS: dict[str, Any] = {
    "size": [StrOptions(set(SIZES))],
    **{name: [_AT_LEAST_ONE, None] for name in WIDTHS},
    "decoder": [StrOptions({"self", "cross"})],
    "predicted_share": [Interval(Real, 0, 1, closed="right")],
    "patch": [_AT_LEAST_ONE, tuple, list, None],
    "volume": [VolumeReader, None],
    "mask_ratio": [Interval(Real, 0, 1, closed="neither")],
    **{name: [_NOT_NEGATIVE] for name in ("edge_weight", "contrast_weight", "weight_decay")},
    "pool": [StrOptions({"mean", "cls", "patches"})],
    "augment": ["boolean", ViewAugmentation],
    "reference_compat": ["boolean"],
    "max_epochs": [Interval(Integral, 0, None, closed="left")],
    "batch_size": [_AT_LEAST_ONE],
    "lr": [Interval(Real, 0, None, closed="neither")],
    "warmup_fraction": [Interval(Real, 0, 1, closed="left")],
    "checkpoint_dir": "no_validation",
    "checkpoint_minutes": [_NOT_NEGATIVE],
    "memory": "no_validation",
    "dtype": [StrOptions({"auto", "float32", "bfloat16"})],
    "device": [str, torch.device],
    "n_jobs": [Integral, None],
    "warm_start": ["boolean"],
    "random_state": ["random_state"],
    "check": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
    "verbose": ["verbose"],
}


class ViTAutoencoder(FittedAutoencoder):
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
    decoder : {"self", "cross"}, default="self"
        Whom a hidden place looks at to be rebuilt. ``"self"``: all places, as in the reference.
        ``"cross"``: those shown, alone (CrossMAE: Fu et al., "Rethinking patch dependence for
        masked autoencoders", 2024); it costs less, see Notes. Not with `reference_compat`.
    predicted_share : float, default=1.0
        Share of the hidden patches that a step rebuilds, with ``decoder="cross"``.
    patch : int or tuple of 3 int, default=None
        Voxels of a patch along each axis. None is what `size` says: 8 for ``"base"``, a quarter of
        each side of the volume for the others. A volume that is no multiple of it is continued.
    volume : VolumeReader or None, default=None
        How scans are read and resampled. None is what `size` says: ``VolumeReader()``, 96 cubed,
        for ``"base"``; for the others ``VolumeReader(spacing=6.75, shape=32)``, the same field of
        view at a third of the resolution: minutes on a CPU instead of hours, and enough for what is
        centimetres wide. A copy is kept as `volume_`.
    mask_ratio : float, default=0.75
        Share of the patches that is hidden.
    edge_weight : float, default=0.01
        Weight of the edge loss in the first epoch. It falls linearly to zero over the epochs; it
        stays as it is in `partial_fit`, which does not know the last one.
    contrast_weight : float, default=0.1
        Weight of the contrast between two views; the reference's is 0.001.
    pool : {"mean", "cls", "patches"}, default="mean"
        What `transform` gives: the mean of the patch tokens, normalised; the class token; or the
        tokens of all patches, each normalised, side by side in the order of the grid, which tell
        where in the head something is (see ``docs/encoders.md``). It may be changed after `fit`.
    augment : bool or ViewAugmentation, default=True
        How the two views of a scan come about. True is `ViewAugmentation` with small shifts, a flip
        for both views, and an offset and noise of a few HU. False: both are the scan.
    reference_compat : bool, default=False
        Compute losses as the reference implementation does, its oddities included; see
        `skedema.modules.autoencoder_objective.pretraining_losses`.
    max_epochs : int, default=100
        How often every scan is seen. 0 keeps the initial weights: `fit` reads no scan, and all fits
        with one seed and shape of volumes are equal, whatever the scans. Voxels are then
        standardised as if spread evenly over their window. Such random features are the ones that
        pre-training has to beat.
    batch_size : int, default=8
        Scans a step. Within a process group of ``torch.distributed``, where all processes call
        `fit` and end with the same, those of all of them: see ``docs/data-parallel.md``.
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
        of a fit that was never stopped; a fit that was finished is taken as it is.
    checkpoint_minutes : float, default=10.0
        How much work may be lost: the least time between two checkpoints. 0 writes one after every
        step.
    memory : str, path, joblib.Memory or None, default=None
        A folder, a cache, where what was computed is kept between runs and processes: read volumes,
        features and, with an integer `random_state`, the checkpoints of `fit`. See
        ``docs/reuse.md``. None: volumes and features in memory alone, within bounds.
    dtype : {"auto", "float32", "bfloat16"}, default="auto"
        Precision of the training, weights being float32 in any case. ``"auto"``: bfloat16 on
        processors that multiply it in hardware. Features are computed in float32, unless
        ``"bfloat16"`` is asked for.
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
        bit, on one kind of CPU and one thread count; on a GPU see ``docs/gpu.md``.
    check : int or "auto", default="auto"
        How many of the training scans `fit` looks at when it is done, to tell on standard error
        what pre-training brought over the random weights that it began with; see Notes. ``"auto"``:
        at most 200, and so few that it takes about a tenth of the training's time. Fewer than 20
        are too few for an answer, and 0 asks for none. A fit that goes on from weights that were
        there (`warm_start`, `from_reference`) began with no random ones and has none, either.
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
    check_ : Worth or None
        What the check of the last `fit` found: ``n_scans``, ``auc``, ``auc_random``, ``difference``
        and its 95 % interval, ``low`` and ``high``. None where there was none.
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
    it is as it was before. Interrupted in its `check`, it is fitted.

    `check` puts lesions into half of the scans as the network reads them, dark as of water or
    bright as of blood, and asks how well the tokens of both sides (as in
    `skedema.encoders.MirroredTokens`) tell these from the others in a cross-validated logistic
    regression, beside the weights that training began with. It needs no labels and changes no
    weight. On prepared heads no recipe was clearly better than random weights, at up to 1,282 scans
    (``benchmarks/README.md``): where it finds no gain, ``max_epochs=0`` is the one to take.

    ``decoder="cross"`` took 0.71 of the time of a step of base size, 0.58 where a third was asked
    for, and made no better features (AUC 0.780, 0.781 beside 0.782; ``benchmarks/README.md``).

    Voxels are standardised by mean and standard deviation of a typical scan (medians over 16 of
    them; with ``max_epochs=0`` those of numbers spread evenly from 0 to 1, or without windows from
    -1000 to 1000 HU), kept with the weights; not with `reference_compat`. Features of a scan are
    computed apart from those of others, so they do not depend on them in any bit.

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

    _parameter_constraints: ClassVar[dict[str, Any]] = _CONSTRAINTS

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
        decoder: str = "self",
        predicted_share: float = 1.0,
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
        check: int | str = "auto",
        verbose: int = 0,
    ) -> None:
        self.size = size
        self.dim = dim
        self.depth = depth
        self.n_heads = n_heads
        self.decoder_dim = decoder_dim
        self.decoder_depth = decoder_depth
        self.decoder_heads = decoder_heads
        self.decoder = decoder
        self.predicted_share = predicted_share
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
        self.check = check
        self.verbose = verbose

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
        goes_on = self.warm_start and hasattr(self, "module_")
        training, interrupt = self._train(X, goes_on=goes_on, n_epochs=self.max_epochs)
        if interrupt is not None:  # raised here, where nothing is undone
            raise interrupt
        self.check_ = told_worth(training)
        return self

    @own_torch_state()
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
        self._train(X, goes_on=hasattr(self, "module_"), n_epochs=None)
        return self

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
        cost = self._cost(X)
        print(cost)
        return cost

    def _cost(self, X: Any) -> Cost:
        return measure(clone(self)._training(X, goes_on=False, n_epochs=self.max_epochs))

    @paced()
    @all_or_nothing
    def _train(
        self, X: Any, *, goes_on: bool, n_epochs: int | None
    ) -> tuple[Training, KeyboardInterrupt | None]:
        training = self._training(X, goes_on=goes_on, n_epochs=n_epochs)
        interrupt = train(training)
        warm = (self.warm_start or n_epochs is None) and interrupt is None
        self._take(training.end(keep_optimizer=warm), len(training.source))
        if not goes_on:
            self.__dict__.pop("weights_report_", None)
        return training, interrupt

    def _training(self, X: Any, *, goes_on: bool, n_epochs: int | None) -> Training:
        self._validate_params()
        find_device(self.device)  # or refuse it before anything is looked at
        params = self.get_params(deep=False)
        reader = self.volume_ if goes_on else first_reader(params)
        source = self._source(X, reader, reset=not goes_on)
        start = self._stage() if goes_on else first_stage(params, reader)
        return Training(params, start, source, n_epochs)


def vit_ae() -> ViTAutoencoder:
    """Make the encoder that ``encoder="vit_ae"`` names."""
    return ViTAutoencoder()
