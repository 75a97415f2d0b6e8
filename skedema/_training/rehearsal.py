"""A fit rehearsed with a few scans and for a few epochs, to tell what the whole will cost."""

from __future__ import annotations

import math
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import check_cv

from skedema._device import find_device
from skedema._features import DerivedEncoder, features
from skedema._measured import Tensors, process_peak
from skedema._pace import paced
from skedema._rng import isolated_rng
from skedema._scan_column import remote_of
from skedema._told import table_told
from skedema._training.build import build_net
from skedema._training.cohort import read_cohort
from skedema._training.cost import Estimate, Step
from skedema._training.image_side import ImageSide
from skedema._training.members import shared_out
from skedema._training.patients import Patients
from skedema._training.union_side import UnionSide, for_part
from skedema._volumes import Volumes
from skedema.encoders import is_transformer, make_encoder
from skedema.frames import read_table
from skedema.scans import ScanError
from skedema.scans._remarks import unheard
from skedema.scans.cache import volumes as volume_cache

# Scans that are read to warm up, and those that are timed: fewer where one takes long.
_FIRST, _TIMED, _TIMED_IF_SLOW, _SLOW = 2, 4, 2, 2.0
_EPOCHS = 3


def rehearse(model: Any, X: Any, y: Any, cv: Any) -> Estimate:
    """Measure what `fit` of a model, or a cross-validation of it, will cost.

    Scans that are read for it stay at hand. Global generators are left alone, and nothing is told:
    the fit itself will.
    """
    begin = time.perf_counter()
    with isolated_rng(0), _nothing_said():
        rehearsal = _Rehearsal(model, X, y, cv)
        steps = rehearsal.steps()
    return Estimate(
        n_fits=rehearsal.n_fits,
        n_train=len(rehearsal.training.labels),
        steps=tuple(steps),
        bytes=int(rehearsal.bytes),
        cache_bytes=int(rehearsal.cache_bytes),
        n_scans=rehearsal.n_scans,
        took=time.perf_counter() - begin,
    )


@contextmanager
def _nothing_said() -> Iterator[None]:
    with unheard(), table_told(), paced(quiet=True):
        yield


class _Few(NamedTuple):
    """Some patients, after their scans went through the image side."""

    rows: np.ndarray
    encoder: Any
    learn: Patients
    seconds: float


class _PerScan(NamedTuple):
    """Seconds that scans take: each of the new ones once, each in each fit, and a fit of any."""

    n_new: int
    once: float
    each: float
    a_fit: float


