"""The model card of a saved model: what is known of it, and what its author has to state."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

_STATE = "_The author of the model has to state this._"


def model_card(
    estimator: Any, about: Mapping[str, Any], metrics: Mapping[str, float] | None
) -> bytes:
    """Write the card, in Markdown with a head in YAML as the hub reads it.

    It holds nothing of single patients: no value of a column, not even the smallest and largest.

    Parameters
    ----------
    estimator : estimator
        What was saved.
    about : mapping
        What the manifest tells of it.
    metrics : mapping of str to float or None
        Figures that the author gives.
    """
    kind, trained = type(estimator).__name__, about["trained"]
    task = "feature-extraction"
    if "classes" in trained or "loss" in trained:
        task = f"tabular-{'classification' if 'classes' in trained else 'regression'}"
    sections = [
        f"---\nlibrary_name: skedema\npipeline_tag: {task}\ntags:\n- skedema\n- head-ct\n"
        f"- medical-imaging\n---\n\n# {kind}",
        _purpose(trained),
        f"## Use\n\n```python\nfrom skedema import {kind}\n\n"
        f'model = {kind}.from_pretrained("this folder")\n```\n\n'
        f"Written by skedema {about['skedema']}. It holds no code and no pickle.",
        f"## What it takes\n\n{_inputs(trained)}",
        f"## Training\n\n{_training(about)}\n\nPatients, sites, dates, labels: {_STATE}",
        f"## Metrics\n\n{_metrics(metrics)}",
        *_origins(about.get("weights_of", ())),
        f"## Ethics, licence, contact\n\n{_STATE}",
    ]
    return ("\n\n".join(sections) + "\n").encode("utf-8", "replace")


def _purpose(trained: Mapping[str, Any]) -> str:
    does = "It gives numbers that describe head CT scans, for other models to learn from."
    if "classes" in trained:
        classes = ", ".join(_cell(each) for each in trained["classes"])
        does = f"It gives probabilities of these classes: {classes}."
    if "loss" in trained:
        does = f"It predicts a number, and learned to by the loss {_cell(trained['loss'])}."
    return (
        f"## Intended use\n\n{does} It is for research.\n\n"
        "**It is no medical device** and not made for decisions about patients. Of patients unlike "
        "those it was trained on, other scanners and other hospitals, it may be wrong with great "
        "confidence."
    )


def _inputs(trained: Mapping[str, Any]) -> str:
    found = []
    columns = trained.get("columns", ())
    if columns:
        rows = ["| column | kind |", "| --- | --- |"]
        for column in columns:
            kind = column.get("kind", "")
            if "categories" in column:
                kind = f"{kind}, {len(column['categories'])} categories"
            rows.append(f"| {_cell(column['name'])} | {kind} |")
        found.append("\n".join(rows))
    reader = trained.get("preprocessing")
    if reader:
        set_ = {name: value for name, value in reader.items() if name in _READING}
        rows = [f"- {name}: {_cell(value)}" for name, value in set_.items()]
        found.append("Scans are read in HU, by a VolumeReader:\n\n" + "\n".join(rows))
    return "\n\n".join(found) or _STATE


#: What of a reader decides the volumes.
_READING = (
    "spacing",
    "shape",
    "windows",
    "head_margin",
    "skull_strip",
    "align",
    "template",
    "brain_hu",
    "axes",
    "first_spacing",
    "crop",
    "window_first",
    "interpolation",
)


def _training(about: Mapping[str, Any]) -> str:
    trained, packages = about["trained"], about["packages"]
    named = {
        "n_patients": "patients",
        "n_scans": "scans",
        "epochs": "epochs",
        "encoder": "encoder",
    }
    scans = any(column.get("kind") == "scan" for column in trained.get("columns", ()))
    if not scans:
        named.pop("encoder")
    rows = [f"- {word}: {_cell(trained[key])}" for key, word in named.items() if key in trained]
    rows.append(f"- weights: {about['n_weights']:,} numbers")
    rows += [f"- {name} {packages[name]}" for name in ("torch", "scikit-learn") if packages[name]]
    return "\n".join(rows)


def _origins(origins: Sequence[Mapping[str, str]]) -> list[str]:
    """Name weights of others, whose licences bind whoever passes the model on."""
    if not origins:
        return []
    rows = [
        f"- {_cell(each['title'])}, {_cell(each['source'])}. Licence: {_cell(each['licence'])}. "
        f"Cite: {_cell(each['citation'])}. SHA-256 of the file: {_cell(each['sha256'])}"
        for each in origins
    ]
    return ["## Weights of others\n\nThis model began with these:\n\n" + "\n".join(rows)]


def _metrics(metrics: Mapping[str, float] | None) -> str:
    if not metrics:
        return _STATE
    rows = ["| metric | value |", "| --- | --- |"]
    for name, value in metrics.items():
        if not isinstance(value, Real) or not math.isfinite(value):
            raise ValueError(f"metrics: {name!r} is {value!r}; give a finite number")
        rows.append(f"| {_cell(name)} | {float(value):.6g} |")
    return "\n".join(rows) + "\n\nAs its author gives them."


def _cell(value: Any) -> str:
    """Write a text that cannot break out of a cell of a table, nor be HTML."""
    text = " ".join(str(value).split())
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", text)
