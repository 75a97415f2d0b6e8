"""Features of scans as a scikit-learn transformer of a table."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skedema._all_or_nothing import all_or_nothing
from skedema._device import device_at_hand, find_device
from skedema._scan_column import Scans, remote_of
from skedema._torch_state import own_torch_state
from skedema._training.classes import read_labels
from skedema._training.columns import Columns
from skedema._training.continuous import read_numbers
from skedema._training.union_side import make_image_side
from skedema._volumes import Volumes
from skedema.encoders.union import names_of
from skedema.frames import Table, read_table
from skedema.scans import VolumeReader
from skedema.scans._remarks import told_once

_OF_MANY = 16


class ScanFeatures(TransformerMixin, BaseEstimator):
    """Describe each patient's scan by what an encoder makes of it, for any other estimator.

    It is the image side of ``AttentionMixerClassifier(fine_tune=False)``: an encoder that is
    fitted on the training patients is fitted once for both, and each scan is encoded once for
    both, where `encoder`, `volume`, `n_jobs`, `memory`, `verbose`, an integer `random_state`, the
    patients and their labels are the same. The classifier trains on fewer patients where it
    watches some for early stopping: then only a frozen encoder is shared.

    Parameters
    ----------
    image : str, int or list of these
        The column that holds the scan, by name or position, or the columns of several scans.
    encoder : str, Encoder, transformer or list, default="mirrored_tokens"
        As in `AttentionMixerClassifier`; its weights are not trained on labels. One that is no
        transformer, such as `skedema.encoders.CNN`, keeps the random weights it begins with.
    volume : VolumeReader or None, default=None
        As in `AttentionMixerClassifier`.
    n_components : int, "auto" or None, default=None
        The first so many principal components of the standardised features, both learned on the
        training patients; as many as there are where there are fewer. None: the features.
        ``"auto"``: the features, unless there are more of them than training scans, then 16
        components (chosen).
    memory : str, path, joblib.Memory or None, default=None
        As in `AttentionMixerClassifier`.
    device : str or torch.device, default="auto"
        Where to compute; ``"auto"`` is a CUDA device if there is one.
    n_jobs : int or None, default=None
        Processes that read scans.
    random_state : int, RandomState instance or None, default=None
        Decides the encoder's initial weights.
    verbose : int, default=0
        Above 0, progress is shown.

    Attributes
    ----------
    encoder_ : transformer or Module
        The encoder.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from skedema import VolumeReader
    >>> from skedema.baselines import ScanFeatures
    >>> from skedema.encoders import CNN
    >>> scans = [np.random.default_rng(i).normal(40, 10, (8, 8, 8)) for i in range(3)]
    >>> X = pd.DataFrame({"age": [61, 70, 55, 82], "scan": [*scans, None]})
    >>> features = ScanFeatures(image="scan", encoder=CNN(), volume=VolumeReader(shape=8))
    >>> found = features.fit_transform(X)
    >>> found.shape, np.isnan(found).all(axis=1)
    ((4, 128), array([False, False, False,  True]))
    """

    def __init__(
        self,
        *,
        image: Any,
        encoder: Any = "mirrored_tokens",
        volume: VolumeReader | None = None,
        n_components: int | str | None = None,
        memory: Any = None,
        device: Any = "auto",
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.image = image
        self.encoder = encoder
        self.volume = volume
        self.n_components = n_components
        self.memory = memory
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @own_torch_state()
    @told_once()
    @all_or_nothing
    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the encoder on the training patients, unless it is frozen, and the components.

        Parameters
        ----------
        X : DataFrame (pandas, polars) or array-like of shape (n_samples, n_features)
            One row a patient; columns but the scan's are not looked at.
        y : array-like of shape (n_samples,) or None, default=None
            Their classes or numbers, for an encoder that uses them.

        Returns
        -------
        ScanFeatures
            The fitted transformer.

        Raises
        ------
        ValueError
            When nobody has a scan, or the column holds other things.
        ScanError
            When a scan is not there or cannot be read.
        """
        device = find_device(self.device)
        table = read_table(X)
        self._columns = Columns(table, self.image, type(self).__name__)
        scans = self._columns.scans(table, remote_of(self.volume, self.encoder))
        self._columns.refuse_no_scan(scans)
        labels = np.zeros(len(table)) if y is None else _outcomes(y, table)
        self._side = make_image_side(self.encoder, False, self.volume, torch.float32)
        # As the classifier draws its own, so that the two have the same encoder.
        seed = int(check_random_state(self.random_state).randint(2**31))
        self.encoder_ = self._side.fit(self._volumes(scans), labels, seed=seed, device=self.device)
        volumes = self._volumes(scans)
        found = self._pooled(volumes, device)
        volumes.tell_odd()
        n_components = self._n_components(*found.shape)
        self._components = None if n_components is None else _components_of(found, n_components)
        width = found.shape[1]
        if self._components is not None:
            width = self._components[-1].n_components_
        self._n_features_out = scans.n_each * width
        self.n_features_in_ = len(table.columns)
        return self

    @own_torch_state()
    def transform(self, X: Any) -> np.ndarray:
        """Give the features.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Patients, with the columns of `fit`.

        Returns
        -------
        ndarray of float64 of shape (n_samples, n_features_out)
            The mean over the scan's tokens, or components of it, in the order of
            `get_feature_names_out`; NaN for a patient without a scan. Those of several scans stand
            side by side, in the order of `image`. A DataFrame if `set_output` says so.

        Raises
        ------
        ScanError
            When a scan is not there or cannot be read.
        """
        check_is_fitted(self)
        remote = remote_of(self.volume, self.encoder)
        scans = self._columns.scans(self._columns.read(X), remote)
        found = np.full((len(scans), self._n_features_out // scans.n_each), np.nan)
        if scans.present.any():
            features = self._pooled(self._volumes(scans), device_at_hand(self.device))
            if self._components is not None:
                features = self._components.transform(features)
            found[scans.present] = features
        return found.reshape(-1, self._n_features_out)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Name the features.

        Parameters
        ----------
        input_features : object, default=None
            Ignored.

        Returns
        -------
        ndarray of str
            As the encoder names them, such as ``"difference of the sides 1"``; by its class and a
            number where it does not, such as ``"cnn0"``; ``"component 1"`` and on. Of several scans
            the column comes first, such as ``"followup: component 1"``.
        """
        check_is_fitted(self)
        columns = self._columns.scan_names
        n_features = self._n_features_out // len(columns)
        if self._components is not None:
            names = [f"component {k}" for k in range(1, n_features + 1)]
        else:
            names = names_of(self.encoder_)
            if len(names) != n_features:  # it has none, or names what the mean is over
                names = [f"{_called(self._side.given)}{k}" for k in range(n_features)]
        if len(columns) > 1:
            names = [f"{column}: {name}" for column in columns for name in names]
        return np.array(names, dtype=object)

    def _volumes(self, scans: Scans) -> Volumes:
        return self._side.volumes(scans, self.memory, self.n_jobs, self.verbose)

    def _pooled(self, volumes: Volumes, device: torch.device) -> np.ndarray:
        """Average over the tokens of each scan that there is."""
        tokens = self._side.transform(self.encoder_, volumes, device)[volumes.rows]
        return np.asarray(tokens.astype(np.float64).mean(axis=1))

    def _n_components(self, n_scans: int, n_features: int) -> int | None:
        given = self.n_components
        if given is None or given == "auto":
            return _OF_MANY if given and n_features > n_scans else None
        if not isinstance(given, Integral) or given < 1:
            raise ValueError(f"n_components must be at least 1 or None or 'auto', got {given!r}.")
        return int(given)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _called(encoder: Any) -> str:
    thawed = encoder.estimator if isinstance(encoder, FrozenEstimator) else encoder
    return type(thawed).__name__.lower()


def _components_of(found: np.ndarray, n_components: int) -> Pipeline:
    components = make_pipeline(
        StandardScaler(), PCA(min(n_components, *found.shape), svd_solver="full")
    )
    return components.fit(found)


def _outcomes(y: Any, table: Table) -> np.ndarray:
    """Read classes, or numbers: floats that are not all whole."""
    given = np.asarray(y)
    whole = given.dtype.kind != "f" or not np.isfinite(given).all() or (given % 1 == 0).all()
    return read_labels(y, table) if whole else read_numbers(y, table)
