from __future__ import annotations

import re
import warnings
from pathlib import Path

import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from skedema.evaluation import evaluate

PAGE = (Path(__file__).parents[1] / "docs" / "engines.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of sockets, when a cluster has ended
def test_the_example_of_dask_gives_what_one_process_gives():
    pytest.importorskip("distributed")
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    names = {"__name__": "engines_page"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of asyncio and sockets within the cluster
        exec(compile(example, "docs/engines.md", "exec"), names)
    X, y = load_iris(return_X_y=True)
    models = {"linear": LogisticRegression(max_iter=1000)}
    here = evaluate(models, X, y, cv=3, random_state=0)
    there = names["result"]
    pd.testing.assert_frame_equal(there.summary(), here.summary(), check_exact=True)
    pd.testing.assert_frame_equal(there.predictions, here.predictions, check_exact=True)
