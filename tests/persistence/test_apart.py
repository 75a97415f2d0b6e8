from __future__ import annotations

import pytest

from skedema.persistence import ModelFileError

from ._models import load_parts

IDENTITY = ["module.identity", {}]


def held_twice(*held: object) -> list[object]:
    return ["module.Committee", {"members": [*held, *held]}]


def test_objects_that_hold_each_other_without_end_are_refused(tmp_path):
    # Going through all of them, as a change of precision does, would take 2 ** 60 steps.
    steps = [held_twice({"object": k}) for k in range(60)]
    weighted = {"weighted": [{"object": 60}, "weights", [], {"torch_dtype": "float32"}]}
    with pytest.raises(ModelFileError, match="hold each other too many times"):
        load_parts(tmp_path, IDENTITY, *steps, estimator=weighted)


def test_neither_are_modules_with_weights(tmp_path):
    def weights(k: int) -> object:
        return {"weighted": [{"object": k}, f"of {k}", [], None]}

    steps = [held_twice(weights(k)) for k in range(60)]
    with pytest.raises(ModelFileError, match="hold each other too many times"):
        load_parts(tmp_path, IDENTITY, *steps)


def test_what_many_hold_is_no_fault(tmp_path):
    loaded = load_parts(tmp_path, IDENTITY, *[held_twice({"object": 0})] * 50)
    assert len(loaded.members) == 2
