from __future__ import annotations

import pickle
import random

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skedema import AttentionMixerClassifier, ScanError, ViTAutoencoder, VolumeReader
from skedema.autoencoder import ViewAugmentation
from skedema.scans.cache import volumes

from ._autoencoders import SIDE, make, make_cohort, same_weights

LOSSES = ["total", "reconstruction", "edge", "contrast"]
FOLDS = StratifiedKFold(3, shuffle=True, random_state=0)


@pytest.fixture(scope="module")
def cohort():
    return make_cohort(40)


@pytest.fixture(scope="module")
def scans(cohort):
    return list(cohort[0])


@pytest.fixture(scope="module")
def fitted(scans):
    return make().fit(scans)


# scikit-learn's checks


class FollowsColumns(ViTAutoencoder):
    """The shape of the volumes follows X: the checks choose the number of columns themselves.

    That is the only thing that keeps the checks from the class itself, which asks for rows of the
    length that `volume` says.
    """

    def _source(self, X, reader, *, reset):
        shape = X.shape if hasattr(X, "shape") else np.asarray(X).shape
        if reset and len(shape) == 2 and shape[1] > 1:
            reader.set_params(shape=(shape[1], 1, 1))
        return super()._source(X, reader, reset=reset)


SMALLEST = {
    "dim": 8,
    "depth": 1,
    "n_heads": 2,
    "decoder_dim": 8,
    "decoder_depth": 1,
    "decoder_heads": 2,
    "patch": 1,
    "mask_ratio": 0.5,
    "max_epochs": 2,
}


@parametrize_with_checks(
    [
        FollowsColumns(**SMALLEST, batch_size=64),
        FollowsColumns(**SMALLEST, batch_size=64, pool="cls", augment=False, dtype="float32"),
        FollowsColumns(**SMALLEST, batch_size=64, pool="patches"),
    ]
)
def test_passes_every_check(estimator, check):
    check(estimator)


def test_rows_of_another_length_are_refused(scans):
    rows = make().fit(scans).volume_.transform(scans).reshape(len(scans), -1)
    with pytest.raises(ValueError, match=rf"rows of {SIDE**3} numbers; X has n_features=7"):
        make().fit(rows[:, :7])


# Learning


def test_losses_fall_and_a_linear_probe_finds_the_lesion():
    X, y = make_cohort(60)
    autoencoder = make(max_epochs=30, lr=3e-3).fit(X)
    history = autoencoder.history_
    assert history["reconstruction"].iloc[-1] < 0.6 * history["reconstruction"].iloc[0]
    assert history["contrast"].iloc[-1] < history["contrast"].iloc[0]
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    for pool in ("mean", "cls", "patches"):
        features = autoencoder.set_params(pool=pool).transform(X)
        assert cross_val_score(probe, features, y, cv=FOLDS, scoring="roc_auc").mean() > 0.9


@pytest.mark.numerical
def test_history_has_a_row_an_epoch(fitted):
    history = fitted.history_
    assert list(history) == ["epoch", *LOSSES, "lr", "seconds"]
    assert history["epoch"].tolist() == [0, 1, 2]
    assert fitted.n_iter_ == 3
    assert (history["seconds"] > 0).all()
    weights = 0.01 * np.array([1, 2 / 3, 1 / 3])
    parts = history["reconstruction"] + weights * history["edge"] + 0.1 * history["contrast"]
    assert_allclose(history["total"], parts, rtol=1e-5)


def test_weights_of_losses_are_parameters(scans):
    plain = make(edge_weight=0.0, contrast_weight=0.0).fit(scans).history_
    assert (plain["total"] == plain["reconstruction"]).all()
    assert (plain[["edge", "contrast"]] == 0).all(axis=None)


def test_fits_with_one_seed_are_equal_and_global_generators_are_left_alone(scans):
    torch.manual_seed(1), np.random.seed(1), random.seed(1)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1], random.getstate()  # noqa: NPY002
    one = make().fit(scans)
    after = torch.get_rng_state(), np.random.get_state()[1], random.getstate()  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert_array_equal(before[1], after[1])
    assert before[2] == after[2]
    torch.manual_seed(2)
    two, other = make().fit(scans), make(random_state=1).fit(scans)
    assert same_weights(one, two)
    assert one.history_[LOSSES].equals(two.history_[LOSSES])
    assert not same_weights(one, other)


@pytest.mark.numerical
def test_every_epoch_has_an_order_masks_and_views_of_its_own(scans, monkeypatch):
    seen = []
    original = ViewAugmentation.pair

    def noting(self, given, ranges, generator, **part):
        views = original(self, given, ranges, generator, **part)
        seen.append((given.clone(), views[0].clone()))
        return views

    monkeypatch.setattr(ViewAugmentation, "pair", noting)
    make(max_epochs=2, batch_size=len(scans)).fit(scans)
    (first, view1), (second, view2) = seen
    assert not torch.equal(first, second)  # another order
    assert_allclose(first.flatten(1).sum(1).sort()[0], second.flatten(1).sum(1).sort()[0])
    assert not torch.equal(view1, view2)


