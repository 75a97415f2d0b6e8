"""What a model file tells of itself: versions, what was trained on, what it takes."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from skedema._training.columns import Columns
from skedema.clinical import ClinicalTokenizer
from skedema.persistence._apart import Params, Tensors

#: Of what stands in the members. A file of a later format is refused by its number.
FORMAT = 1

_PACKAGES = ("numpy", "pandas", "safetensors", "scikit-learn", "skorch", "torch")
_OF_MACHINES = {"remote", "n_jobs", "verbose"}  # parameters that change no volume
_SHOWN = 10_000  # characters of a text


def manifest_of(estimator: Any, params: Params, tensors: Tensors) -> dict[str, Any]:
    """Tell of an estimator that was taken apart."""
    import skedema

    held = {name for name, _ in params["objects"]}
    return {
        "format": FORMAT,
        "skedema": skedema.__version__,
        "packages": {name: _version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "estimator": type(estimator).__name__,
        "parts": sorted(held),
        "n_weights": sum(tensor.numel() for tensor in tensors.values()),
        "weights_of": _origins(params),
        "trained": summary(estimator),
    }


def _origins(params: Params) -> list[dict[str, Any]]:
    """Tell where weights come from that others have trained, and under which licences."""
    held = [fields["origin"]["dict"] for _, fields in params["objects"] if "origin" in fields]
    return [dict(each) for k, each in enumerate(held) if each not in held[:k]]


def summary(estimator: Any) -> dict[str, Any]:
    """Sum up what a fitted estimator was trained on; empty for one that does not tell."""
    return _of_target(estimator) | _of_columns(estimator) | _of_training(estimator)


def _of_target(estimator: Any) -> dict[str, Any]:
    names = getattr(estimator, "label_names_", None)
    if names is not None:
        return {"labels": [plain(each) for each in names]}
    classes = getattr(estimator, "classes_", None)
    if classes is not None:
        return {"classes": [plain(each) for each in np.asarray(classes)]}
    loss = getattr(getattr(estimator, "_kind", None), "name", None)
    return {} if loss is None else {"loss": loss}


def _of_columns(estimator: Any) -> dict[str, Any]:
    names = getattr(estimator, "feature_names_in_", None)
    n = getattr(estimator, "n_features_in_", None)
    if n is None:
        return {}
    labels = list(range(int(n))) if names is None else [plain(name) for name in names]
    columns: list[dict[str, Any]] = [{"name": label} for label in labels]
    held, tokenizer = getattr(estimator, "_columns", None), estimator
    clinical = list(range(len(columns)))
    if isinstance(held, Columns):
        tokenizer, clinical = getattr(estimator, "metadata_", None), held.clinical
        for position in held.images:
            columns[position]["kind"] = "scan"
    if isinstance(tokenizer, ClinicalTokenizer):
        for place, column in enumerate(clinical):
            columns[column] |= _of_variable(tokenizer, place)
    return {"columns": columns}


def _of_variable(tokenizer: Any, place: int) -> dict[str, Any]:
    kind, categories = tokenizer.kinds_[place], tokenizer.categories_[place]
    found: dict[str, Any] = {"kind": kind}
    if categories is not None:
        found["categories"] = [plain(each) for each in categories]
    if kind == "numeric":
        found["low"], found["high"] = (
            float(bounds[place]) for bounds in (tokenizer.low_, tokenizer.high_)
        )
    return found


def _of_training(estimator: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, attribute in (("n_patients", "_n_patients"), ("n_scans", "_n_scans")):
        if hasattr(estimator, attribute):
            found[name] = int(getattr(estimator, attribute))
    if hasattr(estimator, "n_iter_") and np.ndim(estimator.n_iter_) == 0:
        found["epochs"] = int(estimator.n_iter_)
    reader = getattr(estimator, "volume_", None)
    if reader is not None:
        given = reader.get_params(deep=False)
        found["preprocessing"] = {
            name: plain(value) for name, value in given.items() if name not in _OF_MACHINES
        }
    if "encoder" in getattr(estimator, "get_params", dict)():
        found["encoder"] = _called(estimator.encoder)
    return found


def _called(encoder: Any) -> Any:
    """Name an encoder, without its parameters, which may be places on a machine."""
    if isinstance(encoder, (list, tuple)):
        return [_called(each) for each in encoder]
    return encoder if encoder is None or isinstance(encoder, str) else type(encoder).__name__


def plain(value: Any) -> Any:
    """Give what JSON has, of a name or a parameter."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else repr(value)
    return value if value is None or isinstance(value, (bool, int, str)) else _text(value)


def _text(value: Any) -> str:
    return str(value)[:_SHOWN]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
