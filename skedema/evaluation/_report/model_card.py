"""What the model is for, and what it is not for."""

from __future__ import annotations

from typing import Any

from skedema._pages import Facts, Notice, Section
from skedema.evaluation._report.material import Material
from skedema.evaluation._report.tripod import STATE
from skedema.frames import counted

_FEW = 100  # events; Collins, Ogundimu and Altman (2016), Stat Med 35, 214-226


def model_card(material: Material) -> Section:
    """Say what is known of the model, and leave to the authors what only they can say."""
    result = material.result
    fitted = result.estimators.get(material.model)
    kind = type(fitted[0]).__name__ if fitted else STATE
    gives = "A probability of " + ", ".join(repr(each) for each in result.classes)
    if len(result.classes) == 2:
        gives = f"A probability of {result.classes[1]!r} against {result.classes[0]!r}"
    if result.of_numbers:
        gives = "A number" + (", and quantiles of it" if result.quantiles else "")
    n_scans = len(material.scan_positions)
    inputs = f"{len(material.shown)} clinical columns" + (
        f" and {counted(n_scans, 'scan', 'scans')}" if n_scans else ""
    )
    facts = [
        ("Model", f"{material.model} ({kind})"),
        ("Gives out", gives),
        ("Takes in", inputs),
        ("Intended use", f"Research. Anything beyond: {STATE.lower()}"),
        ("Intended users", STATE),
        ("Patients it is for", STATE),
        ("Where the training data come from", STATE),
        ("Contact, licence, citation", STATE),
    ]
    pieces: list[Any] = [
        Notice(
            "This is the result of research software. It is no medical device, it was not made "
            "for decisions about patients, and no figure on this page shows that it is safe or of "
            "use to them.",
            "Not a medical device",
        ),
        Facts(facts),
        Section("Limits that can be read off the data", _limits(material)),
    ]
    return Section("Model card", pieces)


def _limits(material: Material) -> list[Any]:
    result, labels = material.result, material.labels
    found = []
    counts = {label: int((labels == label).sum()) for label in result.classes}
    rarest = min(counts, key=lambda label: counts[label], default=None)
    if counts and (n := counts[rarest]) < _FEW:
        found.append(
            f"Only {n} rows are of the class {rarest!r}. Below about 100 of each, figures of "
            "validation are imprecise and calibration can hardly be judged (Collins, Ogundimu and "
            "Altman 2016, Statistics in Medicine 35, 214-226)."
        )
    if result.external is None and not material.is_external:
        found.append(
            "All patients are of the data that models were trained on, in other folds. How the "
            "model does at another hospital is not known."
        )
    if result.leaks:
        found.append("Some columns may tell the answer: see the summary.")
    if result.covariates.empty:
        found.append("No subgroups were looked at.")
    found.append("Attention and relevance say what a model looked at, never why it decided.")
    return found
