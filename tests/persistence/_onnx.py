"""What runs an exported file, knowing of it what the file says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd

from skedema import AttentionMixerClassifier


def about(path: Path) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(path)
    return json.loads(session.get_modelmeta().custom_metadata_map["skedema"])


def run(path: Path, **given: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(path)
    assert [each["name"] for each in about(path)["inputs"]] == list(given)
    return session.run(None, given)[0]


def inputs(path: Path, clf: AttentionMixerClassifier, X: pd.DataFrame) -> dict[str, np.ndarray]:
    """Make the inputs of a table, as somebody would who has the file and the reader."""
    told, given = about(path), {}
    kinds = {each["name"]: each for each in told["inputs"]}
    if "scan_missing" in kinds:
        scans = X[told["scan_column"]]
        has = scans.notna().to_numpy()
        name = "volume" if "volume" in kinds else "features"
        values = np.full((len(X), *kinds[name]["shape"][1:]), 7.0, dtype=np.float32)
        if name == "volume" and has.any():
            values[has] = clf.volume_.transform(scans.to_numpy()[has])
        elif has.any():
            values[has] = clf.encoder_.transform(scans[has]).reshape(values[has].shape)
        given |= {name: values, "scan_missing": ~has}
    if "clinical" in kinds:
        columns = []
        for column in told["columns"]:
            cells = X[column["name"]]
            if column["kind"] == "categorical":
                codes = {text: code for code, text in enumerate(column["categories"])}
                cells = cells.map(lambda text, codes=codes: codes.get(text))
            columns.append(cells.astype(float))
        values = np.column_stack(columns)
        given |= {"clinical": np.nan_to_num(values), "clinical_missing": np.isnan(values)}
    return given
