"""The sections of a report, in order, put together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from datetime import date

import numpy as np

from skedema._folds import told_together
from skedema._pages import Facts, Notice, Page, Section
from skedema._registry import nearest_name
from skedema._told import tell
from skedema.evaluation._report.attention import attention
from skedema.evaluation._report.cohort import cohort
from skedema.evaluation._report.comparison import comparison
from skedema.evaluation._report.cost import tell_of_importance
from skedema.evaluation._report.external import external
from skedema.evaluation._report.gallery import gallery
from skedema.evaluation._report.importance import importance
from skedema.evaluation._report.material import (
    Material,
    Unavailable,
)
from skedema.evaluation._report.methods import methods
from skedema.evaluation._report.missingness import missingness
from skedema.evaluation._report.model_card import model_card
from skedema.evaluation._report.performance import performance
from skedema.evaluation._report.scans import scans
from skedema.evaluation._report.subgroups import subgroups
from skedema.evaluation._report.summary import summary
from skedema.evaluation._report.tripod import tripod
from skedema.frames import listing
from skedema.frames.parts import part_of

#: By the names that a user gives, in the order of the page: the heading, and what makes it.
SECTIONS: dict[str, tuple[str, Callable[[Material], Section]]] = {
    "summary": ("Summary", summary),
    "cohort": ("Cohort", cohort),
    "performance": ("Performance", performance),
    "comparison": ("Comparison", comparison),
    "subgroups": ("Subgroups", subgroups),
    "external": ("External validation", external),
    "importance": ("Importance", importance),
    "attention": ("Attention", attention),
    "missingness": ("Missing values", missingness),
    "gallery": ("Error gallery", gallery),
    "scans": ("Scan quality", scans),
    "methods": ("Methods", methods),
    "model_card": ("Model card", model_card),
}
NAMES = (*SECTIONS, "tripod")


def make_report(
    material: Material,
    path: str | os.PathLike[str] | None,
    *,
    sections: Iterable[str] | None,
    title: str | None,
) -> Page:
    """Make the page, and write it where there is a path."""
    chosen = _chosen(sections)
    made: dict[str, Section] = {}
    missed: list[tuple[str, str]] = []
    if "importance" in chosen:
        tell_of_importance(material)
    everyone = np.arange(len(material.result.groups))
    X = material.result.X
    with told_together(), nullcontext() if X is None else part_of(X, everyone):
        for name, (heading, make) in SECTIONS.items():
            if name in chosen:
                found = _made(heading, make, material)
                if isinstance(found, Section):
                    made[name] = found
                else:
                    missed.append(found)
    if "tripod" in chosen:
        made["tripod"] = tripod({name: section.title for name, section in made.items()})
    if missed:
        made["missed"] = Section("Not on this page", [Facts(missed)])
    page = Page(
        "sections.html",
        title=title or f"Evaluation of {listing(material.result.names)}",
        lead=[f"Made on {date.today().isoformat()}.", *_warning(material.identifiers)],
        sections=list(made.values()),
    )
    if path is not None:
        page.save_as_html(path)
    return page


def _chosen(sections: Iterable[str] | None) -> set[str]:
    if sections is None:
        return set(NAMES)
    names = [sections] if isinstance(sections, str) else list(sections)
    for name in names:
        if name not in NAMES:
            raise ValueError(f"There is no section {name!r}. {nearest_name(name, NAMES)}")
    return set(names)


def _made(
    heading: str, make: Callable[[Material], Section], material: Material
) -> Section | tuple[str, str]:
    """Make a section, or say why not: one that fails takes no other with it."""
    try:
        return make(material)
    except Unavailable as reason:
        return heading, str(reason)
    except Exception as error:
        # What it says may name files and patients, so it is not for the page.
        tell(f"The report has no section {heading!r}: {type(error).__name__}: {error}")
        return heading, f"It could not be made ({type(error).__name__}); a warning said why."


def _warning(identifiers: bool) -> list[Notice]:
    if not identifiers:
        return []
    return [Notice("This page names patients: it is not to be passed on.", "Confidential")]
