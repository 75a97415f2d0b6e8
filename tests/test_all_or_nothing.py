from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from skorch.callbacks import Callback

import skedema
from skedema import (
    AttentionMixerClassifier,
    AttentionMixerRegressor,
    ClinicalTokenizer,
    ViTAutoencoder,
    VolumeReader,
)
from skedema.autoencoder import ViewAugmentation
from skedema.baselines import (
    ClinicalValues,
    MeanImputed,
    OnlyScan,
    ScanFeatures,
    WeightedAverage,
    WithoutScan,
)
from skedema.encoders import CNN, Density, EncoderUnion, MirroredTokens, SliceEncoder
from skedema.encoders.pretrained import PretrainedEncoder
from skedema.search import StudySearchCV

from .encoders.pretrained._tiny import TINY, heads, saved, state_of
from .encoders.slices._tiny import MEAN, READER, SIZES, STD

N = 8
_RNG = np.random.default_rng(0)
TABLE = pd.DataFrame({"sodium": _RNG.normal(138, 5, N), "sex": ["f", "m"] * (N // 2)})
Y = np.array([0, 0, 1, 1] * (N // 4))
VOLUMES = [_RNG.normal(40, 10, (8, 8, 8)) for _ in range(N)]
SCANS = TABLE.assign(scan=pd.Series(VOLUMES, dtype=object))
NUMBERS = TABLE[["sodium"]].to_numpy()
MEASURED = np.random.default_rng(1).normal(20, 5, N)


class At(Callback):
    """Raise at the end of an epoch of the second training."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def on_batch_end(self, net, **_):
        if self.error is not None:
            raise self.error


class Case(NamedTuple):
    """An estimator, what it is fitted on and asked for, and calls that must be refused."""

    make: Callable[[], Any]
    fit: tuple[Any, ...]
    ask: Callable[[Any], Any]
    refused: dict[str, Callable[[Any], Any]]


def reader() -> VolumeReader:
    return VolumeReader(shape=8)


def small(**parameters: object) -> AttentionMixerClassifier:
    defaults = {"max_epochs": 2, "dim": 8, "n_heads": 2, "random_state": 0}
    return AttentionMixerClassifier(**(defaults | parameters))


def with_scans(**parameters: object) -> AttentionMixerClassifier:
    return small(image="scan", encoder=CNN(width=4), volume=reader(), **parameters)


def broken(tmp_path: Any) -> pd.DataFrame:
    path = tmp_path / "broken.nii"
    path.write_bytes(b"no scan")
    bad = SCANS.assign(other=1.0)
    bad.at[5, "scan"] = str(path)
    return bad


def refits_of_a_table(**more: Callable[[Any], Any]) -> dict[str, Callable[[Any], Any]]:
    other = TABLE.drop(columns="sex").assign(age=1.0)
    return {
        "dates": lambda e: e.fit(TABLE.assign(t=pd.Timestamp("2026-01-01")), Y),
        "one column holds infinities": lambda e: e.fit(other.assign(age=np.inf), Y),
        "empty": lambda e: e.fit(TABLE.iloc[:0], Y[:0]),
        **more,
    }


BAD_LABELS = {
    "one class": lambda e: e.fit(TABLE.drop(columns="sex"), Y * 0),
    "missing labels": lambda e: e.fit(TABLE.drop(columns="sex"), [None] * N),
    "part with unknown labels": lambda e: e.partial_fit(TABLE, Y + 5),
    "part with other columns": lambda e: e.partial_fit(TABLE.assign(x=1), Y),
    "weights": lambda e: e.fit(TABLE.drop(columns="sex"), Y, sample_weight=-np.ones(N)),
    "parameter": lambda e: e.set_params(dropout=2).fit(TABLE, Y),
}
OF_SCANS = {
    "no such file": lambda e: e.fit(SCANS.assign(scan="not/there.nii"), Y),
    "no scans": lambda e: e.fit(SCANS.assign(scan=None), Y),
    "no such column": lambda e: e.fit(TABLE, Y),
}


@pytest.fixture(autouse=True)
def _in_a_folder_of_networks(tmp_path, monkeypatch):
    """Have the files here of which encoders are loaded."""
    monkeypatch.chdir(tmp_path)
    config = {"model_type": "dinov2", **SIZES}
    (tmp_path / "dinov2").mkdir()
    (tmp_path / "dinov2" / "config.json").write_text(json.dumps(config))
    saved(state_of(), tmp_path)


CASES: dict[str, Case] = {
    "classifier": Case(
        small,
        (TABLE, Y),
        lambda e: e.predict_proba(TABLE),
        refits_of_a_table(**BAD_LABELS),
    ),
    "classifier, warm start": Case(
        lambda: small(warm_start=True),
        (TABLE, Y),
        lambda e: e.predict_proba(TABLE),
        refits_of_a_table(**{k: v for k, v in BAD_LABELS.items() if k != "one class"}),
    ),
    "regressor": Case(
        lambda: AttentionMixerRegressor(max_epochs=2, dim=8, n_heads=2, random_state=0),
        (TABLE, MEASURED),
        lambda e: e.predict(TABLE),
        refits_of_a_table(
            **{
                "one number": lambda e: e.fit(TABLE.drop(columns="sex"), MEASURED * 0),
                "missing numbers": lambda e: e.fit(TABLE.drop(columns="sex"), MEASURED * np.nan),
                "part with other columns": lambda e: e.partial_fit(TABLE.assign(x=1), MEASURED),
                "quantiles": lambda e: e.set_params(loss="quantile", quantiles=(0.1, 0.9)).fit(
                    TABLE, MEASURED
                ),
            }
        ),
    ),
    "classifier of scans": Case(with_scans, (SCANS, Y), lambda e: e.predict_proba(SCANS), OF_SCANS),
    "tokenizer": Case(
        ClinicalTokenizer, (TABLE,), lambda e: e.transform(TABLE), refits_of_a_table()
    ),
    "autoencoder": Case(
        lambda: ViTAutoencoder(size="tiny", volume=reader(), max_epochs=1, random_state=0),
        (VOLUMES,),
        lambda e: e.transform(VOLUMES),
        {
            "no such file": lambda e: e.fit(["not/there.nii"]),
            "missing": lambda e: e.fit([VOLUMES[0], None]),
            "rows of another length": lambda e: e.fit(np.zeros((3, 7))),
            "part": lambda e: e.partial_fit(["not/there.nii"]),
            "parameters": lambda e: e.set_params(n_heads=7).fit(VOLUMES),
        },
    ),
    "reader": Case(
        reader,
        (VOLUMES,),
        lambda e: e.set_params(shape=8).transform(VOLUMES),
        {"parameter": lambda e: e.set_params(shape=0).fit(VOLUMES)},
    ),
    "density": Case(
        Density,
        (VOLUMES,),
        lambda e: e.get_feature_names_out(),
        {"parameter": lambda e: e.set_params(rim=-1.0).fit(VOLUMES)},
    ),
    "mirrored tokens": Case(
        lambda: MirroredTokens(CNN(width=4), volume=reader(), n_components=2),
        (VOLUMES,),
        lambda e: e.transform(VOLUMES),
        {
            "no such file": lambda e: e.fit(["not/there.nii"]),
            "no regions": lambda e: e.set_params(encoder=Density()).fit(VOLUMES),
            "parameter": lambda e: e.set_params(n_components=0).fit(VOLUMES),
        },
    ),
    "search": Case(
        lambda: StudySearchCV(
            DecisionTreeClassifier(random_state=0),
            lambda trial: {"max_depth": trial.suggest_int("max_depth", 1, 3)},
            n_trials=2,
            cv=2,
            random_state=0,
        ),
        (NUMBERS, Y),
        lambda e: e.predict_proba(NUMBERS),
        {
            "labels": lambda e: e.fit(NUMBERS, [None] * N),
            "every trial fails": lambda e: e.fit(NUMBERS * np.inf, Y),
            "refit fails": lambda e: e.set_params(estimator=_FailsOnAll()).fit(NUMBERS, Y),
        },
    ),
    "scan features": Case(
        lambda: ScanFeatures(
            image="scan", encoder=CNN(width=4), volume=reader(), n_components=2, random_state=0
        ),
        (SCANS,),
        lambda e: e.transform(SCANS),
        {
            **OF_SCANS,
            "components": lambda e: e.set_params(n_components=-1).fit(SCANS),
        },
    ),
    "clinical values": Case(
        lambda: ClinicalValues(image="scan"),
        (SCANS,),
        lambda e: e.transform(SCANS).to_numpy(dtype=str),
        {"the scan alone": lambda e: e.fit(SCANS[["scan"]])}
        | {"dates": lambda e: e.fit(SCANS.assign(t=pd.Timestamp("2026-01-01")))},
    ),
    "mean imputed": Case(
        lambda: MeanImputed(indicator=True),
        (TABLE,),
        lambda e: e.transform(TABLE),
        refits_of_a_table(weights=lambda e: e.fit(TABLE, sample_weight=[1.0])),
    ),
    "only scan": Case(
        lambda: OnlyScan(image="scan"),
        (SCANS,),
        lambda e: e.n_features_in_,
        {"no such column": lambda e: e.fit(TABLE)},
    ),
    "without scan": Case(
        lambda: WithoutScan(image="scan"),
        (SCANS,),
        lambda e: e.n_features_in_,
        {"no such column": lambda e: e.fit(TABLE)},
    ),
    "encoders side by side": Case(
        lambda: EncoderUnion([("density", Density()), ("vit", CASES["autoencoder"].make())]),
        (VOLUMES,),
        lambda e: dict(e.encoders_)["vit"].transform(VOLUMES),
        {
            "no such file": lambda e: e.fit(["not/there.nii"]),
            "no parts": lambda e: e.set_params(encoders=[]).fit(VOLUMES),
            "a part": lambda e: e.set_params(density=CNN()).fit(VOLUMES),
        },
    ),
}
CASES |= {
    "pretrained encoder": Case(
        lambda: PretrainedEncoder("weights.pth", recipe=TINY),
        (),
        lambda e: e.transform(heads(2)),
        {
            "no such file": lambda e: e.set_params(weights="not/there.pth").fit(),
            "another network": lambda e: e.set_params(recipe="ct_fm").fit(),
            "parameter": lambda e: e.set_params(pool="median").fit(),
        },
    ),
    "slice encoder": Case(
        lambda: SliceEncoder("dinov2", weights="random", volume=READER, mean=MEAN, std=STD),
        (),
        lambda e: e.transform(VOLUMES),
        {
            "no such network": lambda e: e.set_params(backbone="not/there").fit(),
            "no weights": lambda e: e.set_params(weights=None).fit(),
            "another reader": lambda e: e.set_params(n_slices=9).fit(),
        },
    ),
    "weighted average": Case(
        lambda: WeightedAverage([("all", LogisticRegression())], cv=2),
        (NUMBERS, Y),
        lambda e: e.predict_proba(NUMBERS),
        {
            "no members": lambda e: e.set_params(estimators=[]).fit(NUMBERS, Y),
            "labels": lambda e: e.fit(NUMBERS, [None] * N),
            "a member": lambda e: e.fit(NUMBERS * np.inf, Y),
            "folds": lambda e: e.set_params(cv=N).fit(NUMBERS, Y),
        },
    ),
}
CALLS = [(name, call) for name, case in CASES.items() for call in case.refused]


class _FailsOnAll(LogisticRegression):
    """Score the folds, and fail on all samples."""

    max_depth = None

    def set_params(self, **_: object) -> _FailsOnAll:
        return self

    def get_params(self, deep: bool = True) -> dict[str, object]:
        return {"max_depth": None}

    def fit(self, X, y):
        if len(X) == N:
            raise ValueError("the refit fails")
        return super().fit(X, y)


def fitted_attributes(estimator: Any) -> dict[str, Any]:
    return {k: v for k, v in vars(estimator).items() if k not in estimator.get_params(deep=False)}


@pytest.mark.parametrize(("name", "call"), CALLS)
def test_a_refused_call_leaves_what_was_fitted(name, call):
    case = CASES[name]
    estimator = case.make().fit(*case.fit)
    before, expected = fitted_attributes(estimator), case.ask(estimator)
    parameters = estimator.get_params(deep=False)
    with pytest.raises((ValueError, TypeError, FileNotFoundError)):
        case.refused[call](estimator)
    estimator.set_params(**parameters)
    after = fitted_attributes(estimator)
    assert {k: id(v) for k, v in after.items()} == {k: id(v) for k, v in before.items()}
    assert_array_equal(case.ask(estimator), expected)


@pytest.mark.parametrize("name", CASES)
def test_a_refused_first_call_leaves_nothing(name):
    case = CASES[name]
    estimator = case.make()
    with pytest.raises((ValueError, TypeError, FileNotFoundError)):
        next(iter(case.refused.values()))(estimator)
    assert fitted_attributes(estimator) == {}


def test_every_public_class_that_is_fitted_is_tested_here():
    modules = [skedema]
    for found in pkgutil.walk_packages(skedema.__path__, "skedema."):
        if "._" not in found.name:
            modules.append(importlib.import_module(found.name))
    public = {
        thing.__name__
        for module in modules
        for name in getattr(module, "__all__", ())
        if inspect.isclass(thing := getattr(module, name)) and hasattr(thing, "fit")
    }
    assert public == {type(case.make()).__name__ for case in CASES.values()}


def test_a_scan_that_cannot_be_read_half_way(tmp_path):
    clf = with_scans().fit(SCANS, Y)
    expected = clf.predict_proba(SCANS)
    with pytest.raises(ValueError, match=r"row 5: .*broken\.nii"):
        clf.fit(broken(tmp_path), Y)
    assert_array_equal(clf.predict_proba(SCANS), expected)
    autoencoder = ViTAutoencoder(size="tiny", volume=reader(), max_epochs=1, random_state=0)
    features = autoencoder.fit(VOLUMES).transform(VOLUMES)
    with pytest.raises(ValueError, match=r"broken\.nii"):
        autoencoder.fit(broken(tmp_path)["scan"])
    assert_array_equal(autoencoder.transform(VOLUMES), features)


@pytest.mark.parametrize("error", [RuntimeError("ours"), MemoryError(), SystemExit()])
@pytest.mark.parametrize("scans", [False, True])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_training_that_breaks_off_is_undone(error, scans, method):
    breaks, X = At(), SCANS if scans else TABLE
    make = with_scans if scans else small
    clf, undisturbed = (
        make(warm_start=True, callbacks=[callback]).fit(X, Y) for callback in (breaks, At())
    )
    before, history = clf.predict_proba(X), clf.history_
    breaks.error = error
    with pytest.raises(type(error)):
        getattr(clf.set_params(lr=0.1, batch_size=3), method)(X, Y)
    assert_array_equal(clf.predict_proba(X), before)
    pd.testing.assert_frame_equal(clf.history_, history)
    assert clf.n_iter_ == 2
    # And it goes on as one to which nothing has happened, the optimizer's state included.
    breaks.error = None
    again = undisturbed.get_params(deep=False)
    clf.set_params(lr=again["lr"], batch_size=again["batch_size"])
    assert_array_equal(
        clf.partial_fit(X, Y).predict_proba(X), undisturbed.partial_fit(X, Y).predict_proba(X)
    )


@pytest.mark.parametrize("scans", [False, True])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_call_that_breaks_off_after_training_is_undone(monkeypatch, scans, method):
    X, make = (SCANS, with_scans) if scans else (TABLE, small)
    clf, undisturbed = (make(warm_start=True).fit(X, Y) for _ in range(2))
    before, history = clf.predict_proba(X), clf.history_

    def breaks(*_: object) -> None:
        raise UserWarning("odd scans, where warnings are errors")

    with monkeypatch.context() as patch:
        patch.setattr("skedema._volumes.Volumes.tell_odd", breaks)
        with pytest.raises(UserWarning, match="odd scans"):
            getattr(clf.set_params(lr=0.1), method)(X, Y)
    assert_array_equal(clf.predict_proba(X), before)
    pd.testing.assert_frame_equal(clf.history_, history)
    clf.set_params(lr=undisturbed.lr)
    assert_array_equal(
        clf.partial_fit(X, Y).predict_proba(X), undisturbed.partial_fit(X, Y).predict_proba(X)
    )


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_pretraining_that_breaks_off_is_undone(monkeypatch, method):
    def fitted() -> ViTAutoencoder:
        parameters = {"size": "tiny", "volume": reader(), "max_epochs": 2, "batch_size": 3}
        return ViTAutoencoder(**parameters, warm_start=True, random_state=0).fit(VOLUMES)

    broken, undisturbed = fitted(), fitted()
    before, history = broken.transform(VOLUMES), broken.history_
    pair, calls = ViewAugmentation.pair, []

    def breaks(self, *arguments, **part):
        calls.append(None)
        if len(calls) == 3:
            raise RuntimeError("ours")
        return pair(self, *arguments, **part)

    with monkeypatch.context() as patch:
        patch.setattr(ViewAugmentation, "pair", breaks)
        with pytest.raises(RuntimeError, match="ours"):
            getattr(broken, method)(VOLUMES)
    assert_array_equal(broken.transform(VOLUMES), before)
    pd.testing.assert_frame_equal(broken.history_, history)
    # And it goes on as one to which nothing has happened, the optimizer's state included.
    for each in (broken, undisturbed):
        getattr(each, method)(VOLUMES)
    assert_array_equal(broken.transform(VOLUMES), undisturbed.transform(VOLUMES))


def test_an_interrupted_training_is_undone(monkeypatch):
    clf = small(warm_start=True).fit(TABLE, Y)
    expected = clf.predict_proba(TABLE)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(clf.net_), "get_loss", interrupted)
    for call in (clf.fit, clf.partial_fit, clf.set_params(warm_start=False).fit):
        with pytest.raises(KeyboardInterrupt):
            call(TABLE, Y)
        assert_array_equal(clf.predict_proba(TABLE), expected)


def test_a_first_fit_that_is_interrupted_leaves_nothing(monkeypatch):
    clf = small()

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("skedema._training.net.FusionNet.get_loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(TABLE, Y)
    with pytest.raises(NotFittedError):
        clf.predict(TABLE)
    assert fitted_attributes(clf) == {}
