"""Whether one model is better than another, on the same patients."""

from __future__ import annotations

from typing import Any

import pandas as pd

from skedema._drawing import with_interval
from skedema._pages import Section, table_of
from skedema.evaluation._report.drawn import drawn
from skedema.evaluation._report.material import Material, Unavailable


def comparison(material: Material) -> Section:
    """Paired differences of all other models from the one that is looked into."""
    result = material.result
    if len(result.names) < 2:
        raise Unavailable(
            "There is one model only. Give evaluate a simpler one beside it, such as those of "
            "skedema.baselines.baselines(clf, X): a figure alone does not say what a scan brought."
        )
    display = result.metrics.forest(material.model, n_resamples=material.n_resamples)
    table = result.compare(material.model, n_resamples=material.n_resamples)
    what, better = "the area under the ROC curve", "above"
    if result.of_numbers:
        what, better = "the mean absolute error", "below"
    pieces: list[Any] = [
        f"Differences of {what} from that of {material.model}, on the same "
        f"patients{'' if material.is_external else ' and folds'}; {better} 0 the other is better.",
        drawn(display),
        table_of(
            _written(table, folds=not material.is_external, delong=not result.of_numbers),
            f"Paired differences from {material.model}",
            index=False,
            note=_note(material),
        ),
    ]
    return Section("Comparison", pieces)


def _note(material: Material) -> str:
    said = []
    if not material.result.of_numbers:
        said.append("DeLong's test takes the models as they are")
    if not material.is_external:
        said.append(
            "the corrected resampled t test over folds also asks what other training patients "
            "would change"
        )
    if not said:
        return ""
    return f"p values: {'; '.join(said)}. They are also given adjusted by Holm's method."


def _written(table: pd.DataFrame, *, folds: bool, delong: bool) -> pd.DataFrame:
    """Keep what a reader compares, with headings in words."""
    differences = [
        with_interval(*row) for row in table[["difference", "low", "high"]].itertuples(index=False)
    ]
    words = {"delong_p": "p, DeLong", "delong_p_holm": "by Holm"} if delong else {}
    if folds:
        words |= {"fold_p": "p, folds", "fold_p_holm": "by Holm "}
    shown = table[list(words)].rename(columns=words).astype(float)
    shown.insert(0, "model", table["estimator"])
    shown.insert(1, "difference (95 % interval)", differences)
    return shown
