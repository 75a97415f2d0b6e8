"""What the model attended to."""

from __future__ import annotations

from skedema._pages import Section, table_of
from skedema.evaluation._report.drawn import drawn
from skedema.evaluation._report.material import Material, Unavailable


def attention(material: Material) -> Section:
    """Mean attention by variable, of patients whom each fold's model did not see."""
    material.need_classes("The method attention(X) of a fitted model tells it of each patient.")
    models = material.fold_models
    if not hasattr(models[0].estimator, "attention"):
        raise Unavailable(
            f"{material.model} is a {type(models[0].estimator).__name__}, which has no attention "
            "to read; AttentionMixerClassifier with a scan has."
        )
    try:
        display = material.result.inspection.attention(material.model)
    except (AttributeError, ValueError) as error:
        raise Unavailable(
            f"{material.model} gives no attention: its fusion, or a model without scan, has none."
        ) from error
    display.table["variable"] = display.table["variable"].map(material.alias)
    table = display.frame()
    table["class"] = table["class"].fillna("all")
    return Section(
        "Attention",
        [
            f"Which variables the scan's features asked, {material.unseen}. It is what the model "
            "looked at, not why it decided: read it beside the importance.",
            drawn(display),
            table_of(table, "Attention: mean and quartiles over patients", index=False),
        ],
    )
