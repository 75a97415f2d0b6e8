from __future__ import annotations

import tomllib

import pytest

from skedema.cli._codes import UsageError
from skedema.cli._values import flat, read_settings, read_value, toml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", 4),
        ("1e-3", 1e-3),
        ("(80, 40)", (80, 40)),
        ("[16, 24, 16]", [16, 24, 16]),
        ("{0: 1, 1: 3}", {0: 1, 1: 3}),
        ("None", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("brain", "brain"),
        ("'4'", "4"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_values_are_literals_or_text(text, value):
    found = read_value(text)
    assert found == value
    assert type(found) is type(value)


def test_the_last_setting_of_a_name_counts_and_a_value_may_hold_signs():
    assert read_settings(["a=1", "b=x=y", "a=2"]) == {"a": 2, "b": "x=y"}
    with pytest.raises(UsageError, match="NAME=VALUE"):
        read_settings(["depth"])


def test_nested_tables_become_nested_parameters_but_a_dict_of_weights_stays():
    text = '[encoder]\ndepth = 4\nname = "None"\n[class_weight]\nnone = 1\n'
    assert flat(tomllib.loads(text)) == {
        "encoder__depth": 4,
        "encoder__name": None,
        "class_weight": {"none": 1},
    }


def test_what_is_written_is_read_back_the_same():
    options = {"cv": 5, "id": ["patient", 'a "b"'], "root": "C:\\scans", "baselines": True}
    model = {"lr": 1e-05, "refiner": None, "volume__windows": (80, 40), "class_weight": {0: 1}}
    read = tomllib.loads(toml(options, {"evaluate": {}, "model": model}))
    assert flat(read.pop("model")) == model
    assert read == options
