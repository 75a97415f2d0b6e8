"""What an engineer has to know to feed an exported graph, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import skedema
from skedema.clinical import ClinicalTokenizer
from skedema.persistence._manifest import plain
from skedema.scans import VolumeReader

#: Under which the description stands in the file's ``metadata_props``.
KEY = "skedema"

_MEANING = {
    "volume": "scans as the reader gives them; a row without a scan may hold any number",
    "features": "features of scans as the encoder gives them; any number where there is no scan",
    "scan_missing": "true where a patient has no scan",
    "clinical_missing": "true where a patient has no such value",
    "probabilities": "one column a class, in the order of classes; or a label, in that of labels",
    "numbers": "what is predicted, in the unit of the target; of quantiles a column each",
}
_RAW = (
    "numbers as they are measured, and of a categorical column the position of the category in "
    "its list, one column each in the order of columns; NaN is missing as well, and so is a "
    "position that is in no list"
)
_TRANSFORMED = "what the metadata transformer named in columns_from gives; NaN is missing as well"


def describe(
    estimator: Any,
    part: str,
    inputs: Mapping[str, tuple[str, tuple[int, ...]]],
    output: tuple[str, tuple[int, ...]],
    reader: VolumeReader | None,
) -> dict[str, Any]:
    """Describe an exported graph.

    Parameters
    ----------
    estimator : estimator
        What was exported.
    part : str
        Which part of it.
    inputs : mapping of str to (str, tuple of int)
        By name, in order, the dtype and the shape of one patient.
    output : (str, tuple of int)
        Name, and the shape of one patient.
    reader : VolumeReader or None
        How scans are read.
    """
    name, shape = output
    told: dict[str, Any] = {
        "format": 1,
        "skedema": skedema.__version__,
        "estimator": type(estimator).__name__,
        "part": part,
        "inputs": [
            {"name": key, "dtype": dtype, "shape": ["n", *of_one], "holds": _MEANING.get(key, _RAW)}
            for key, (dtype, of_one) in inputs.items()
        ],
        "outputs": [
            {
                "name": name,
                "dtype": "float32",
                "shape": ["n", *shape],
                "holds": _MEANING.get(name, "the features of a scan"),
            }
        ],
    }
    if name == "probabilities":
        names = getattr(estimator, "label_names_", None)
        told |= (
            {"classes": estimator.classes_.tolist()}
            if names is None
            else {"labels": plain([*names])}
        )
    if name == "numbers" and estimator._kind.quantiles:
        told["quantiles"] = list(estimator._kind.quantiles)
    if "clinical" in inputs:
        told |= _columns(estimator, next(i for i in told["inputs"] if i["name"] == "clinical"))
    if "scan_missing" in inputs:
        scans = plain(estimator._columns.scan_names)
        told["scan_column"] = scans if len(scans) > 1 else scans[0]
    if reader is not None and ("volume" in inputs or "features" in inputs):
        told["reader"] = _reader(reader)
    return told


def _columns(estimator: Any, clinical: dict[str, Any]) -> dict[str, Any]:
    names, tokenizer = estimator._clinical.variables, estimator.metadata_
    if type(tokenizer) is not ClinicalTokenizer:
        clinical["holds"] = _TRANSFORMED
        counts = estimator._clinical.n_categories
        columns = [
            {"name": name, "n_categories": count} for name, count in zip(names, counts, strict=True)
        ]
        return {"columns": columns, "columns_from": type(tokenizer).__name__}
    columns = []
    for k, (name, kind) in enumerate(zip(names, tokenizer.kinds_, strict=True)):
        column: dict[str, Any] = {"name": name, "kind": kind}
        if kind == "categorical":
            column["categories"] = tokenizer.categories_[k]
        elif kind == "numeric":
            # Not the smallest and largest values, which are those of single patients.
            column |= {"median": float(tokenizer.center_[k]), "factor": float(tokenizer.scale_[k])}
        columns.append(column)
    return {"columns": columns}


def _reader(reader: VolumeReader) -> dict[str, Any]:
    settings = reader.settings()
    return {
        "class": type(reader).__name__,
        "summary": reader.summary(),
        "channels": "HU from lowest to highest become 0 to 1, clipped; without windows HU as is",
        **settings._asdict(),
        "axes": f"RAS: right, anterior, superior of the {settings.axes}",
    }
