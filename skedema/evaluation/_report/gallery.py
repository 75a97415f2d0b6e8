"""The most confident mistakes, and where the model looked."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from skedema._pages import Case, Facts, Notice, Section, Show, Viewer, packed_relevance, packed_scan
from skedema.evaluation._predictions import predictions_of
from skedema.evaluation._report.cost import tell_of_gallery
from skedema.evaluation._report.drawn import drawn
from skedema.evaluation._report.faces import without_face
from skedema.evaluation._report.material import Material, Unavailable
from skedema.scans import ScanError


@dataclass(frozen=True)
class Mistake:
    """A row that a model got wrong, with what it said."""

    row: int
    repeat: int
    fold: int
    label: Any
    predicted: Any
    probability: float


def gallery(material: Material) -> Section:
    """Show the patients of whom the model was surest, and wrong, without having seen them."""
    material.need_classes("The attribute predictions of the evaluation has all rows.")
    if material.n_cases < 1:
        raise Unavailable("n_cases=0 leaves it out.")
    found = mistakes(material)
    if not found:
        return Section("Error gallery", [f"{material.model} made no mistake {material.unseen}."])
    pieces: list[Any] = [
        f"The patients of whom {material.model} was surest, and wrong, each looked at by a model "
        "that had not seen them. Is the label right? Is there something in the scan that explains "
        "it? Relevance says on which places the probability of the wrong answer hangs, not why: "
        "red and yellow speak for it, blue against it."
    ]
    reason = _why_no_scans(material)
    if reason:
        pieces.append(reason)
    cases: list[Case] = []
    parts = []
    for number, mistake in enumerate(found, 1):
        name = f"Patient {number}"
        if material.identifiers and material.result.index is not None:
            name = f"{name}: {material.result.index[mistake.row]}"
        part = Section(name, [Facts(_facts(material, mistake))])
        if not reason:
            start = time.perf_counter()
            part.pieces += _looked_at(material, mistake, name, cases)
            if number == 1:
                tell_of_gallery(time.perf_counter() - start, len(found) - 1)
        parts.append(part)
    if cases:
        pieces.append(Viewer(cases, "Scans of the gallery"))
    return Section("Error gallery", pieces + parts)


def mistakes(material: Material) -> list[Mistake]:
    """List the most confident mistakes, one a patient."""
    result = material.result
    table = result.predictions
    table = table[table["estimator"] == material.model].reset_index(drop=True)
    read = predictions_of(table, result.classes)
    sure = read.probability[np.arange(len(table)), read.predicted]
    found: list[Mistake] = []
    seen = set()
    for k in np.argsort(-sure, kind="stable"):
        row = int(read.rows[k])
        patient = result.groups[row]
        if read.predicted[k] == read.label[k] or patient in seen:
            continue
        seen.add(patient)
        at = table.loc[k]
        found.append(
            Mistake(row, at["repeat"], at["fold"], at["label"], at["predicted"], float(sure[k]))
        )
    return found[: material.n_cases]


def _facts(material: Material, mistake: Mistake) -> list[tuple[str, str]]:
    facts = [
        ("Label", str(mistake.label)),
        ("Predicted", f"{mistake.predicted}, with a probability of {mistake.probability:.2f}"),
    ]
    for position in material.shown if material.result.X is not None else []:
        column = material.table.columns[position]
        value = column.values[mistake.row]
        gone = column.missing()[mistake.row]
        text = (
            "missing"
            if gone
            else np.format_float_positional(round(value, 2), trim="-")
            if column.is_numeric
            else material.category(position, value)
        )
        facts.append((material.column_name(position), text))
    return facts


def _why_no_scans(material: Material) -> str:
    """Say why there are no scans in the gallery; empty where there are."""
    try:
        if not material.scan_positions:
            return "The table has no scans."
        estimator = material.fold_models[0].estimator
    except Unavailable as reason:
        return f"Scans are not shown: {reason}"
    if getattr(estimator, "volume_", None) is None:
        return (
            f"Scans are not shown: {material.model} is no AttentionMixerClassifier that reads "
            "scans. report(model=...) looks into another one."
        )
    return ""


def _looked_at(material: Material, mistake: Mistake, name: str, cases: list[Case]) -> list[Any]:
    """Give the planes of each scan with its relevance, and add it to the viewer's cases."""
    row = material.row(mistake.row)
    (model,) = (
        each
        for each in material.fold_models
        if (each.repeat, each.fold) == (mistake.repeat, mistake.fold)
    )
    names = model.estimator._columns.scan_names
    if len(names) == 1:
        return _one_looked_at(material, model.estimator, row, name, cases, mistake.predicted)
    pieces: list[Any] = []
    for image in names:
        asked = (f"{name}, {image}", cases, mistake.predicted, image)
        pieces += [f"{image}:", *_one_looked_at(material, model.estimator, row, *asked)]
    return pieces


def _one_looked_at(
    material: Material,
    estimator: Any,
    row: Any,
    name: str,
    cases: list[Case],
    target: Any,
    image: Any = None,
) -> list[Any]:
    from skedema.inspection import SaliencyDisplay, explain_scan

    try:
        found = explain_scan(estimator, row, image=image, target=target)
        if not material.identifiers:
            bare = without_face(found.hu, found.affine)
            found = dataclasses.replace(found, hu=bare, name="the scan")
    except (ScanError, ValueError) as error:
        return [Notice(f"The scan cannot be shown ({type(error).__name__}).")]
    grid = np.eye(4) if found.affine is None else found.affine
    places = found.most_relevant(1)[["x", "y", "z"]].to_numpy().tolist()
    scan, relevance = packed_scan(found.hu, grid), packed_relevance(found.relevance, grid)
    cases.append(Case(name, scan, relevance, places[0] if places else None))
    return [drawn(SaliencyDisplay(found), form="png"), Show(len(cases) - 1)]
