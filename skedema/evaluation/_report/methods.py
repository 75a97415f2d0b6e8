"""How it was done: patients, folds, models with every parameter, figures, versions."""

from __future__ import annotations

import inspect
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from typing import Any

import pandas as pd

from skedema import __version__
from skedema._pages import Facts, Section, table_of
from skedema.evaluation._report.material import NO_MODELS, Material
from skedema.evaluation._report.summary import folds_in_words
from skedema.evaluation.displays._words import metric_words
from skedema.frames import listing

_PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "torch", "skorch", "nibabel")


def methods(material: Material) -> Section:
    """Say how it was done, as a methods paragraph and tables of parameters and versions."""
    result = material.result
    pieces: list[Any] = [_paragraph(material), _figures(material)]
    for name in result.names:
        fitted = result.estimators.get(name)
        if not fitted:
            pieces.append(f"{name}: {NO_MODELS}")
        else:
            pieces.append(Section(f"Parameters of {name}", _parameters(fitted[0], material), True))
    pieces.append(Section("Versions", [Facts(_versions(result.estimators.values()))]))
    return Section("Methods", pieces)


def _paragraph(material: Material) -> str:
    result = material.result
    folds = result.folds[result.folds["estimator"] == material.model]
    text = (
        "Models fitted before were asked for the patients of this table, whom none had seen."
        if material.is_external
        else f"{listing(result.names).capitalize()} were compared by cross-validation on the same "
        "folds ("
        f"{folds_in_words(result, material.model)}; {_range(folds['n_train'])} rows to train "
        f"and {_range(folds['n_test'])} to test on). Each fold's model was fitted on the training "
        "part alone, with all its scaling, selection, early stopping and tuning, and asked for "
        "the test part. No fold splits a patient."
    )
    seed = "the bootstrap" if material.is_external else "folds and of the bootstrap"
    return f"{text} The seed of {seed} was {result.random_state}."


def _figures(material: Material) -> str:
    result = material.result
    names = ", ".join(map(metric_words, result.metric_names))
    if result.of_numbers:
        return _of_numbers(material, names)
    return (
        f"Figures are {names}, of all predictions {material.unseen} together"
        f"{'' if material.is_external else ', of several repeats the mean'}. Classes are what each "
        "model's own predict says. "
        f"Sensitivity is also given at a specificity of {result.specificity:g}, net benefit at a "
        f"threshold of {result.threshold:g}. Intervals of 95 % are over patients, with all their "
        "rows: Wilson's of proportions, Newcombe's (2006, method 5) of the AUC, Zou and Donner's "
        "of the balanced accuracy, and percentiles of a bootstrap of "
        f"{material.n_resamples} resamples of all others. Differences between models are paired: "
        "a bootstrap with the same patients for both, and DeLong's test"
        + (
            "."
            if material.is_external
            else "; and the resampled t test over folds with the correction of Nadeau and Bengio."
        )
    )


def _of_numbers(material: Material, names: str) -> str:
    folds = (
        ""
        if material.is_external
        else " and the resampled t test over folds with the correction of Nadeau and Bengio"
    )
    return (
        f"Figures are {names}, of all predictions {material.unseen} together"
        f"{'' if material.is_external else ', of several repeats the mean'}. Intervals of 95 % are "
        "over patients, with all their rows: Wilson's of the coverage, and percentiles of a "
        f"bootstrap of {material.n_resamples} resamples of all others. Differences between models "
        f"are paired: a bootstrap with the same patients for both{folds}. Limits of agreement are "
        "those of Bland and Altman (1999)."
    )


def _range(numbers: pd.Series) -> str:
    low, high = int(numbers.min()), int(numbers.max())
    return str(low) if low == high else f"{low} to {high}"


_PLACES = {"checkpoint_dir", "memory", "storage", "weights"}


def _parameters(estimator: Any, material: Material) -> list[Any]:
    everything = estimator.get_params(deep=True)
    rows = []
    for name, value in sorted(everything.items()):
        owner, _, own_name = name.rpartition("__")
        default = _default(everything[owner] if owner else estimator, own_name)
        how = "default" if _same(value, default) else "set"
        text = written(value, material)
        if own_name in _PLACES and value is not None and not material.identifiers:
            text = "a path"
        rows.append({"parameter": name, "value": text, "how": how})
    kind = f"Class {type(estimator).__module__.split('.')[0]}.{type(estimator).__name__}."
    if not rows:
        return [kind + " It has no parameters."]
    caption = f"All parameters of {type(estimator).__name__}"
    return [kind, table_of(pd.DataFrame(rows), caption, index=False)]


def _default(estimator: Any, name: str) -> Any:
    known = inspect.signature(type(estimator).__init__).parameters.get(name)
    return inspect.Parameter.empty if known is None else known.default


def _same(value: Any, default: Any) -> bool:
    return value is default or (type(value) is type(default) and repr(value) == repr(default))


def written(value: Any, material: Material) -> str:
    """Write a parameter, without what tells of patients or of somebody's folders."""
    text = " ".join(repr(value).split())
    if material.identifiers:
        return text
    if isinstance(value, PathLike) or (isinstance(value, str) and ("/" in text or "\\" in text)):
        return "a path"
    quoted = (f"{quote}{name}{quote}" for name in material.hidden_names for quote in "'\"")
    if "/" in text or "\\\\" in text or any(each in text for each in quoted):
        return f"{type(value).__name__}, not shown: it names a path or a column that is left out"
    return text


def _versions(fitted: Iterable[list[Any]]) -> list[tuple[str, str]]:
    modules = {type(each).__module__.split(".")[0] for models in fitted for each in models[:1]}
    found = [("Python", platform.python_version()), ("skedema", __version__)]
    for name in [*_PACKAGES, *sorted(modules - {"sklearn", "skedema", *_PACKAGES})]:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:  # a script's own class, or a module named otherwise
            continue
    return found
