"""What estimators of patients have in common: a fit step by step.

Parameters and the kind of target are a subclass's.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from sklearn.utils import check_random_state

from skedema._device import find_device
from skedema._pace import paced
from skedema._rng import isolated_rng
from skedema._scan_column import Scans, remote_of
from skedema._torch_state import own_torch_state
from skedema._training.build import build_net, build_network
from skedema._training.clinical_side import ClinicalSide
from skedema._training.cohort import Cohort, read_cohort, split_patients
from skedema._training.columns import Columns
from skedema._training.cost import Estimate
from skedema._training.exchanged import refuse_to_reach_into_names
from skedema._training.fitted_model import FittedModel
from skedema._training.held_out import ask_who_left_out, digest_of
from skedema._training.image_side import ImageSide, is_trained
from skedema._training.members import count_members, shared_out
from skedema._training.patients import Patients
from skedema._training.rehearsal import rehearse
from skedema._training.schedule import Schedule, are_many, schedule
from skedema._training.survival import checkpoint_folder, open_course
from skedema._training.target import Target, TargetKind
from skedema._training.union_side import make_image_side
from skedema._training.unusual import learn_usual
from skedema.encoders import make_encoder
from skedema.frames import Table, find_columns
from skedema.fusion import make_fusion
from skedema.modules.committee import Committee
from skedema.modules.fused import FusedNetwork
from skedema.refiners import make_refiner
from skedema.scans._remarks import told_once

# "auto": patients a batch where rows are a few numbers, and where volumes go through an encoder.
_ROWS_A_BATCH, _VOLUMES_A_BATCH = 200, 16


class FusedEstimator(FittedModel):
    """Scan and clinical variables in, whatever the target is out."""

    n_iter_: int
    held_out_: Any
    _kind: TargetKind
    _held_out_of: bytes | None
    _seed: int
    _n_patients: int  # of the last fit

    def _read_y(self, y: Any, table: Table) -> np.ndarray:
        """Read the targets that belong to a table."""
        raise NotImplementedError

    def _begin_target(self, labels: np.ndarray, announced: Any) -> None:
        """Take what a first fit decides about the target, from labels or what was announced."""
        raise NotImplementedError

    def _target(self, cohort: Cohort) -> Target:
        """Give what the network is to learn, of the estimator's `_kind`."""
        raise NotImplementedError

    def _scaled(self, target: Target, train: np.ndarray, *, resume: bool = False) -> Target:
        """Bring targets to the scale of those to learn from, which a fit that goes on keeps."""
        return target

    def _of_held_out(self, predicted: np.ndarray, y: np.ndarray, weight: np.ndarray) -> Any:
        """Give `held_out_`, of what was predicted of patients by who did not learn from them."""
        raise NotImplementedError

    def _any_y(self, n: int) -> np.ndarray:
        """Give targets to try a fit with."""
        return np.arange(n) % 2

    @told_once()
    @paced()
    def _train(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        *,
        resume: bool,
        whole: bool,
        announced: Any = None,
    ) -> Self:
        """Do all that `fit` does, or go on from the last; the `whole` or one epoch."""
        self._validate_params()
        # Names first: a misspelt one must not come out after an hour of reading scans.
        if self.encoder is not None:
            make_encoder(self.encoder)
        make_fusion(self.fusion), make_refiner(self.refiner)
        device = find_device(self.device)
        folder = checkpoint_folder(self, resume) if whole else None
        cohort = read_cohort(
            X,
            y,
            sample_weight,
            read_y=self._read_y,
            columns=self._columns if resume else None,
            new_columns=self._new_columns,
            remote=remote_of(self.volume, self.encoder),
        )
        if not resume:
            self._begin(cohort, announced)
        target = self._target(cohort)
        n_members = len(self.net_.module_.members) if resume else self._n_members(target, whole)
        stopping = self.early_stopping if whole else False
        train, valid = split_patients(
            target,
            early_stopping=stopping if n_members == 1 else False,
            validation_fraction=self.validation_fraction,
            seed=self._seed,
        )
        target = self._scaled(target.with_mean_of_one(train), train, resume=resume)
        training = cohort.take(train)
        encoder = self.encoder_ if resume else self._fit_sides(training)
        learn = self._to_learn(training, target.take(train), encoder, self.mirror)
        everyone, left_out, watched = learn, None, training
        if valid is not None:
            watched = cohort.take(valid)
            left_out = self._to_learn(watched, target.take(valid), encoder, False)
        elif n_members > 1:
            learn, left_out = shared_out(everyone, target.strata, n_members, self._seed)
        watch = left_out if stopping or valid is not None else None
        plan = self._schedule(n_members, len(target.values), whole)
        batch_size = self._batch_size(len(train))
        with self.net_.undone_on_error() if resume else nullcontext():
            with isolated_rng(self._seed + (self.n_iter_ if resume else 0), device):
                if resume:
                    self.net_.move_to(device)
                    rates = {"lr": plan.lr, "weight_decay": self.weight_decay}
                    self.net_.set_further(target.kind, batch_size=batch_size, **rates)
                else:
                    what = (target.kind, n_members)
                    network = self._new_network(everyone, training.scans, encoder, *what)
                    how = (self._seed, batch_size, plan.lr, device)
                    self.net_ = build_net(self, network, target.kind, *how)
                course = None
                if folder is not None:
                    groups = [(learn, self._volumes(training.scans))]
                    if watch is not None:
                        groups.append((watch, self._volumes(watched.scans)))
                    course = open_course(folder, self.net_, groups, plan, warm=self.warm_start)
                self.net_.train_epochs(learn, watch, plan.n_epochs, course, plan.rate)
            if whole and not self.warm_start:
                self.net_.forget_optimizer()
            if course is not None:
                course.ends()
            self.n_iter_, self._n_patients = len(self.net_.history), len(cohort.labels)
            self._hold_out(learn, left_out, watched, resume=resume, whole=whole)
            volumes = self._volumes(cohort.scans)
            about = volumes.about()
            learned = cohort.scans.of(train)
            self._usual = learn_usual([about[n] for n in learned if n in about], self._usual)
            volumes.tell_odd(about)
        return self

    def _new_columns(self, table: Table) -> Columns:
        return Columns(table, self.image, type(self).__name__, reads_scans=self._reads_scans)

    def _hold_out(
        self,
        learn: Patients,
        left_out: Patients | None,
        watched: Cohort,
        *,
        resume: bool,
        whole: bool,
    ) -> None:
        """Keep what networks say of those who are `watched`, where they never learned from them."""
        before = self._held_out_of if resume else None
        self.held_out_, self._held_out_of = None, None
        if left_out is None or not whole:
            return
        of = digest_of(learn, left_out)
        if not resume or (before is not None and of == before):
            self._held_out_of = of
            predicted = ask_who_left_out(self.net_, left_out)
            self.held_out_ = self._of_held_out(predicted, watched.labels, watched.weight)

    def _begin(self, cohort: Cohort, announced: Any) -> None:
        """Take what a first fit decides: columns, target, precision, seed."""
        table, self._columns = cohort.table, cohort.columns
        self.n_features_in_ = len(table.columns)
        if table.names is not None:
            self.feature_names_in_ = np.array(table.names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self._begin_target(cohort.labels, announced)
        self._dtype = self._torch_dtype(len(cohort.labels))
        self._seed = int(check_random_state(self.random_state).randint(2**31))

    def _fit_sides(self, cohort: Cohort) -> Any:
        """Fit both sides on the patients to learn from, and give the encoder."""
        self._image = self._new_image_side()  # refused before anything is read
        self._fit_table(cohort)
        return self._fit_image(cohort)

    def _new_image_side(self) -> ImageSide | None:
        if not self._reads_scans:
            return None
        image = make_image_side(self.encoder, self.fine_tune, self.volume, self._dtype)
        image.mirrors(self.mirror)
        return image

    def _fit_table(self, cohort: Cohort) -> None:
        columns, labels = cohort.columns, cohort.labels
        find_columns(cohort.table, self.trusted_columns, "trusted_columns")
        self._clinical = ClinicalSide(self.metadata, warn_unusual=self.warn_unusual)
        part = columns.clinical_part(cohort.table)
        self._clinical.fit(part, labels, cohort.weight, columns.clinical)
        numbers = self._kind.classes is None
        columns.warn_of_leaks(cohort.table, labels, self.trusted_columns, numbers=numbers)

    def _fit_image(self, cohort: Cohort) -> Any:
        """Fit the encoder of the image side, and give it."""
        cohort.columns.refuse_no_scan(cohort.scans)
        image, encoder = self._image, None
        if image is not None:
            volumes = self._volumes(cohort.scans)
            own = {"seed": self._seed, "device": self.device, "checkpoint_dir": self.checkpoint_dir}
            encoder = image.fit(volumes, cohort.labels, **own)
        self._encoder = None if image is None or image.trained else encoder
        self._usual = None
        return encoder

    @property
    def _reads_scans(self) -> bool:
        return self.image is not None and self.encoder is not None

    def _n_members(self, target: Target, whole: bool) -> int:
        trained = self._reads_scans and is_trained(self.encoder, self.fine_tune)
        asked = 1 if self.n_members == "auto" and not whole else self.n_members
        return count_members(asked, target, trained)

    def _new_network(
        self, learn: Patients, scans: Scans, encoder: Any, kind: TargetKind, n_members: int
    ) -> FusedNetwork | Committee:
        image, shape = self._image, None
        module: torch.nn.Module | None = None
        views: list[Any] = [learn.features, learn.mirrored]
        if image is not None:
            if image.trained:
                volumes, device = self._volumes(scans), find_device(self.device)
                module, views = image.network(encoder, volumes, device)
            shape = image.tokens
        counts = self._clinical.n_categories
        parts = (self, learn, module, views, shape, counts, kind.n_outputs)
        if n_members == 1:
            return build_network(*parts)
        return Committee(build_network(*parts) for _ in range(n_members))

    def _to_learn(
        self, cohort: Cohort, target: Target, encoder: Any, mirror: bool | str
    ) -> Patients:
        """Make the network's input to learn from."""
        scan = {}
        if self._image is not None:
            volumes, device = self._volumes(cohort.scans), find_device(self.device)
            scan = self._image.learn(encoder, volumes, device, mirror)
        values = self._clinical.transform(cohort.columns.clinical_part(cohort.table))
        return Patients(
            values,
            cohort.scans.by_patient(cohort.scans.present),
            target=target.values,
            weight=target.weight,
            dtype=self._dtype,
            **scan,
        )

    @own_torch_state()
    def estimate(self, X: Any, y: Any = None, *, cv: Any = 5) -> Estimate:
        """Tell what a cross-validation or a fit will cost before it starts.

        It takes a few seconds: some scans are read and encoded, and some epochs trained, on this
        machine. Nothing of the estimator changes; the scans that were read are at hand from then
        on.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            As in `fit`.
        y : array-like of shape (n_samples,), default=None
            As in `fit`; None is as if there were two, equally frequent.
        cv : int, splitter, iterable or None, default=5
            As in `sklearn.model_selection.cross_validate`; None is a single fit on all patients.

        Returns
        -------
        Estimate
            ``seconds``, ``bytes`` (the most that the process will have held), ``cache_bytes``, and
            ``table()`` with a row a step; printed, it says so in words.

        Raises
        ------
        ValueError
            When `fit` would refuse the table, the labels or the parameters.
        ScanError
            When scans are not there, or one of the few is unreadable.

        Notes
        -----
        Seconds are those of one fold after the other. Scans whose features, or volumes, are at hand
        (in memory, or in the folder `memory`) are not counted again. Not counted are: what early
        stopping spares; pre-trainings that are at hand; the time in which a process imports and
        other processes start.

        Examples
        --------
        >>> import numpy as np, pandas as pd
        >>> from skedema import AttentionMixerClassifier
        >>> X = pd.DataFrame({"age": np.arange(60.0), "sodium": np.arange(60.0) % 17})
        >>> estimate = AttentionMixerClassifier().estimate(X, cv=5)
        >>> bool(0 < estimate.seconds < 600)
        True
        >>> estimate.table()["step"].tolist()
        ['preparing a fit', 'an epoch, at most']
        """
        return rehearse(self, X, y, cv)

    def set_params(self, **params: Any) -> Self:
        """Set parameters, nested ones by ``__``.

        Parameters
        ----------
        **params
            Values by name.

        Returns
        -------
        estimator
            The estimator itself.

        Raises
        ------
        ValueError
            For an unknown parameter, and for a nested one of something given by name or by
            default, which has no parameters of its own yet.
        """
        refuse_to_reach_into_names(self, params)
        super().set_params(**params)
        return self

    def _batch_size(self, n: int) -> int:
        if self.batch_size != "auto":
            return min(int(self.batch_size), n)
        streams = self._image is not None and self._image.trained
        return min(_VOLUMES_A_BATCH if streams else _ROWS_A_BATCH, n)

    def _schedule(self, n_members: int, n_patients: int, whole: bool) -> Schedule:
        """Plan the `whole` of a training, or one epoch of a part of the patients."""
        streams = self._image is not None and self._image.trained
        plan = schedule(self, n_members, n_patients if whole and not streams else 0)
        return plan if whole else replace(plan, n_epochs=1)

    def _torch_dtype(self, n_patients: int) -> torch.dtype:
        if self.dtype == "auto":
            few = not self._reads_scans and not are_many(n_patients)
            return torch.float64 if few else torch.float32
        return torch.float64 if self.dtype == "float64" else torch.float32

    def __sklearn_tags__(self) -> Any:
        # input_tags.string stays False although text columns are welcome: scikit-learn's checks
        # ask whoever sets it to accept any object as a cell, and an odd cell is an error here.
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
