from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from types import FunctionType, SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from torch import nn

from skedema._caching.identity import identity, module_identity
from skedema._rng import isolated_rng
from skedema.encoders import ViT

X = np.random.default_rng(0).normal(size=(20, 4))


def vit(**parameters: int) -> nn.Module:
    with isolated_rng(0):
        return ViT(**({"dim": 12, "depth": 1} | parameters)).build(in_channels=1, shape=(8, 8, 8))


def made(source: str, name: str = "made", **names: object) -> FunctionType:
    """Define a function as a notebook does."""
    scope = {"__name__": "__main__", **names}
    exec(source, scope)
    return scope[name]


def test_equal_estimators_are_the_same_and_fitting_tells_them_apart():
    pipeline = make_pipeline(StandardScaler(), PCA(2, random_state=0))
    assert identity(pipeline) == identity(make_pipeline(StandardScaler(), PCA(2, random_state=0)))
    fitted = copy.deepcopy(pipeline).fit(X)
    assert (
        len({identity(each) for each in (pipeline, fitted, copy.deepcopy(pipeline).fit(-X))}) == 3
    )
    loaded = pickle.loads(pickle.dumps(fitted))
    assert identity(loaded) == identity(pickle.loads(pickle.dumps(loaded)))


def test_arrays_count_with_type_and_shape():
    arrays = [np.zeros(4), np.zeros((2, 2)), np.zeros(4, np.float32), np.zeros(8, np.float32)]
    arrays += [torch.as_tensor(array) for array in arrays]
    assert len({identity(array) for array in arrays}) == len(arrays)


def test_weights_and_what_is_no_weight_tell_modules_apart():
    assert identity(vit()) == identity(vit()) == identity(pickle.loads(pickle.dumps(vit())))
    by_heads = {identity(vit(n_heads=n)) for n in (1, 2, 4)}  # the same weights
    assert len(by_heads) == 3
    changed = vit()
    with torch.no_grad():
        changed.norm.bias[3] += 1e-6
    assert identity(changed) != identity(vit())


@pytest.mark.parametrize("fused", [False, True])
def test_every_change_of_weights_is_seen(fused):
    module = vit().eval()
    seen = [module_identity(module)]
    assert module_identity(module) == seen[0] == identity(module)
    optimizer = torch.optim.AdamW(module.parameters(), fused=fused)
    module(torch.ones(1, 1, 8, 8, 8)).square().sum().backward()
    optimizer.step()
    seen.append(module_identity(module))
    module.load_state_dict({name: value + 1 for name, value in module.state_dict().items()})
    seen.append(module_identity(module))
    module.norm.weight.data[0] = 7
    seen.append(module_identity(module))
    module.norm.weight.detach().numpy()[0] = 8
    seen.append(module_identity(module))
    assert len(set(seen)) == 5


def test_code_that_was_edited_is_another():
    first, same, other = (made(f"def made(X): return X + {n}") for n in (1, 1, 2))
    assert identity(FunctionTransformer(first)) == identity(FunctionTransformer(same))
    assert identity(FunctionTransformer(first)) != identity(FunctionTransformer(other))
    classes = [
        made(f"class Made:\n    def transform(self, X): return X * {n}", "Made") for n in (3, 3, 4)
    ]
    assert identity(classes[0]()) == identity(classes[1]()) != identity(classes[2]())


def test_what_a_function_of_a_script_uses_counts():
    source = "def made(X): return helper(X) * scale"
    helpers = [made(f"def helper(X): return X - {n}", "helper") for n in (1, 2)]
    found = {identity(made(source, helper=h, scale=s)) for h in helpers for s in (1.0, 2.0)}
    assert len(found) == 4
    assert identity(made(source, helper=helpers[0], scale=1.0)) in found


def test_a_function_may_use_itself_and_attributes_of_its_name():
    recursive = [made(f"def made(n): return made(n - {n})") for n in (1, 1, 2)]
    assert identity(recursive[0]) == identity(recursive[1]) != identity(recursive[2])
    assert identity(made("def made(X): return X.made()")) is not None


def test_closures_and_defaults_count():
    def add(n):
        return lambda X, m=0: X + n + m

    assert identity(add(1)) == identity(add(1)) != identity(add(2))
    assert identity(made("def made(X, n=1): pass")) != identity(made("def made(X, n=2): pass"))


def test_a_module_of_python_counts_by_its_name():
    assert identity(made("def made(X): return np.abs(X)", np=np)) is not None


def test_what_cannot_be_pickled_has_no_identity():
    with open(__file__) as file:
        assert identity(SimpleNamespace(file=file)) is None


SCRIPT = """
import numpy as np
from skedema._caching.identity import identity
from skedema._rng import isolated_rng
from skedema.encoders import ViT
with isolated_rng(0):
    module = ViT(dim=12, depth=1).build(in_channels=1, shape=(8, 8, 8))
def made(X):
    return X in {"a", "b", "c"}
print(identity((module, {"b", "a"}, made, np.arange(3))))
"""


@pytest.mark.slow
def test_it_is_the_same_in_another_process(capsys):
    exec(SCRIPT, {"__name__": "__main__"})
    here = capsys.readouterr().out
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    there = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert here == there.stdout
    assert "None" not in here