def test_partial_fit_trains_an_epoch_a_call(scans):
    autoencoder = make()
    for calls in (1, 2, 3):
        assert autoencoder.partial_fit(scans) is autoencoder
        assert autoencoder.n_iter_ == calls
    assert set(autoencoder.history_["lr"]) == {autoencoder.lr}
    losses = autoencoder.history_["reconstruction"]
    assert losses.is_monotonic_decreasing
    autoencoder.partial_fit(scans[:3])  # another part
    assert autoencoder.n_iter_ == 4


def test_warm_start_goes_on_and_a_cold_one_begins_anew(scans, fitted):
    warm = make(warm_start=True).fit(scans)
    assert same_weights(warm, fitted)
    warm.fit(scans)
    assert warm.n_iter_ == 6
    assert warm.history_["epoch"].tolist() == list(range(6))
    assert warm.history_["reconstruction"].iloc[-1] < fitted.history_["reconstruction"].iloc[-1]
    cold = make().fit(scans).fit(scans)
    assert same_weights(cold, fitted)


def test_the_optimizer_is_pickled_only_with_warm_start(scans, fitted):
    small = len(pickle.dumps(fitted))
    weights = sum(p.nbytes for p in fitted.module_.parameters())
    assert weights < small < 1.5 * weights + 20_000
    assert len(pickle.dumps(make().partial_fit(scans))) < 1.1 * small
    warm = make(warm_start=True).fit(scans)
    assert len(pickle.dumps(warm)) > small + 1.9 * weights
    again = pickle.loads(pickle.dumps(warm))
    assert same_weights(again.fit(scans), warm.fit(scans))


# Streaming


def test_each_scan_is_read_once_and_never_all_are_held(scans, monkeypatch):
    volumes.clear()
    before = volumes.n_reads
    autoencoder = make(max_epochs=2).fit(scans)
    autoencoder.transform(scans)
    assert volumes.n_reads - before == len(scans)
    one = 4 * SIDE**3
    monkeypatch.setattr(volumes, "max_bytes", 3 * one)
    volumes.clear()
    before = volumes.n_reads
    assert same_weights(make(max_epochs=2).fit(scans), autoencoder)
    assert volumes.nbytes <= 3 * one
    assert volumes.n_reads - before > len(scans)  # dropped ones were read again


def test_a_memory_keeps_volumes_for_later_runs(scans, tmp_path, fitted):
    for n_reads in (len(scans), 0):
        volumes.clear()
        before = volumes.n_reads
        assert same_weights(make(memory=str(tmp_path)).fit(scans), fitted)
        assert volumes.n_reads - before == n_reads


@pytest.mark.slow
def test_reading_ahead_changes_no_number(scans, fitted):
    volumes.clear()
    ahead = make(n_jobs=2).fit(scans)
    assert same_weights(ahead, fitted)
    assert_array_equal(ahead.transform(scans), fitted.transform(scans))


# Bad input


def test_missing_scans_are_refused_by_row(cohort, fitted):
    X = cohort[0].copy()
    X.iloc[[3, 7]] = None
    for call in (make().fit, make().partial_fit, fitted.transform, fitted.reconstruct):
        with pytest.raises(ScanError, match=r"2 of 40 scans are missing, in rows 3, 7.*'P3', 'P7'"):
            call(X)


def test_a_scan_of_nan_is_named(scans, tmp_path):
    path = tmp_path / "bad.nii.gz"
    nib.save(nib.Nifti1Image(np.full((SIDE,) * 3, np.nan, dtype=np.float32), np.eye(4)), path)
    for call in (make().fit, make().partial_fit):
        with pytest.raises(ScanError, match=r"row 1: .*bad\.nii\.gz.*NaN"):
            call([scans[0], str(path), scans[2]])


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_a_loss_that_is_not_finite_names_the_batch(scans, tmp_path):
    path = str(tmp_path / "huge.npy")
    huge = np.full((SIDE,) * 3, 1e30, dtype=np.float32)
    huge[0] = 0.0
    np.save(path, huge)
    X = [*scans[:5], path]
    autoencoder = make(volume=VolumeReader(shape=SIDE, windows=None), batch_size=2)
    with pytest.raises(FloatingPointError, match=r"epoch 0: total.*rows.*5.*huge\.npy"):
        autoencoder.fit(X)
    assert not hasattr(autoencoder, "module_")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"size": "huge"}, "'size' parameter"),
        ({"dim": 25}, "dim must be even"),
        ({"n_heads": 5}, "n_heads=5 must divide dim=24"),
        ({"patch": (4, 4)}, "three positive sides"),
        ({"patch": 12}, "mask_ratio=0.75 of 1 patches"),
        ({"mask_ratio": 1.0}, "'mask_ratio' parameter"),
        ({"augment": "strong"}, "'augment' parameter"),
        ({"augment": ViewAugmentation(noise=-1.0)}, "'noise' parameter of ViewAugmentation"),
        ({"device": "tpu"}, "device='tpu' is no torch device"),
        ({"volume": VolumeReader(shape=0)}, "shape=0"),
    ],
)
def test_bad_parameters_are_named(scans, parameters, message):
    with pytest.raises(ValueError, match=message):
        make(**parameters).fit(scans)


