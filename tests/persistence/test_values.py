from __future__ import annotations

import math
import struct

import numpy as np
import pandas as pd
import pytest
import torch

from skedema.persistence import _strict_json
from skedema.persistence._apart import put_together, take_apart
from skedema.persistence._errors import Damaged, Unsupported
from skedema.persistence._tensors import dump, parse


def there_and_back(value):
    params, tensors = take_apart(value)
    return put_together(
        _strict_json.parse(_strict_json.dump(params), "params"), parse(memoryview(dump(tensors)))
    )


NAN = struct.unpack("<d", bytes.fromhex("010000000000f87f"))[0]


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -(2**80), "ä\n\0\ud800", 0.1, -0.0, 5e-324, math.inf, -math.inf,
        (1, (2.5, "a")), [(), []], {1: "a", "b": (2,), (3, None): [False]}, {}, frozenset({9.0}),
        {"a"}, slice(1, None, 2), np.float32(0.1), np.float64(0.1), np.int64(3), np.bool_(True),
        np.str_("a"), torch.float64, torch.device("cpu"), np.dtype(">f4"), np.dtype("U5"),
        np.float32, int, pd.CategoricalDtype(["a", "b"], ordered=True), pd.CategoricalDtype([1, 2]),
        pd.CategoricalDtype(), pd.Int64Dtype(), pd.BooleanDtype(), pd.Series(["a"]).dtype,
    ],
    ids=repr,
)  # fmt: skip
def test_values_come_back_with_their_types(value):
    found = there_and_back(value)
    assert type(found) is type(value)
    assert found == value
    assert repr(found) == repr(value)


def test_every_bit_of_a_float_comes_back():
    assert struct.pack("<d", there_and_back(NAN)) == struct.pack("<d", NAN)
    found = there_and_back(np.array([NAN, -0.0, np.inf]))
    assert found.tobytes() == np.array([NAN, -0.0, np.inf]).tobytes()


@pytest.mark.parametrize("dtype", ["?", "i1", "u2", "<i4", ">i8", "f2", "f4", ">f8", "u4", "u8"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 4)])
def test_arrays_come_back(dtype, shape):
    array = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    found = there_and_back({"a": array})["a"]
    assert found.dtype.str == array.dtype.str
    assert found.shape == array.shape
    assert np.array_equal(found, array)
    assert found.flags.writeable


def test_an_array_keeps_its_order_in_memory():
    # It decides the last bits of a product.
    array = np.asfortranarray(np.random.default_rng(0).normal(size=(3, 4)))
    found = there_and_back(array)
    assert found.flags.f_contiguous
    assert not found.flags.c_contiguous
    assert np.array_equal(found, array)


def test_arrays_of_texts_and_objects_come_back():
    for array in (
        np.array([["a", "bcd"], ["", "e"]]),
        np.array(["a", None, 1.5, math.nan, ("b", 2)], dtype=object),
        np.array([[1, 2.0], ["a", None]], dtype=object),
    ):
        found = there_and_back(array)
        assert found.dtype == array.dtype
        assert found.shape == array.shape
        assert list(map(repr, found.ravel().tolist())) == list(map(repr, array.ravel().tolist()))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64", "int64", "bool"])
def test_tensors_come_back(dtype):
    tensor = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype))
    found = there_and_back(tensor)
    assert found.dtype == tensor.dtype
    assert torch.equal(found, tensor)


def test_what_is_held_twice_is_one_thing_again():
    array, shared = np.arange(3.0), torch.zeros(2)
    found = there_and_back([array, array, shared, shared])
    assert found[0] is found[1]
    assert found[2] is found[3]


def test_what_holds_itself_is_refused():
    from skedema import ClinicalTokenizer

    tokenizer = ClinicalTokenizer()
    tokenizer.own_ = tokenizer
    with pytest.raises(Unsupported, match=r"ClinicalTokenizer\.own_ holds itself"):
        take_apart(tokenizer)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros(2, dtype="M8[ns]"), "an array of datetime64"),
        (np.zeros(2, dtype=[("a", "i4")]), "an array of"),
        (np.zeros(2, dtype=complex), "an array of complex128"),
        ({"f": print}, r"f is a builtins.builtin_function_or_method print"),
        ([object()], r"\[0\] is a builtins.object"),
        (torch.nn.ReLU(), "ReLU"),
        (bytes(3), "bytes"),
        (pd.DataFrame(), "DataFrame"),
    ],
)
def test_what_has_no_place_is_told(value, message):
    with pytest.raises(Unsupported, match=message):
        take_apart(value)


def test_short_texts_take_no_room_of_long_ones():
    cells = {"cells": ["<U99999", [100], [""] * 100]}
    with pytest.raises(Damaged, match="far more room than they have letters"):
        put_together({"estimator": [cells] * 10**3, "objects": []}, {})
