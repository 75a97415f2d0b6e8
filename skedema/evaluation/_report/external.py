"""Patients of another hospital."""

from __future__ import annotations

from skedema._pages import Section
from skedema.evaluation._report.material import Material, Unavailable
from skedema.evaluation._report.performance import performance_pieces


def external(material: Material) -> Section:
    """Give the same figures and curves of patients whom no fold had."""
    other = material.result.external
    if material.is_external:
        raise Unavailable("All of this page is of patients of another hospital.")
    if other is None:
        raise Unavailable(
            "There are no patients of another hospital: evaluate(..., test=(X_new, y_new)) adds "
            "them. Figures of one hospital tell little of the next."
        )
    n = len(set(other.groups.tolist()))
    return Section(
        "External validation",
        [
            f"{n} patients who were no part of the cross-validation.",
            *performance_pieces(material.of(other)),
        ],
    )