class _Rehearsal:
    """A copy of a model that takes the steps of its fit."""

    def __init__(self, model: Any, X: Any, y: Any, cv: Any) -> None:
        self.twin = twin = clone(model).set_params(
            callbacks=None, checkpoint_dir=None, verbose=0, warm_start=False
        )
        if y is None:
            y = twin._any_y(len(read_table(X)))
        twin._validate_params()
        self.device = find_device(twin.device)
        self.cohort = read_cohort(
            X,
            y,
            None,
            read_y=twin._read_y,
            columns=None,
            new_columns=twin._new_columns,
            remote=remote_of(twin.volume, twin.encoder),
        )
        twin._begin(self.cohort, None)
        self.rng = np.random.default_rng()
        self.counts = _counts()
        self.one_seed = isinstance(model.random_state, Integral)
        everyone = np.arange(len(self.cohort.labels))
        self.target = twin._scaled(twin._target(self.cohort), everyone)
        splits = [(everyone, everyone[:0])]
        if cv is not None:
            labels = self.cohort.labels
            # scikit-learn stratifies by one column alone, and looks for NaN in several.
            splitter = check_cv(cv, labels, classifier=is_classifier(model) and labels.ndim == 1)
            try:
                splits = list(splitter.split(everyone, labels))
            except ValueError as error:
                if "groups" in str(error):
                    raise ValueError(
                        f"{type(splitter).__name__} needs the patients' groups: give the folds "
                        "themselves, cv=list(splitter.split(X, y, groups))."
                    ) from error
                raise
        self.n_fits, (train, test) = len(splits), max(splits, key=lambda split: len(split[0]))
        self.training, self.learned = self.cohort.take(train), self.target.take(train)
        self.n_tested = self._n_scans_of(test)
        self.n_learned = int(self.training.scans.present.sum())
        self.bytes = self.cache_bytes = 0.0
        self.n_scans = 0

    def steps(self) -> list[Step]:
        """Take the steps, and tell how long all of them take."""
        twin, steps, scans = self.twin, [], _PerScan(0, 0.0, 0.0, 0.0)
        few: _Few | None = None
        if twin._reads_scans:
            steps = self._pretraining()
        twin._image = twin._new_image_side()
        table = _seconds(lambda: twin._fit_table(self.training))
        if twin._reads_scans:
            scans, few = self._scans()
            what = "reading" if twin._image.trained else "reading and encoding"
            steps.insert(0, Step(f"{what} new scans", scans.n_new, scans.once))
        network, epoch, predicting, n_epochs = self._training(few, scans)
        each_fit = table + scans.a_fit + network
        each_fit += scans.each * (self.n_learned + self.n_tested)
        steps += [
            Step("preparing a fit", self.n_fits, each_fit),
            Step("an epoch, at most", self.n_fits * n_epochs, epoch),
        ]
        if predicting:
            steps.append(Step("predicting a scan", self.n_fits * self.n_tested, predicting))
        self.bytes += process_peak()
        return steps

    def _pretraining(self) -> list[Step]:
        """Measure the pre-training of autoencoders, which the copy is then without."""
        twin, made = self.twin, make_encoder(self.twin.encoder)
        paths = _autoencoders(made)
        if not paths:
            return []
        side = ImageSide(made, False, twin.volume, twin._dtype)
        volumes = side.volumes(self.training.scans, twin.memory, twin.n_jobs)
        parts = _parts(side.filled(volumes, twin._seed, twin.device))
        cells, seconds = volumes.scans.cells[volumes.rows], 0.0
        for path in paths:
            cost = parts[path]._cost(cells)
            seconds += cost.seconds - cost.seconds_per_scan * len(cells)
            self.bytes += cost.memory
        unlearned = {"max_epochs": 0, "random_state": None}
        twin.encoder = clone(made).set_params(
            **{
                f"{path}__{name}".lstrip("_"): value
                for path in paths
                for name, value in unlearned.items()
            }
        )
        self.one_seed = False  # what was learned differs from fold to fold
        return [Step("pre-training", self.n_fits, seconds)]

    def _scans(self) -> tuple[_PerScan, _Few]:
        """Measure reading and encoding, with scans that are new as far as there are any."""
        scans = self.cohort.scans
        present = np.flatnonzero(scans.present)
        first = self._first(self.rng.permutation(np.unique(scans.patients(present))))
        new = self._new(first.encoder)
        whose = np.unique(scans.patients(new if len(new) else present))
        pool = self.rng.permutation(np.setdiff1d(whose, first.rows))
        n_timed = _TIMED if first.seconds < _SLOW * len(first.rows) else _TIMED_IF_SLOW
        timed = pool[: max(n_timed, len(first.rows))] if len(pool) else first.rows
        kept = _kept()
        cold = self._through(timed)
        n_cold = int(np.isin(scans.patients(new), timed).sum())
        # All are known now: what is left takes its time in each fit.
        again = np.union1d(first.rows[1:], timed[:1])
        every = np.union1d(first.rows, timed)
        small, big = self._quickest(again), self._quickest(every)
        n_again, n_every = self._n_scans_of(again), self._n_scans_of(every)
        each = max(0.0, big.seconds - small.seconds) / max(1, n_every - n_again)
        a_fit = max(0.0, small.seconds - each * n_again)
        once = max(0.0, cold.seconds - a_fit - each * self._n_scans_of(timed)) / max(1, n_cold)
        looked_at = np.subtract(_counts(), self.counts)
        n_left = len(new) - n_cold
        self._count_bytes(np.subtract(_kept(), kept) / max(1, n_cold) * n_left, again, every)
        self.n_scans = n_every
        return _PerScan(min(len(present), n_left + int(max(looked_at))), once, each, a_fit), big

    def _n_scans_of(self, patients: np.ndarray) -> int:
        return int(self.cohort.scans.take(patients).present.sum())

    def _first(self, rows: np.ndarray) -> _Few:
        """Take as few as the encoder can be fitted on."""
        n = _FIRST
        while True:
            try:
                return self._through(rows[:n])
            except ScanError:
                raise
            except ValueError:
                if n >= len(rows):
                    raise
            n *= 2

    def _quickest(self, rows: np.ndarray) -> _Few:
        """Do it twice, in two orders, since an encoder is not fitted twice on the same."""
        return min(self._through(rows), self._through(rows[::-1]), key=lambda few: few.seconds)

    def _through(self, rows: np.ndarray) -> _Few:
        """Fit the image side on some patients, and apply it."""
        twin, some = self.twin, self.cohort.take(rows)
        twin._image = twin._new_image_side()
        if not self.one_seed:
            twin._seed = int(self.rng.integers(2**31))
        begin = time.perf_counter()
        encoder = twin._fit_image(some)
        learn = twin._to_learn(some, self.target.take(rows), encoder, twin.mirror)
        if learn.volume is not None:
            for row in np.flatnonzero(some.scans.present).tolist():
                learn.volume(row)
        return _Few(rows, encoder, learn, time.perf_counter() - begin)

    def _new(self, encoder: Any) -> np.ndarray:
        """Give the numbers of scans that are not at hand, each distinct one once."""
        volumes = self.twin._volumes(self.cohort.scans)
        known = _known(self.twin._image, encoder, volumes, self.device)
        new = {key: row for row, key in volumes.keys.items() if row not in known}
        return np.array(sorted(new.values()), dtype=int)

    def _count_bytes(self, growth: np.ndarray, few: np.ndarray, more: np.ndarray) -> None:
        """Add what scans will still take, in the caches and while an encoder is fitted."""
        most = volume_cache.max_bytes, features.max_bytes
        held = np.minimum(np.add(_kept(), growth), most)
        self.cache_bytes = held.sum()
        self.bytes += max(0.0, (held - _kept()).sum())
        peaks = [_peak_of_arrays(partial(self._through, rows)) for rows in (few, more)]
        n_more = self._n_scans_of(more) - self._n_scans_of(few)
        a_scan = max(0, peaks[1] - peaks[0]) / max(1, n_more)
        self.bytes += a_scan * self.n_learned

    def _training(self, few: _Few | None, scans: _PerScan) -> tuple[float, float, float, int]:
        """Give the seconds of a network, of an epoch and of a scan's prediction, and the epochs."""
        twin, kind = self.twin, self.learned.kind
        n_members = twin._n_members(self.learned, True)
        plan = twin._schedule(n_members, len(self.learned.values), True)
        whole = few is None or not twin._image.trained
        everyone = self._as_many(few) if few is None or whole else few.learn
        learn, watch = everyone, None
        if n_members > 1:
            learn, left_out = shared_out(everyone, self.learned.strata, n_members, twin._seed)
            watch = left_out if twin.early_stopping else None
        cohort = self.training if few is None else self.cohort.take(few.rows)
        encoder = None if few is None else few.encoder
        batch_size = twin._batch_size(len(everyone))
        begin = time.perf_counter()
        with isolated_rng(twin._seed, self.device):
            network = twin._new_network(everyone, cohort.scans, encoder, kind, n_members)
            net = build_net(twin, network, kind, twin._seed, batch_size, plan.lr, self.device)
            seconds = time.perf_counter() - begin
            net.train_epochs(learn, watch, min(_EPOCHS, plan.n_epochs))
            epoch = float(min(net.history[:, "dur"]))
            if whole:
                return seconds, epoch, 0.0, plan.n_epochs
            self._count_bytes_of_a_step(net, learn, twin._batch_size(self.n_learned))
            n_scans = int(learn.present.sum())
            predicting = _seconds(lambda: net.evaluate(learn, net.module_)) / n_scans
        share = self.n_learned / n_scans
        if is_transformer(encoder):  # the network begins with features of everyone
            seconds *= share
        return seconds, epoch * share + self._read_again(scans.once), predicting, plan.n_epochs

    def _as_many(self, few: _Few | None) -> Patients:
        """Make the network's input of all patients to learn from, with the features of a few."""
        cohort, views = self.training, {}
        if few is not None:
            order = np.arange(len(cohort.labels)) % len(few.rows)
            given = {"features": few.learn.features, "mirrored": few.learn.mirrored}
            views = {name: view[order] for name, view in given.items() if view is not None}
        values = self.twin._clinical.transform(cohort.columns.clinical_part(cohort.table))
        return Patients(
            values,
            cohort.scans.by_patient(cohort.scans.present),
            target=self.learned.values,
            weight=self.learned.weight,
            dtype=self.twin._dtype,
            **views,
        )

    def _read_again(self, seconds: float) -> float:
        """Give the seconds that an epoch takes to read scans that memory does not hold."""
        volumes = self.twin._volumes(self.training.scans)
        needed = 4 * math.prod(volumes.shape) * self.n_learned
        held = min(1.0, volume_cache.max_bytes / needed)
        return float(seconds * self.n_learned * (1 - held))

    def _count_bytes_of_a_step(self, net: Any, learn: Patients, batch_size: int) -> None:
        """Add what a whole batch takes beyond that of a few patients."""
        if self.device.type != "cpu":
            return
        with Tensors() as tensors:
            net.train_epochs(learn, None, 1)
        more = max(0, batch_size - len(learn))
        self.bytes += tensors.peak * more / len(learn)