@pytest.mark.parametrize("X", [[], np.zeros((SIDE,) * 3), "scan.nii", None])
def test_what_is_no_sequence_of_scans_is_refused(X):
    with pytest.raises((ValueError, TypeError)):
        make().fit(X)


# Inside other estimators


def test_a_pipeline_is_a_linear_probe_and_can_be_searched(cohort):
    X, y = cohort
    pipeline = make_pipeline(make(), LogisticRegression())
    grid = {"vitautoencoder__pool": ["mean", "cls"], "vitautoencoder__augment__flip": [True, False]}
    pipeline.set_params(vitautoencoder__augment=ViewAugmentation())
    search = GridSearchCV(pipeline, grid, cv=FOLDS, scoring="neg_log_loss").fit(X, y)
    assert len(set(search.cv_results_["mean_test_score"])) == 4


def fused(encoder: object) -> AttentionMixerClassifier:
    return AttentionMixerClassifier(
        image="scan", encoder=encoder, dim=8, n_heads=2, max_epochs=5, random_state=0
    )


def as_table(X: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"scan": X, "age": np.linspace(40, 80, len(X))})


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [False, True])
def test_as_encoder_processes_give_what_one_process_gives(cohort, fitted, frozen):
    X, y = cohort
    clf = fused(FrozenEstimator(fitted) if frozen else make())
    scores = [
        cross_val_score(clf, as_table(X), y, cv=FOLDS, scoring="neg_log_loss", n_jobs=n_jobs)
        for n_jobs in (None, 2)
    ]
    assert_array_equal(*scores)


def test_as_encoder_it_is_fitted_on_a_copy_or_used_as_it_is(cohort, fitted):
    X, y = cohort
    own = make()
    clf = fused(own).set_params(fine_tune=False).fit(as_table(X), y)
    assert not hasattr(own, "module_")
    assert same_weights(clf.encoder_, make().fit(X))
    frozen = fused(FrozenEstimator(fitted)).fit(as_table(X), y)
    assert_array_equal(frozen.encoder_.transform(X), fitted.transform(X))
    missing = as_table(X)
    missing.loc[missing.index[::5], "scan"] = None
    fused(make()).fit(missing, y).predict_proba(missing)


def test_scans_of_a_test_fold_never_reach_pre_training(cohort, monkeypatch):
    X, y = cohort
    keys = {X.iloc[row].tobytes(): row for row in range(len(X))}
    fits, reading = [], []
    fit, get = ViTAutoencoder.fit, volumes.get

    def spying_fit(self, cells, target=None):
        fits.append((set(), {keys[cell.tobytes()] for cell in cells}))
        reading.append(fits[-1][0])
        try:
            return fit(self, cells, target)
        finally:
            reading.pop()

    def spying_get(reader, cell, *rest, **options):
        if reading:
            reading[-1].add(keys[cell.tobytes()])
        return get(reader, cell, *rest, **options)

    monkeypatch.setattr(ViTAutoencoder, "fit", spying_fit)
    monkeypatch.setattr(volumes, "get", spying_get)
    cross_validate(fused(make(max_epochs=1)), as_table(X), y, cv=FOLDS)
    cross_validate(make_pipeline(make(max_epochs=1), LogisticRegression()), X, y, cv=FOLDS)
    assert len(fits) == 6
    for (read, given), (train, test) in zip(fits, [*FOLDS.split(X, y)] * 2, strict=True):
        assert read == given == set(train)
        assert not read & set(test)


# Estimates, progress, other weights


def test_estimate_tells_the_cost_and_changes_nothing(scans, capsys):
    autoencoder = make(max_epochs=7)
    parameters = vars(autoencoder).copy()
    cost = autoencoder.estimate(scans)
    assert vars(autoencoder) == parameters
    printed = capsys.readouterr().out
    assert "parameters" in printed
    assert cost.n_steps == 7 * 5
    autoencoder.fit(scans)
    assert cost.n_parameters == sum(p.numel() for p in autoencoder.module_.parameters())
    assert cost.memory > 5 * 4 * cost.n_parameters
    spent = autoencoder.history_["seconds"].sum()
    # How near they are depends on what else the machine does: shown, not tested.
    print(f"estimated {cost.seconds:.3f} s, spent {spent:.3f} s")
    assert cost.seconds > cost.n_steps * cost.seconds_per_step > 0


def test_progress_is_shown_on_standard_error(scans, capsys):
    make(verbose=1).fit(scans)
    shown = capsys.readouterr()
    assert "15/15" in shown.err
    assert "loss=" in shown.err
    assert shown.out == ""
    make().fit(scans)
    assert capsys.readouterr().err == ""


def test_the_reference_path_trains(scans):
    compat = make(reference_compat=True).fit(scans)
    assert compat.history_["reconstruction"].is_monotonic_decreasing
    assert not same_weights(compat, make().fit(scans))
