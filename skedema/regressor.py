"""AttentionMixerRegressor: parameters, fit, predict."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if

from skedema._all_or_nothing import all_or_nothing
from skedema._torch_state import own_torch_state
from skedema._training.continuous import LOSSES
from skedema._training.number_estimator import NumberEstimator
from skedema._training.parameters import SHARED
from skedema.scans import VolumeReader


def _trains_in_parts(estimator: AttentionMixerRegressor) -> bool:
    if estimator.early_stopping is True:
        raise ValueError("partial_fit trains a single epoch: early_stopping=True does not fit.")
    return True


# Each parameter is documented and stored here, as scikit-learn has it; predictions and what is
# about the target are in `NumberEstimator`.
class AttentionMixerRegressor(NumberEstimator):
    """Predict a number, such as a volume in mL, from a scan, clinical variables, or both.

    The network of `AttentionMixerClassifier`, with a number at its end: what is said there of
    scans, tables, missing values, encoders, fusions and of what is kept holds here as well. Beside
    a number it can give quantiles, and so an interval for each patient.

    Parameters
    ----------
    image : str, int, list of these, or None, default=None
        The column that holds the scan, or of several scans a patient their columns; None: there are
        no scans. All other columns are clinical.
    encoder : str, Encoder, transformer, list or None, default="mirrored_tokens"
        The image backbone; None leaves the scans out.
    fine_tune : bool or "auto", default="auto"
        Whether gradients reach the encoder; ``"auto"``: that of encoder objects and
        `ViTAutoencoder`, not of what is frozen and of other transformers.
    volume : VolumeReader or None, default=None
        How scans are read and resampled.
    mirror : bool or "auto", default="auto"
        Whether training shows scans mirrored left to right as well; ``"auto"``: where the encoder
        is trained with the model. Give False where the target or a variable has a side, such as a
        midline shift with a sign.
    metadata : transformer or None, default=None
        Turns the clinical columns into one number a token; None is ``ClinicalTokenizer()``.
    trusted_columns : list of (str or int) or None, default=None
        Clinical columns that are known not to leak, and of which `fit` is not to warn.
    fusion : str or Fusion, default="cross_attention"
        How scan and clinical tokens meet.
    refiner : str, Refiner or None, default="mixer"
        What refines the fused tokens.
    dim : int, default=32
        Width of every token.
    n_heads : int, default=4
        Attention heads; divides `dim`.
    depth : int, default=1
        Layers of the refiner.
    dropout : float, default=0.0
        Probability of dropping an attention weight or a hidden unit in training.
    input_dropout : float or "auto", default="auto"
        Probability of hiding a clinical variable, or a feature of a fixed encoder, in a step of
        training; ``"auto"``: 0.3 from 40 training patients on.
    modality_dropout : float, default=0.0
        Probability with which a scan, or all clinical values of a patient, counts as missing in a
        step of training.
    loss : {"squared_error", "absolute_error", "huber", "quantile"}, default="squared_error"
        What training brings down, of the scaled target. `predict` then gives the mean of a patient
        like this; the median, which a few that are far off do not move; with ``"huber"`` something
        between the two; with ``"quantile"`` the median, and `predict_quantiles` all `quantiles`.
    huber_delta : float, default=1.35
        Of ``loss="huber"``, the distance from which on an error counts linearly and no longer
        squared, in units of the scaled target. 1.35 keeps 95 % of the efficiency of the mean
        where errors are normal and as spread as the target.
    quantiles : sequence of float, default=(0.05, 0.5, 0.95)
        Of ``loss="quantile"``: ascending, between 0 and 1, with 0.5 among them.
    max_epochs : int or "auto", default="auto"
        Passes over the training patients, at most; ``"auto"`` as in `AttentionMixerClassifier`.
    batch_size : int or "auto", default="auto"
        Patients a step. ``"auto"``: 200, or 16 where volumes go through an encoder that is trained.
    lr : float or "auto", default="auto"
        Learning rate of AdamW; ``"auto"`` as in `AttentionMixerClassifier`.
    layer_decay : float, default=0.75
        Factor of the learning rate from each layer of a pre-trained encoder to the one before it.
    weight_decay : float, default=0.1
        Weight decay of AdamW, which multiplies it by `lr`.
    n_members : int or "auto", default="auto"
        Networks that are trained side by side, of which predictions are the mean. Of several, each
        leaves out a part of the patients, drawn evenly from tenths of y, who are watched by it and
        learned from by all others. ``"auto"``: 4 from 40 to 500 training patients, where no encoder
        is trained; otherwise, and in `partial_fit`, 1.
    early_stopping : bool or "auto", default="auto"
        Whether to watch the loss on patients who are not learned from, stop when it no longer
        falls, and keep the best epoch. ``"auto"``: with several members, and from 500 patients on.
    validation_fraction : float, default=0.1
        The part of the patients that a single member sets aside to watch, evenly from tenths of y.
    n_iter_no_change : int, default=10
        Epochs without a lower loss before stopping.
    checkpoint_dir : path or None, default=None
        A folder for checkpoints of `fit`, from which the same fit goes on after a kill.
    memory : str, path, joblib.Memory or None, default=None
        Where read volumes, features and pre-trainings are kept between runs.
    dtype : {"auto", "float32", "float64"}, default="auto"
        Precision; ``"auto"`` is float64 without scans and float32 with them, and with a first fit
        on 2,000 patients or more.
    device : str or torch.device, default="auto"
        Where to compute; ``"auto"`` is a CUDA device if there is one.
    n_jobs : int or None, default=None
        Processes that read scans.
    warm_start : bool, default=False
        Whether `fit` goes on from the last one; columns, scales (that of y as well) and the loss
        then stay.
    callbacks : list or None, default=None
        Callbacks of skorch, to watch or to stop training. What they score are scaled targets:
        ``EpochScoring("r2", lower_is_better=False)`` is as of y, errors are in units of
        `target_scale_`.
    warn_unusual : bool, default=True
        Whether `fit` and predictions warn of values and scans that are unlike all others.
    random_state : int, RandomState instance or None, default=None
        Decides initial weights, order and splits.
    verbose : int, default=0
        Above 0, prints a line an epoch.

    Attributes
    ----------
    target_center_, target_scale_ : float
        What y is scaled by, learned from the patients that are learned from: mean and standard
        deviation; with the other losses the median and 1.4826 times the median absolute deviation,
        or, where more than half of y is one number, the mean absolute deviation.
    n_features_in_ : int
        Number of columns seen in `fit`, the scan's included.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Their names, if all are text.
    n_iter_ : int
        Epochs trained.
    net_ : skorch.NeuralNet
        The trained net; its module is ``net_.module_``, whose outputs are scaled.
    encoder_, volume_, metadata_
        As of `AttentionMixerClassifier`.
    held_out_ : HeldOutNumbers or None
        What the fit knows of training patients by networks that did not learn from them: arrays
        ``predicted``, ``y`` and ``sample_weight`` of shape (n,), and ``quantiles`` (None with
        another loss). See `AttentionMixerClassifier`; it is in no file that `skedema.save` writes,
        since each number is a patient's own.
    history_ : DataFrame
        One row an epoch: epoch, train_loss, valid_loss (with early stopping), seconds.

    See Also
    --------
    AttentionMixerClassifier : Each shared parameter at length.
    skedema.evaluation.evaluate : Errors, coverage of intervals and agreement, out of fold.
    sklearn.compose.TransformedTargetRegressor : For a target that is better learned as a logarithm.

    Notes
    -----
    Quantiles are learned together, by the mean of their pinball losses (Koenker and Bassett,
    "Regression quantiles", Econometrica 46, 1978). They are then sorted, so that none crosses
    another; sorting brings them closer to the true ones (Chernozhukov, Fernandez-Val and Galichon,
    "Quantile and probability curves without crossing", Econometrica 78, 2010). Of members the mean
    of sorted quantiles is taken, which is sorted. Intervals between them are those of the training
    patients: look at their coverage out of fold before you rely on it.

    For Huber's loss and 1.35 see Huber and Ronchetti, "Robust statistics" (Wiley, 2009).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from skedema import AttentionMixerRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"age": rng.normal(60, 12, 80), "sex": rng.choice(["f", "m"], 80)})
    >>> shift = 0.2 * (X["age"] - 50) + rng.normal(0, 1, 80)  # of the midline, in mm
    >>> X.loc[::7, "age"] = None
    >>> reg = AttentionMixerRegressor(random_state=0).fit(X, shift)
    >>> bool(reg.score(X, shift) > 0.5)
    True

    An interval for each patient:

    >>> reg = AttentionMixerRegressor(loss="quantile", max_epochs=5, random_state=0).fit(X, shift)
    >>> low, median, high = reg.predict_quantiles(X).T
    >>> bool(np.all((low <= median) & (median <= high)))
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = SHARED | {
        "loss": [StrOptions(set(LOSSES))],
        "huber_delta": [Interval(Real, 0, None, closed="neither")],
        "quantiles": "no_validation",
    }

    def __init__(
        self,
        *,
        image: str | int | Sequence[str | int] | None = None,
        encoder: Any = "mirrored_tokens",
        fine_tune: bool | str = "auto",
        volume: VolumeReader | None = None,
        mirror: bool | str = "auto",
        metadata: Any = None,
        trusted_columns: Any = None,
        fusion: Any = "cross_attention",
        refiner: Any = "mixer",
        dim: int = 32,
        n_heads: int = 4,
        depth: int = 1,
        dropout: float = 0.0,
        input_dropout: float | str = "auto",
        modality_dropout: float = 0.0,
        loss: str = "squared_error",
        huber_delta: float = 1.35,
        quantiles: Any = (0.05, 0.5, 0.95),
        max_epochs: int | str = "auto",
        batch_size: int | str = "auto",
        lr: float | str = "auto",
        layer_decay: float = 0.75,
        weight_decay: float = 0.1,
        n_members: int | str = "auto",
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        checkpoint_dir: Any = None,
        memory: Any = None,
        dtype: str = "auto",
        device: Any = "auto",
        n_jobs: int | None = None,
        warm_start: bool = False,
        callbacks: Any = None,
        warn_unusual: bool = True,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.image = image
        self.encoder = encoder
        self.fine_tune = fine_tune
        self.volume = volume
        self.mirror = mirror
        self.metadata = metadata
        self.trusted_columns = trusted_columns
        self.fusion = fusion
        self.refiner = refiner
        self.dim = dim
        self.n_heads = n_heads
        self.depth = depth
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.modality_dropout = modality_dropout
        self.loss = loss
        self.huber_delta = huber_delta
        self.quantiles = quantiles
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.layer_decay = layer_decay
        self.weight_decay = weight_decay
        self.n_members = n_members
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.checkpoint_dir = checkpoint_dir
        self.memory = memory
        self.dtype = dtype
        self.device = device
        self.n_jobs = n_jobs
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.warn_unusual = warn_unusual
        self.random_state = random_state
        self.verbose = verbose

    @own_torch_state()
    @all_or_nothing
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> AttentionMixerRegressor:
        """Train on patients.

        Parameters
        ----------
        X : DataFrame (pandas, polars) or array-like of shape (n_samples, n_features)
            One row a patient; the column `image` holds the scans, all others are clinical.
        y : array-like of shape (n_samples,)
            A finite number of each patient, in whatever unit.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the patients in the loss; a patient of weight 0 counts as absent.

        Returns
        -------
        AttentionMixerRegressor
            The fitted regressor.

        Raises
        ------
        ValueError
            When the table or y cannot be used, or y is the same in all patients; the message names
            column, row and remedy.
        ScanError
            When scans are not there (all are looked for before training begins) or unreadable.

        Warns
        -----
        UserWarning
            As `AttentionMixerClassifier.fit`.
        """
        return self._train(
            X, y, sample_weight, resume=self.warm_start and hasattr(self, "net_"), whole=True
        )

    @available_if(_trains_in_parts)  # type: ignore[untyped-decorator]
    @own_torch_state()
    @all_or_nothing
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> AttentionMixerRegressor:
        """Train for one epoch, from where the last call ended.

        The first call fixes columns, categories and scales, that of y as well; there is no early
        stopping.

        Parameters
        ----------
        X, y
            As in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        AttentionMixerRegressor
            The regressor.

        Raises
        ------
        ValueError
            As in `fit`.
        AttributeError
            With ``early_stopping=True``, for which a part of the patients is not enough.
        """
        return self._train(X, y, sample_weight, resume=hasattr(self, "net_"), whole=False)