def _known(side: Any, encoder: Any, volumes: Volumes, device: Any) -> set[int]:
    """Tell of which rows features are at hand, or volumes if the encoder is trained."""
    if side.trained:
        return volumes.known()
    if isinstance(side, UnionSide):
        fitted = dict(encoder.encoders_)
        of_parts = [
            _known(part, fitted[name], for_part(part, volumes), device)
            for name, part in side.sides.items()
        ]
        return set.intersection(*of_parts)
    how = side._encoder(encoder, device)
    return features.known(how.source if isinstance(how, DerivedEncoder) else how, volumes)


def _autoencoders(encoder: Any) -> list[str]:
    """Give the places in an encoder of what is pre-trained; "" is the encoder itself."""
    parts = _parts(encoder)
    frozen = [path for path, part in parts.items() if isinstance(part, FrozenEstimator)]
    return [
        path
        for path, part in parts.items()
        if hasattr(type(part), "_cost") and not any(path.startswith(above) for above in frozen)
    ]


def _parts(encoder: Any) -> dict[str, Any]:
    return {"": encoder, **(encoder.get_params() if hasattr(encoder, "get_params") else {})}


def _counts() -> tuple[int, int]:
    return volume_cache.n_reads, features.n_encoded


def _kept() -> tuple[int, int]:
    return volume_cache.nbytes, features.nbytes


def _peak_of_arrays(function: Callable[[], object]) -> int:
    """Give the bytes of arrays that a function held at its peak."""
    if tracemalloc.is_tracing():  # somebody else's figures
        return 0
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _seconds(function: Callable[[], object]) -> float:
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin
