"""AttentionMixerClassifier: parameters, fit, predict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from skedema._all_or_nothing import all_or_nothing
from skedema._torch_state import own_torch_state
from skedema._training.classes import (
    Classes,
    class_target,
    read_classes,
    read_labels,
    two_or_more,
)
from skedema._training.cohort import Cohort
from skedema._training.estimator import FusedEstimator
from skedema._training.held_out import HeldOut
from skedema._training.multilabel import (
    MultiLabel,
    check_values,
    is_multilabel,
    labels_to_score,
    multilabel_target,
    read_multilabel,
    refuse_other_classes,
    values_of,
)
from skedema._training.parameters import SHARED
from skedema._training.target import Target
from skedema.frames import Table, check_same_rows
from skedema.scans import VolumeReader


def _trains_in_parts(estimator: AttentionMixerClassifier) -> bool:
    if estimator.early_stopping is True:
        raise ValueError("partial_fit trains a single epoch: early_stopping=True does not fit.")
    if isinstance(estimator.class_weight, str):
        raise ValueError(
            "partial_fit sees a part of the patients, so class_weight='balanced' cannot be known. "
            "Give a dict of weights, from compute_class_weight on all labels."
        )
    return True


# Longer than other classes: each parameter is documented, checked and stored here, as scikit-learn
# has it. What a fit does is in `FusedEstimator`, what is about labels in `_training.classes`.
class AttentionMixerClassifier(ClassifierMixin, FusedEstimator):
    """Classify patients from a scan, clinical variables, or both.

    AttentionMixer (arXiv 2603.26726): an encoder turns the scan into features, which are the
    queries of a cross-attention whose keys and values are one token a clinical variable; an
    MLP-Mixer refines the fused tokens; a normalised mean of them is classified. Every missing
    value, every unseen category and a missing scan takes a learnable embedding of its own, so that
    nothing is imputed and any subset of what a patient has will do.

    Parameters
    ----------
    image : str, int, list of these, or None, default=None
        The column that holds the scan, by name or position; it is no clinical variable, also where
        ``encoder=None`` leaves the scan out. A list names the columns of several scans a patient,
        in the order of time, any of which may be missing: one encoder reads them, each has tokens
        of its own, and so has what changed from each to the next. A cell is a path (NIfTI,
        ``.npy``, ``.mha``, ``.nrrd``, a folder or ``.zip`` of one DICOM series), a nibabel image,
        a 3-D array in HU, or missing. None: there are no scans, and the model is one of clinical
        variables alone. All other columns are clinical; without any, the model is one of scans
        alone.
    encoder : str, Encoder, transformer, list or None, default="mirrored_tokens"
        The image backbone: a name out of `skedema.encoders.list_encoders`, ``"monai:<name>"``, an
        encoder object, or any scikit-learn transformer from a list of scans to features, which is
        fitted on the training patients only (`sklearn.frozen.FrozenEstimator` keeps a fitted one
        as it is). ``"mirrored_tokens"`` is `skedema.encoders.MirroredTokens`: heads are made
        alike, a network that is not trained describes each region and its mirror image, and the
        components of what both sides have in common and of what they differ in are learned from
        the training scans. It takes a few seconds for a hundred scans. ``"vit_ae"`` is
        `ViTAutoencoder`: every fit pre-trains it on the scans it gets, which takes minutes a
        hundred scans on a CPU; pre-train once where that is too long.
        A list of names and transformers puts them side by side, each a token of the scan: see
        `skedema.encoders.EncoderUnion`. None: the model is one of the clinical variables alone, of
        a table that keeps its column of scans, which is not looked at.
    fine_tune : bool or "auto", default="auto"
        True: gradients reach the encoder, also after its pre-training. False: the model trains on
        features that the encoder computes once for all fits, predictions and processes that can
        share them (see Notes). ``"auto"``: True for encoder objects and `ViTAutoencoder`, False for
        what is frozen and for other transformers.
    volume : VolumeReader or None, default=None
        How scans are read and resampled; None is ``VolumeReader()``. An `encoder` that is a
        transformer reads the cells itself, by this reader if it has a parameter ``volume`` that is
        None, and if both are None as it sees fit: the default by ``VolumeReader(template="head")``.
    mirror : bool or "auto", default="auto"
        Whether training shows each scan mirrored left to right with probability one half, drawn
        anew in every epoch; predictions, and the patients that early stopping watches, see scans as
        they are. ``"auto"``: True where the encoder is trained with the classifier, False where it
        is fixed, so that each scan is encoded once. True with a fixed encoder encodes each training
        scan twice; one that reads scans itself must be able to mirror them, as `ViTAutoencoder`
        is. Give False where the classes or a variable have a side, such as a hemiparesis of the
        left: mirroring would teach what is wrong. The default encoder does not tell a head from
        its mirror image, so that this changes nothing: where a side matters, give
        ``MirroredTokens(sides="apart")``. Without a scan column it has no effect. On 400 simulated
        patients with infarcts or none it raised the cross-validated AUC of scans alone by about
        0.03.
    metadata : transformer or None, default=None
        Turns the clinical columns into one number a token, NaN for missing; None is
        ``ClinicalTokenizer()``.
    trusted_columns : list of (str or int) or None, default=None
        Clinical columns, by name or position, that are known not to leak. `fit` warns of others
        that look as if they told the answer: see `skedema.clinical.check`.
    fusion : str or Fusion, default="cross_attention"
        How scan and clinical tokens meet, out of `skedema.fusion.list_fusions`.
    refiner : str, Refiner or None, default="mixer"
        What refines the fused tokens, out of `skedema.refiners.list_refiners`; None for nothing.
    dim : int, default=32
        Width of every token.
    n_heads : int, default=4
        Attention heads; divides `dim`.
    depth : int, default=1
        Layers of the refiner.
    dropout : float, default=0.0
        Probability of dropping an attention weight or a hidden unit in training.
    input_dropout : float or "auto", default="auto"
        Probability with which, in each step of training, a clinical variable of a patient is
        hidden, and, independently, a feature that the encoder made of a scan is put to its mean.
        The model then leans less on single values. A hidden variable is shown as missing if no
        training patient lacks it, so that the model learns to do without; if some do, what their
        lack of it tells is not to be blurred, and a hidden one is shown as nothing. ``"auto"``: 0.3
        from 40 training patients on. Fewer would gain by it as well, but without it a patient of
        weight 2 is the same as two equal rows.
    modality_dropout : float, default=0.0
        Probability with which, in each step of training, a patient's scan counts as missing (of
        several each by itself), and independently all of the patient's clinical values. Only
        patients who have both lose one, and none loses both, or all: where all that there is is
        drawn, one is kept, each as likely as another. With one modality it has no effect.
    max_epochs : int or "auto", default="auto"
        Passes over the training patients, at most. ``"auto"``: 30 where there are several members,
        else 50; from 2,000 patients on, where no encoder is trained, no more than 150,000 over
        their number, but 5 at least.
    batch_size : int or "auto", default="auto"
        Patients a step. ``"auto"``: 200, or 16 where volumes go through an encoder that is trained.
    lr : float or "auto", default="auto"
        Learning rate of AdamW. ``"auto"``: 0.003 where there are several members, else 0.001; from
        2,000 patients on, where no encoder is trained and no ``LRScheduler`` is among `callbacks`,
        0.006 in the first epoch of a `fit` and from there linearly down to 0.
    layer_decay : float, default=0.75
        What the learning rate is multiplied with from each layer of a pre-trained encoder to the
        one before it, when it is trained further; 1 for the same rate everywhere.
    weight_decay : float, default=0.1
        Weight decay of AdamW, which multiplies it by `lr`.
    n_members : int or "auto", default="auto"
        Networks that are trained side by side and all asked: a probability is the mean of theirs.
        Of several, each leaves out a stratified part of the patients, who are watched by it, and
        learned from by all others. ``"auto"``: 4 from 40 to 500 training patients, with at least
        ten in each class, where no encoder is trained; otherwise, and in `partial_fit`, 1. With an
        encoder that is trained it must be 1, and with a class of a single patient. A fit that goes
        on from the last keeps their number.
    early_stopping : bool or "auto", default="auto"
        Whether to watch the loss on patients who are not learned from, stop when it no longer
        falls, and keep the best epoch. Several members watch those whom each leaves out, so that
        everyone is learned from; one network sets a stratified part of the patients aside.
        ``"auto"``: always with several members; with one, from 500 patients on with at least ten in
        each class, since fewer would decide on noise.
    validation_fraction : float, default=0.1
        That part, where there is one member.
    n_iter_no_change : int, default=10
        Epochs without a lower loss before stopping.
    class_weight : dict, "balanced", list of dict or None, default=None
        Weights of the classes in the loss, as elsewhere in scikit-learn. Of several labels each is
        weighed by itself: a list has a dict, from 0 and 1 to weights, for each, and a single dict
        is for all.
    checkpoint_dir : path or None, default=None
        A folder for the checkpoints of `fit`; each training, that is each set of patients and
        parameters (those of a fold, say), has its own within. When its checkpoint is there, `fit`
        goes on from it: after a kill at any moment it ends with the weights, bit for bit on a CPU,
        of a fit that was never stopped; a fit that was finished is taken as it is. Checkpoints
        take a fiftieth of the time of training. They need a `random_state`. See
        ``docs/reuse.md``.
    memory : str, path, joblib.Memory or None, default=None
        Where read volumes, features and pre-trainings are kept between runs and shared between
        processes; None is in the memory of this process alone.
    dtype : {"auto", "float32", "float64"}, default="auto"
        Precision; ``"auto"`` is float64 without scans and float32 with them, and with a first fit
        on 2,000 patients or more.
    device : str or torch.device, default="auto"
        Where to compute; ``"auto"`` is a CUDA device if there is one. It may be changed after
        `fit`. `fit` needs the device; a fitted model that comes to a machine without it predicts
        where ``"auto"`` would.
    n_jobs : int or None, default=None
        Processes that read scans. One within a worker of somebody else's ``n_jobs``, such as that
        of `sklearn.model_selection.cross_validate`, since the processors are shared already.
    warm_start : bool, default=False
        Whether `fit` goes on from the last one; columns, scales and classes then stay.
    callbacks : list or None, default=None
        Callbacks of skorch, to watch or to stop training. What they score are class codes,
        positions in `classes_`: ``EpochScoring("roc_auc", lower_is_better=False)`` does so on the
        patients whom early stopping watches, with ``on_train=True`` on those learned from.
    warn_unusual : bool, default=True
        Whether `fit` warns of clinical values that lie far from all others or may stand for missing
        ones, and predictions warn, once a call, of what lies far outside of all that training saw:
        scans on whose grid brightness, contrast, noise or the coarse picture are unlike those of
        any training patient, where those are ten or more; and scans that are no HU, or whose brain
        mask or pose was not to be trusted. A scan is judged where it is known how the encoder reads
        it, which is not so for a transformer without ``volume_``. Files that may be
        incomplete are told of at a prediction only with it. A `ClinicalTokenizer` that is given as
        `metadata` has a parameter of this name for its own `fit`.
    random_state : int, RandomState instance or None, default=None
        Decides initial weights, order and splits. With an integer, two fits on one kind of CPU are
        equal bit by bit, if an encoder is trained on one thread count, and global random generators
        are left as they were. On a GPU see ``docs/gpu.md``.
    verbose : int, default=0
        Above 0, prints a line an epoch, and an encoder that is fitted shows its own progress.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,), or of shape (n_labels, 2)
        The labels; where `y` had several columns, the two values of each.
    label_names_ : ndarray of shape (n_labels,)
        Only where `y` had several columns: their names, or their numbers.
    n_features_in_ : int
        Number of columns seen in `fit`, the scan's included.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Their names, if all are text.
    n_iter_ : int
        Epochs trained.
    net_ : skorch.NeuralNet
        The trained net; its module is ``net_.module_``.
    encoder_ : transformer, Module or None
        The fitted encoder.
    volume_ : VolumeReader or None
        How scans are read: ``clf.volume_.read(scan)`` is what the model saw of a scan, and
        ``clf.volume_.show(scan)`` draws it. Of several encoders, how the first one that tells reads
        them. None without scans, and where an encoder reads them itself and does not tell how.
    metadata_ : transformer or None
        The fitted metadata transformer.
    held_out_ : HeldOut or None
        What the fit knows of training patients by networks that did not learn from them: arrays
        ``proba`` of shape (n, n_classes), ``y`` and ``sample_weight``. Of several members everyone
        is asked of the one that left him out; one network with early stopping is asked of those
        set aside. `skedema.inspection.explain` makes intervals of it. Epochs are chosen by their
        loss, and scales, categories and a fixed encoder have seen them, so that it is a little
        optimistic. None where everyone was learned from: by one network without early stopping,
        in `partial_fit`, and in a fit that goes on with other patients.
    history_ : DataFrame
        One row an epoch: epoch, train_loss, valid_loss (with early stopping), seconds.

    See Also
    --------
    skedema.encoders : Backbones, and how to add one.
    skedema.fusion : Fusions, and how to add one.
    ClinicalTokenizer : What happens to clinical variables.
    VolumeReader : What happens to scans.

    Notes
    -----
    ``z = P encoder(volume)``, ``F = z + MultiHead(Q = z, K = V = {t_1 .. t_K})``; the refiner sees
    ``[F; t_1; ...; t_K]``. What the paper's abstract leaves open is decided in
    `skedema.fusion.CrossAttention`. Only LayerNorm and GroupNorm are used, so a patient's
    probabilities do not depend on the others in the batch. Predictions
    draw from no random generator.

    `modality_dropout` is after the ModDrop of Neverova, Wolf, Taylor and Nebout, "ModDrop: adaptive
    multi-modal gesture recognition" (IEEE TPAMI 38(8), 2016), who drop whole channels at random in
    training so that a classifier can do without any of them. Here a dropped modality is one that
    is missing, handled as `fusion` handles it, and no patient is left with nothing.

    `input_dropout` is the dropout of visible units of Srivastava et al., "Dropout: a simple way to
    prevent neural networks from overfitting" (JMLR 15, 2014), with a variable as the unit. On 320
    patients of `skedema.datasets.make_head_ct_cohort`, whose scans were given as 16 noisy mixtures
    of what they show, and 5,000 others to predict, it raised the AUC from 0.888 to 0.904 and
    lowered the log loss from 0.55 to 0.40 (means of eight draws); without it, more epochs, other
    widths, dropout of hidden units or weight decay did not reach 0.900.

    `n_members` makes what Parmanto, Munro and Doyle, "Improving committee diagnosis with resampling
    techniques" (NIPS 1995) call a cross-validation committee. Some hundred patients can spare none
    to watch when to stop, and a network that does not stop is overconfident where much is noise.
    Members that leave out different parts watch everyone and learn from everyone; their mean is
    calmer than each of them. Over simulated draws of 160 to 400 patients with 14 or 30 variables,
    most of which told little, its log loss was at most 0.003 above that of a tuned logistic
    regression in the mean, that of one network for 50 epochs 0.008 to 0.06; a fit takes 0.8 to 2
    times as long. See ``docs/few-patients.md``.

    Each scan is read once and encoded once by the same weights, whatever calls `fit` and `predict`.
    Features are shared within a fitted model and, where the encoder is not trained, by every model
    with the same encoder: folds, candidates of a search, repeats of a permutation. They are found
    by the content of scan and encoder, are kept within 256 MiB, are in no pickle, and are the same
    to the bit as without: a file that was written anew, or weights that changed, are noticed. An
    encoder that is fitted on the training patients is fitted once for the same patients, parameters
    and seed. A head alone trains on one thread: it is as fast, and does not depend on how many
    processors a worker has. Large tables are predicted in batches side by side, of one thread each,
    which gives the same bits; see ``docs/large-tables.md``.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from skedema import AttentionMixerClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"sodium": rng.normal(138, 5, 60), "sex": rng.choice(["f", "m"], 60)})
    >>> y = (X["sodium"] + rng.normal(0, 2, 60) < 136).astype(int)
    >>> X.loc[::7, "sodium"] = None
    >>> clf = AttentionMixerClassifier(random_state=0).fit(X, y)
    >>> bool(clf.score(X, y) > 0.8)
    True
    >>> clf.attention(X).sum(axis=1).round(6).unique()
    array([1.])

    With scans, one column names them. Who has none is predicted by the rest of the row:

    >>> from skedema import VolumeReader
    >>> from skedema.datasets import make_head_ct_cohort
    >>> cohort = make_head_ct_cohort(12, "scans", shape=[16] * 3, spacing=[13] * 3, random_state=0)
    >>> X, y = cohort.frame[["scan", "age", "gcs", "sex"]], cohort.target
    >>> clf = AttentionMixerClassifier(image="scan", encoder="cnn", max_epochs=2, random_state=0)
    >>> clf.set_params(volume=VolumeReader(spacing=13, shape=16)).fit(X, y)
    AttentionMixerClassifier(...)
    >>> clf.predict_proba(X.assign(scan=None)).shape
    (12, 2)
    """

    classes_: np.ndarray
    label_names_: np.ndarray

    _parameter_constraints: ClassVar[dict[str, Any]] = SHARED | {
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
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
        max_epochs: int | str = "auto",
        batch_size: int | str = "auto",
        lr: float | str = "auto",
        layer_decay: float = 0.75,
        weight_decay: float = 0.1,
        n_members: int | str = "auto",
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        class_weight: Any = None,
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
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.layer_decay = layer_decay
        self.weight_decay = weight_decay
        self.n_members = n_members
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
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
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> AttentionMixerClassifier:
        """Train on patients.

        Parameters
        ----------
        X : DataFrame (pandas, polars) or array-like of shape (n_samples, n_features)
            One row a patient; the column `image` holds the scans, all others are clinical.
        y : array-like of shape (n_samples,), or of shape (n_samples, n_labels)
            The classes, two or more. Several columns are labels of which a patient may have any
            (scikit-learn's multilabel): 1, 0, or NaN where nobody knows, which counts neither way.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the patients in the loss; a patient of weight 0 counts as absent.

        Returns
        -------
        AttentionMixerClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            When the table or the labels cannot be used; the message names column, row and remedy.
        ScanError
            When scans are not there (all are looked for before training begins) or unreadable.

        Warns
        -----
        UserWarning
            Once, of all clinical columns that may tell the answer, if they are not in
            `trusted_columns`.
            Once, with the rows, if scans do not look like HU, or were read without the brain mask
            or left as scanned since what was found is not to be trusted (see `VolumeReader`).
        """
        return self._train(
            X, y, sample_weight, resume=self.warm_start and hasattr(self, "net_"), whole=True
        )

    @available_if(_trains_in_parts)  # type: ignore[untyped-decorator]
    @own_torch_state()
    @all_or_nothing
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> AttentionMixerClassifier:
        """Train for one epoch, from where the last call ended.

        The first call fixes columns, categories and scales; there is no early stopping.

        Parameters
        ----------
        X, y
            As in `fit`.
        classes : array-like of shape (n_classes,), default=None
            All classes; needed in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        AttentionMixerClassifier
            The classifier.

        Raises
        ------
        ValueError
            As in `fit`; also when `classes` is missing or changes.
        AttributeError
            With ``early_stopping=True`` or ``class_weight="balanced"``, neither of which can be
            known from a part of the patients.
        """
        resume = hasattr(self, "net_")
        if classes is not None:
            classes = read_classes(classes)
            first = self._classes_of_one if resume else classes
            if not np.array_equal(classes, first):
                raise ValueError(
                    f"classes={classes.tolist()} differ from those of the first call, "
                    f"{first.tolist()}."
                )
        elif not resume:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return self._train(X, y, sample_weight, resume=resume, whole=False, announced=classes)

    @own_torch_state()
    def predict_proba(self, X: Any) -> np.ndarray:
        """Estimate the probability of each class, or of each label.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Patients, with the columns of `fit`; any value and any scan may be missing.

        Returns
        -------
        ndarray of float64 of shape (n_samples, n_classes), or of shape (n_samples, n_labels)
            Rows sum to 1; columns follow `classes_`. Of several labels, the probability of each,
            in the order of `label_names_`.

        Raises
        ------
        ValueError
            When the table cannot be used; the message names column, row and remedy.
        ScanError
            When a scan is not there or unreadable.

        Warns
        -----
        UserWarning
            With `warn_unusual`, of values and scans that are unlike all that training saw, and of
            scans that are odd by themselves.
        """
        return self._outputs(X, self._probabilities)

    def predict(self, X: Any) -> np.ndarray:
        """Give the most probable class, or for each label whether it is more probable than not.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Patients, with the columns of `fit`.

        Returns
        -------
        ndarray of shape (n_samples,), or of shape (n_samples, n_labels)
            Labels out of `classes_`.
        """
        proba = self.predict_proba(X)
        codes = self._kind.answer(proba)
        if self._is_multilabel:
            return np.stack([v[c] for v, c in zip(self.classes_, codes.T, strict=True)], axis=1)
        return np.asarray(self.classes_[codes])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Give the accuracy; of several labels, that of all of them at once.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Patients, with the columns of `fit`.
        y : array-like of shape (n_samples,), or of shape (n_samples, n_labels)
            Their labels, all known.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the patients.

        Returns
        -------
        float
            The share of patients whose label, or labels, `predict` gives.

        Raises
        ------
        ValueError
            When y or `sample_weight` belong to other rows of a pandas table, or stand in another
            order; when y has other labels than `fit` had, or gaps; when the table cannot be used.
        """
        check_same_rows(X, y=y, sample_weight=sample_weight)
        if self._is_multilabel:
            y = labels_to_score(y, self.label_names_.tolist())
        return float(super().score(X, y, sample_weight))

    def _probabilities(self, outputs: np.ndarray) -> np.ndarray:
        of_each = expit(outputs) if self._is_multilabel else softmax(outputs, axis=-1)
        return np.asarray(of_each.mean(axis=1) if of_each.ndim == 3 else of_each)

    @property
    def _is_multilabel(self) -> bool:
        return bool(self.classes_.ndim == 2)

    @property
    def _classes_of_one(self) -> np.ndarray:
        return np.asarray(self.classes_[0] if self._is_multilabel else self.classes_)

    def _read_y(self, y: Any, table: Table) -> np.ndarray:
        # Of several labels, what `y` has told; until `_target`.
        self._names_in_y: list[Any] | None = None
        self._values_in_y: np.ndarray | None = None
        if not is_multilabel(y):
            return read_labels(y, table)
        labels, self._names_in_y = read_multilabel(y, table)
        self._values_in_y = values_of(y)
        return labels

    def _begin_target(self, labels: np.ndarray, announced: np.ndarray | None) -> None:
        if self._names_in_y is None:
            self.__dict__.pop("label_names_", None)
            self.classes_ = two_or_more(np.unique(labels) if announced is None else announced)
            return
        if announced is None:
            check_values(labels, self._names_in_y)
        else:  # in a part of the patients labels may be the same, or not known, for all
            refuse_other_classes(announced)
        assert self._values_in_y is not None
        self.classes_ = self._values_in_y
        self.label_names_ = np.array([*self._names_in_y, None], dtype=object)[:-1]  # also of tuples

    def _target(self, cohort: Cohort) -> Target:
        names = self._names_in_y
        del self._names_in_y, self._values_in_y
        if (names is None) == self._is_multilabel or (
            names is not None and names != self.label_names_.tolist()
        ):
            was = self.label_names_.tolist() if self._is_multilabel else "one column of classes"
            raise ValueError(
                f"The first fit learned {was}, and y is now {names or 'one column of classes'}. "
                "Give the same columns in the same order, or fit anew: clone(estimator)."
            )
        if names is None:
            how = (cohort.table, self.classes_, self.class_weight)
            return class_target(cohort.labels, cohort.weight, *how)
        return multilabel_target(cohort.labels, cohort.weight, self.class_weight)

    @property
    def _kind(self) -> Classes | MultiLabel:  # type: ignore[override]
        return (MultiLabel if self._is_multilabel else Classes)(len(self.classes_))

    def _of_held_out(self, predicted: np.ndarray, y: np.ndarray, weight: np.ndarray) -> HeldOut:
        return HeldOut(predicted, y, weight)

    def _any_y(self, n: int) -> np.ndarray:
        self.class_weight = None
        return super()._any_y(n)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
