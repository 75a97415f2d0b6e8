"""An explanation as a page."""

from __future__ import annotations

from typing import Any

import pandas as pd

from skedema._pages import Facts, Notice, Page, Section, picture_of, table_of
from skedema.inspection import _in_words as words
from skedema.inspection._saliency import SaliencyDisplay


def patient_page(found: Any, *, patient: str | None, pictures: bool) -> Page:
    """Make the page; without `pictures` it needs no matplotlib."""
    sections = [
        Section("What moved it", _moved(found, pictures)),
        Section("What would change it", _flips(found)),
        Section("What is missing", _missing(found)),
    ]
    if found.scan is not None:
        sections.append(Section("Where in the scan", _scan(found, pictures)))
    if found.neighbours is not None:
        sections.append(Section("Nearest patients", _neighbours(found)))
    return Page(
        "patient.html",
        title="One patient explained" if patient is None else f"{patient}, explained",
        lead=_lead(found),
        sections=sections,
        version=_version(),
        model=found.model,
    )


def _lead(found: Any) -> list[Any]:
    facts = [(f"Probability of {name}", f"{p:.2f}") for name, p in found.probability.items()]
    if found.interval is not None:
        row = found.interval.loc[found.target]
        facts += [
            (f"95 % interval, {found.target}", words.between(row["low"], row["high"], "to")),
            (f"Venn-Abers, {found.target}", words.between(row["p0"], row["p1"], "and")),
        ]
    return [
        Notice(
            "This is what a statistical model says and why it says so. It is no medical device, "
            "and nothing here tells what caused an illness or what would help.",
            "Research only",
        ),
        Facts(facts),
        *found.remarks,
    ]


def _moved(found: Any, pictures: bool) -> list[Any]:
    table = found.frame()
    shown = table.assign(value=_cells(table["value"]))
    if not (table["std_error"] > 0).any():
        shown = shown.drop(columns="std_error")
    start = (
        f"A patient of whom nothing is known would have a probability of {found.nothing_known:.2f};"
        f" what is known moves it to {found.of_target:.2f}, and these are the parts of each value."
    )
    pieces: list[Any] = [start]
    if pictures:
        pieces.append(_drawn(found.plot(), "Contributions: " + _bars(table)))
    names = {"log_odds": "log-odds", "std_error": "standard error"}
    pieces.append(table_of(shown.rename(columns=names), "Contributions", digits=2))
    return pieces


def _bars(table: pd.DataFrame) -> str:
    return "; ".join(f"{name} {value:+.2f}" for name, value in table["log_odds"].items())


def _drawn(display: Any, alt: str) -> Any:
    import matplotlib.pyplot as plt

    picture = picture_of(display.figure_, alt)
    plt.close(display.figure_)
    return picture


def _flips(found: Any) -> list[Any]:
    if not len(found.flips):
        return [words.NO_FLIP]
    table = found.flips
    shown = table.assign(value=_cells(table["value"]), to=_cells(table["to"]))
    caption = "One variable at a time, all others as they are"
    return [table_of(shown, caption, digits=2, index=False)]


def _missing(found: Any) -> list[Any]:
    if not len(found.missing):
        return ["Nothing is missing."]
    return [
        table_of(
            found.missing.rename(columns={"n_values": "values tried"}),
            f"Probability of {found.target} over the values that a missing variable takes",
            digits=2,
            note="From the 5 % to the 95 % quantile.",
        )
    ]


def _scan(found: Any, pictures: bool) -> list[Any]:
    places = found.scan.most_relevant()[["relevance", "x", "y", "z", "side", "size"]]
    places = places.assign(relevance=[f"{each:+.2g}" for each in places["relevance"]])
    note = (
        f"Relevance: {found.scan.unit}. Places in RAS, and sizes in ml, of a scan with a geometry."
    )
    pieces: list[Any] = [
        table_of(places, "Places that count most", digits=0, index=False, note=note)
    ]
    if pictures:
        drawn = SaliencyDisplay.from_relevance(found.scan).plot()
        alt = f"Relevance for {found.target} over the scan, in three planes."
        pieces.insert(0, _drawn(drawn, alt))
    return pieces


def _neighbours(found: Any) -> list[Any]:
    note = (
        "Rows of the reference, from 0 on. A distance of 1 is the median of two of its patients, "
        "by what the network's last layer is given."
    )
    assert found.neighbours is not None
    return [table_of(found.neighbours, "Nearest first", digits=2, index=False, note=note)]


def _cells(values: pd.Series) -> list[str]:
    return ["missing" if value is None else words.number(value) for value in values]


def _version() -> str:
    import skedema

    return skedema.__version__
