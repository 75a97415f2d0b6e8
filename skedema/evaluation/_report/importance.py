"""What the model cannot do without."""

from __future__ import annotations

from skedema._pages import Section, table_of
from skedema.evaluation._report.drawn import drawn
from skedema.evaluation._report.material import Material
from skedema.inspection import ImportanceDisplay

REPEATS = 5


def importance(material: Material) -> Section:
    """How much worse each fold's model is when a variable is shuffled among its unseen patients."""
    _ = material.fold_models  # or it is said why there are none
    found = material.result.inspection.permutation_importance(
        material.model, n_repeats=REPEATS, random_state=material.result.random_state
    )
    table = found.frame()
    table["variables"] = [
        " + ".join(material.alias(str(column)) for column in columns)
        for columns in table.pop("columns")
    ]
    display = ImportanceDisplay(table, found.score, words=found.words)
    return Section(
        "Importance",
        [
            f"By how much {material.model} is worse on patients whom it has not seen when the "
            "values of a variable change places between them; correlated variables together. "
            "What is important to a model need not matter to the disease.",
            drawn(display),
            table_of(table, f"Importance {material.unseen}", index=False),
        ],
    )
