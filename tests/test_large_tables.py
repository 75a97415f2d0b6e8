"""Large tables: the same predictions by parts, one warning, no memory that grows with the rows."""

from __future__ import annotations

import tracemalloc
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.preprocessing import OrdinalEncoder

from skedema import AttentionMixerClassifier
from skedema._training import fitted_model, net
from skedema._training.net import FusionNet
from skedema.modules.fused import FusedNetwork


def patients(n: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(50, 5, size=(n, 3)), columns=["age", "sodium", "glucose"])
    y = (X["age"] + rng.normal(0, 5, n) > 50).to_numpy(dtype=int)
    X = X.mask(rng.random(X.shape) < 0.1)
    X["sex"] = rng.choice(np.array(["f", "m", None], dtype=object), n)
    return X, y


def small(**options) -> AttentionMixerClassifier:
    return AttentionMixerClassifier(dim=4, n_heads=1, max_epochs=2, random_state=0, **options)


@pytest.fixture(scope="module", params=["float32", "float64"])
def model(request):
    return small(dtype=request.param, n_members=2).fit(*patients(200))


def as_polars(X: pd.DataFrame) -> pl.DataFrame:
    return pl.DataFrame({k: [None if pd.isna(v) else v for v in X[k].tolist()] for k in X})


@pytest.mark.parametrize("make", [pd.DataFrame, as_polars])
def test_parts_give_the_bits_of_the_whole(model, make, monkeypatch):
    X = make(patients(1_300, 1)[0])
    whole, outputs = model.predict_proba(X), model._outputs(X)
    for size in (256, 512, 1024):
        monkeypatch.setattr(fitted_model, "_PATIENTS_A_PART", size)
        assert_array_equal(model.predict_proba(X), whole)
        assert_array_equal(model._outputs(X), outputs)


def test_part_is_made_of_whole_batches():
    for size in (net._READY_ROWS, net._READY_ROWS_OF_MANY):
        assert fitted_model._PATIENTS_A_PART % size == 0


def test_whole_batches_that_somebody_else_cuts_have_the_same_bits(model):
    X, _ = patients(1_300, 1)
    cut = [model.predict_proba(X[first : first + 512]) for first in range(0, 1_300, 512)]
    assert_array_equal(np.concatenate(cut), model.predict_proba(X))


def test_threads_change_no_bit(model, monkeypatch):
    X, _ = patients(1_300, 1)
    monkeypatch.setattr(net, "_FROM_SIDE_BY_SIDE", 300)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = model.predict_proba(X)
        torch.set_num_threads(3)
        assert_array_equal(model.predict_proba(X), alone)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("options", [{}, {"fusion": "film"}, {"refiner": None}])
def test_shorter_ways_of_large_tables_say_the_same(options, monkeypatch):
    X, y = patients(700, 1)
    X["bed"] = np.random.default_rng(0).choice(["a", "b", "c"], len(X))
    model = small(n_members=1, **options).fit(X[:200], y[:200])
    whole, attention = model._outputs(X), None if options else model.attention(X)
    monkeypatch.setattr(net, "_FROM_SIDE_BY_SIDE", 300)
    asked: list[int] = []
    forward = FusedNetwork.forward

    def counted(self, clinical, *others, **named):
        asked.append(len(clinical))
        return forward(self, clinical, *others, **named)

    monkeypatch.setattr(FusedNetwork, "forward", counted)
    assert_allclose(model._outputs(X), whole, rtol=1e-10, atol=1e-13)  # in float64
    assert sorted(asked) == [188, 512]
    if attention is not None:
        assert_allclose(model.attention(X), attention, rtol=1e-10)


def test_what_predicted_a_large_table_can_be_trained_further(monkeypatch):
    monkeypatch.setattr(net, "_FROM_SIDE_BY_SIDE", 300)
    X, y = patients(400)
    model = small(warm_start=True, n_members=1).fit(X, y)
    before = model.predict_proba(X)
    assert not np.array_equal(model.fit(X, y).predict_proba(X), before)


def odd_table() -> pd.DataFrame:
    X, _ = patients(1_300, 1)
    X.loc[[3, 700, 1_299], "age"] = 1e6
    X.loc[[5, 900], "sodium"] = -999.0
    X.loc[[700], "sex"] = "x"
    X.loc[[1_000], "sex"] = "q"
    return X.set_index(pd.Index([f"P{row}" for row in range(1_300)]))


