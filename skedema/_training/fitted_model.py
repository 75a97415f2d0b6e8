"""What a fitted estimator of patients does: it looks at them, and can be looked into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator
from sklearn.metrics import check_scoring
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skedema._caching.memory import memory_folder
from skedema._device import device_at_hand
from skedema._pretrained import Pretrained
from skedema._scan_column import Scans, remote_of
from skedema._torch_state import own_torch_state
from skedema._training.clinical_side import ClinicalSide
from skedema._training.columns import Columns
from skedema._training.explain import attention_frame, pooled_queries
from skedema._training.image_side import ImageSide
from skedema._training.importance import importance_frame, score_of
from skedema._training.net import FusionNet
from skedema._training.patients import Patients
from skedema._training.unusual import warn_of_unlike
from skedema._volumes import Volumes
from skedema.frames import Table, check_same_rows
from skedema.scans import VolumeReader
from skedema.scans._remarks import told_once
from skedema.scans._usual import Usual

# Whole batches, so that a part's predictions are those of the whole to the bit.
_PATIENTS_A_PART = 2**16


class FittedModel(Pretrained, BaseEstimator):
    """The half of `FusedEstimator` that needs no training: a network, and what it is given."""

    net_: FusionNet
    _columns: Columns
    _clinical: ClinicalSide
    _image: ImageSide | None
    _encoder: Any  # where it is fixed; the network has one that is trained
    _usual: Usual | None
    _dtype: torch.dtype

    def _volumes(self, scans: Scans) -> Volumes:
        if self._image is None:
            return Volumes(scans, None, memory_folder(self.memory))
        return self._image.volumes(scans, self.memory, self.n_jobs, self.verbose)

    @told_once()
    def _look_at(self, X: Any) -> tuple[Table, Patients]:
        """Make the network's input of patients who are not learned from."""
        check_is_fitted(self)
        table = self._columns.read(X)
        device, features = device_at_hand(self.device), None
        self.net_.move_to(device)
        scans = self._columns.scans(table, remote_of(self.volume, self.encoder))
        volumes = self._volumes(scans)
        if self._image is not None:
            features = scans.by_patient(self._image.transform(self.encoder_, volumes, device))
        if self.warn_unusual:
            about = volumes.about()
            volumes.tell_odd(about, but=warn_of_unlike(scans, about, self._usual))
        part = self._columns.clinical_part(table)
        values = self._clinical.transform(part, warn=self.warn_unusual)
        present = scans.by_patient(scans.present)
        return table, Patients(values, present, features=features, dtype=self._dtype)

    def _look_by_parts(self, X: Any) -> Iterator[Patients]:
        """Make the network's input of so many patients at a time that a large table is no matter.

        With scans it is made at once: their features are kept in any case.
        """
        check_is_fitted(self)
        shape: tuple[int, ...] = getattr(X, "shape", ())
        if self._image is not None or len(shape) != 2 or shape[0] <= _PATIENTS_A_PART:
            yield self._look_at(X)[1]
            return
        table = self._columns.read(X)
        self.net_.move_to(device_at_hand(self.device))
        part = self._columns.clinical_part(table)
        for values in self._clinical.by_parts(part, _PATIENTS_A_PART, warn=self.warn_unusual):
            yield Patients(values, np.zeros(len(values), dtype=bool), dtype=self._dtype)

    def _outputs(self, X: Any, then: Callable[[np.ndarray], np.ndarray] = np.asarray) -> np.ndarray:
        """Give what the network says of each patient, and what `then` makes of it row by row."""
        parts = (
            self.net_.evaluate(patients, self.net_.module_) for patients in self._look_by_parts(X)
        )
        return np.concatenate([then(part.astype(np.float64)) for part in parts])

    @own_torch_state()
    def attention(self, X: Any, *, per_token: bool = False) -> pd.DataFrame:
        """Show which clinical variables each scan attended to.

        Attention is averaged over heads, queries and members. Sharp attention is no explanation:
        read it beside `scan_importance` and `sklearn.inspection.permutation_importance`, never
        instead.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Patients, with the columns of `fit`.
        per_token : bool, default=False
            Whether each token of the scan has a row: a part of its features by name, a region by
            number; of several scans, after the names of the scan or of the change between two.
            Needs ``fusion=CrossAttention(query="tokens")``.

        Returns
        -------
        DataFrame of shape (n_samples, n_variables), or (n_samples * n_tokens, n_variables)
            Rows sum to 1. A missing value is attended to as well, through its learnable embedding;
            ``attrs["missing"]`` marks those: variable -> list of bool, one a row. A fusion with
            ``missing="mask"`` gives them 0, so that the row of a patient without any clinical
            value is all 0.

        Raises
        ------
        ValueError
            When the fusion reports no attention, or none a token, or there are no clinical
            variables.
        """
        table, patients = self._look_at(X)
        tokens = {"token": [0] if self._image is None else self._image.names}
        if len(self._columns.asked) > 1:
            tokens = {"scan": self._columns.set_names, **tokens}
        asking = tokens if per_token else None
        return attention_frame(self.net_, patients, table, self._clinical.variables, asking)

    @own_torch_state()
    def scan_importance(
        self, X: Any, y: Any, *, scoring: Any = None, n_repeats: int = 5, random_state: Any = None
    ) -> pd.DataFrame:
        """Tell how much a score drops when a part of the scan's features is another patient's.

        The permutation importance of each named part, such as those of ``encoder=[...]``, and, of
        several scans, of each by itself: it is permuted among the patients who have the scan, and
        all else stays. No scan is encoded anew.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Patients, with the columns of `fit`; better others than those of `fit`.
        y : array-like of shape (n_samples,)
            Their targets.
        scoring : str, callable or None, default=None
            As in `sklearn.inspection.permutation_importance`; None is `score`.
        n_repeats : int, default=5
            How often each part is permuted.
        random_state : int, RandomState instance or None, default=None
            Decides the permutations.

        Returns
        -------
        DataFrame of shape (n_parts, 2)
            By part, the mean drop ``importance`` and its standard deviation ``std`` over repeats;
            ``attrs["score"]`` is the score as it is. Features without named parts are one, "scan".
            Of several scans a patient the index has their names before those of the parts.

        Raises
        ------
        ValueError
            When the encoder is trained with the model, so that there are no features to permute,
            or fewer than two patients have the scan.
        """
        table, patients = self._look_at(X)
        if self._image is None or self._image.trained:
            raise ValueError(
                "The parts of fixed features are permuted, and this model has none: it was fitted "
                "without scans, or its encoder is trained with it (fine_tune). "
                "sklearn.inspection.permutation_importance tells how much the scan as a whole "
                "counts."
            )
        check_same_rows(X, y=y)
        score = score_of(self, check_scoring(self, scoring), X, y, table)
        rng = check_random_state(random_state)
        widths = self._image.widths or {"scan": patients.features.shape[-1]}
        return importance_frame(score, patients, widths, self._columns.scan_names, n_repeats, rng)

    @own_torch_state()
    def image_features(self, X: Any) -> np.ndarray:
        """Give the scans' features in the space where they meet the clinical variables.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Patients, with the columns of `fit`.

        Returns
        -------
        ndarray of shape (n_samples, dim), or (n_samples, (2 * k - 1) * dim) for k scans a patient
            The mean over the scan's tokens and, if there are several, over members, each of which
            projects linearly; for a missing scan its learnable embedding. Those of several scans
            stand side by side, in the order of `image`, and after them those of the changes from
            each to the next.
        """
        _, patients = self._look_at(X)
        return pooled_queries(self.net_, patients)

    @property
    def encoder_(self) -> Any:
        """The fitted transformer or the trained torch module; None without scans."""
        check_is_fitted(self)
        trained = self.net_.module_.encoder
        return self._encoder if trained is None else trained

    @property
    def volume_(self) -> VolumeReader | None:
        """How scans are read: ``volume_.read(scan)`` is what the model saw; None without scans."""
        check_is_fitted(self)
        return None if self._image is None else self._image.reader

    @property
    def metadata_(self) -> Any:
        """The fitted metadata transformer; None without clinical variables."""
        check_is_fitted(self)
        return self._clinical.metadata

    @property
    def history_(self) -> pd.DataFrame:
        """One row an epoch: losses of training and validation, and seconds."""
        check_is_fitted(self)
        names = ["epoch", "train_loss", "valid_loss", "dur"]
        rows = [[epoch.get(name) for name in names] for epoch in self.net_.history]
        frame = pd.DataFrame(rows, columns=names).rename(columns={"dur": "seconds"})
        return frame.dropna(axis="columns", how="all")

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "net_")