def test_warnings_of_parts_are_those_of_the_whole(model, monkeypatch):
    def told() -> list[str]:
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            model.predict_proba(odd_table())
        return [str(each.message) for each in found]

    whole = told()
    assert len(whole) == 2
    assert "'sex': 'q', 'x'" in whole[0]
    assert "rows 3, 700, 1299 (index 'P3', 'P700', 'P1299')" in whole[1]
    monkeypatch.setattr(fitted_model, "_PATIENTS_A_PART", 256)
    assert told() == whole


def test_what_is_wrong_is_said_of_all_rows_before_anything_is_computed(model, monkeypatch):
    monkeypatch.setattr(fitted_model, "_PATIENTS_A_PART", 256)
    monkeypatch.setattr(FusionNet, "evaluate", None)
    X, _ = patients(1_300, 1)
    X.loc[[7, 1_100], "age"] = np.inf
    with pytest.raises(ValueError, match=r"'age'.*rows 7, 1100"):
        model.predict_proba(X)


def test_transformer_of_somebody_else_is_given_all_rows_at_once(monkeypatch):
    given = []

    class Encoder(OrdinalEncoder):
        def transform(self, X):
            given.append(len(X))
            return super().transform(X)

    unknown = {"handle_unknown": "use_encoded_value", "unknown_value": np.nan}
    other = small(metadata=Encoder(**unknown)).fit(*patients(60))
    monkeypatch.setattr(fitted_model, "_PATIENTS_A_PART", 256)
    given.clear()
    assert len(other.predict_proba(patients(700, 1)[0])) == 700
    assert given == [700]


def test_memory_of_a_prediction_does_not_grow_with_the_table(model, monkeypatch):
    monkeypatch.setattr(fitted_model, "_PATIENTS_A_PART", 2048)
    sizes: list[int] = []
    evaluate = FusionNet.evaluate

    def counted(self, patients, function):
        sizes.append(len(patients))
        return evaluate(self, patients, function)

    monkeypatch.setattr(FusionNet, "evaluate", counted)
    peaks = []
    for n in (4_096, 16_384):
        X = patients(n, 1)[0].drop(columns="sex").assign(sex=0.0).to_numpy()
        numbers = small(n_members=1).fit(X[:200], patients(200)[1])
        tracemalloc.start()
        given = numbers.predict_proba(X)
        peaks.append(tracemalloc.get_traced_memory()[1] - 3 * given.nbytes)  # and on its way there
        tracemalloc.stop()
    assert max(sizes) == 2048  # so much for what tracemalloc does not see, the tensors
    assert peaks[1] - peaks[0] < 0.2 * X.nbytes


def test_fit_asks_the_network_once_a_batch(monkeypatch):
    X, y = patients(2_500)
    calls: list[int] = []
    forward = FusedNetwork.forward

    def counted(self, clinical, *others, **named):
        calls.append(len(clinical))
        return forward(self, clinical, *others, **named)

    monkeypatch.setattr(FusedNetwork, "forward", counted)
    small().fit(X, y)
    # Of 2,250 to learn from 12 batches of 200 an epoch, of 250 to watch one, and one at the end.
    assert len(calls) == 2 * (12 + 1) + 1
    calls.clear()
    small().fit(X, y).predict_proba(X)
    assert len(calls) == 27 + 10


def test_rows_are_looked_up_by_distinct_category_only(monkeypatch):
    from skedema.clinical import tokenizer

    asked: list[int] = []
    keys = tokenizer.category_keys
    monkeypatch.setattr(
        tokenizer, "category_keys", lambda values: asked.append(len(values)) or keys(values)
    )
    model = small().fit(*patients(100))
    asked.clear()
    model.predict_proba(patients(3_000, 1)[0])
    assert max(asked) <= 3


def test_table_of_numbers_is_read_without_a_copy():
    from skedema.frames import read_table

    X = np.random.default_rng(0).normal(size=(100, 3))
    frame = pd.DataFrame(X.copy(order="F"))
    for table, owner in ((read_table(X), X), (read_table(frame), frame.to_numpy(copy=False))):
        assert all(np.shares_memory(column.values, owner) for column in table.columns)
