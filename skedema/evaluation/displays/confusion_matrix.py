"""Who is taken for what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from skedema._drawing import PanelDisplay
from skedema.evaluation._tables import confusion_table
from skedema.evaluation.displays._predicted import Predicted, PredictionDisplay


class ConfusionMatrixDisplay(PanelDisplay, PredictionDisplay):
    """Counts of rows by what they are and what they are predicted to be.

    A cell holds the count, of several repeats the mean, and its share of the rows of that label,
    which is also the shade: on the diagonal it is the recall of the class. What is predicted is
    what the classifier's own ``predict`` says; of arrays, a probability of at least 0.5, or of
    several classes the most likely.

    Parameters
    ----------
    predicted : Predicted
        Made by `from_estimator`, `from_predictions` or `from_evaluation`.
    pos_label : object, default=None
        Is of no effect but in `from_predictions`, where it says what the probabilities are of.

    Attributes
    ----------
    counts : DataFrame
        What `frame` gives.
    ax_ : matplotlib.axes.Axes, or ndarray of them
        The axes, one an estimator.
    figure_ : matplotlib.figure.Figure
        The figure.

    Examples
    --------
    >>> from skedema.evaluation.displays import ConfusionMatrixDisplay
    >>> display = ConfusionMatrixDisplay.from_predictions([0, 0, 1, 1], [0.1, 0.6, 0.7, 0.9])
    >>> display.frame()["count"].tolist()
    [1.0, 1.0, 0.0, 2.0]
    >>> print(display.description)
    Confusion matrix of classifier: of 2 rows of 0, 1 taken for 1; of 2 rows of 1, 0 taken for 0.
    """

    def __init__(self, predicted: Predicted, *, pos_label: Any = None) -> None:
        table = confusion_table(predicted.everything, predicted.classes)
        counts = table.rename_axis(columns="predicted").stack().rename("count").reset_index()
        of_label = counts.groupby(["estimator", "label"])["count"].transform("sum")
        counts["share"] = counts["count"] / of_label.where(of_label > 0)
        self.counts = counts
        self.classes = predicted.classes

    def frame(self) -> pd.DataFrame:
        """Give the numbers that are drawn.

        Returns
        -------
        DataFrame
            One row a cell: estimator, label, predicted, count, and share of the rows of the label.
        """
        return self.counts.copy()

    def _panels(self) -> tuple[list[str], tuple[float, float]]:
        side = 1.6 + 0.6 * len(self.classes)
        return list(self.counts["estimator"].unique()), (side + 0.3, side)

    def _draw(self, ax: Any, name: str) -> None:
        size = len(self.classes)
        part = self.counts[self.counts["estimator"] == name]
        counts, shares = (part[each].to_numpy().reshape(size, size) for each in ("count", "share"))
        ax.imshow(np.nan_to_num(shares), cmap="Blues", vmin=0, vmax=1.2)
        for (row, column), count in np.ndenumerate(counts):
            share = shares[row, column]
            text = f"{count:g}" if count == int(count) else f"{count:.1f}"
            if not np.isnan(share):
                text += f"\n{100 * share:.0f} %"
            dark = share > 0.7
            ax.text(column, row, text, ha="center", va="center", color="w" if dark else "k")
        ticks = range(size)
        ax.set_xticks(ticks, [str(each) for each in self.classes])
        ax.set_yticks(ticks, [str(each) for each in self.classes])
        ax.set(xlabel="Predicted", ylabel="Label", title=name)
        ax.grid(visible=False)

    @property
    def description(self) -> str:
        """What the figure shows, in words and numbers."""
        return " ".join(
            f"Confusion matrix of {name}: {'; '.join(map(_of_label, _by(part, 'label')))}."
            for name, part in _by(self.counts, "estimator")
        )


def _by(table: pd.DataFrame, column: str) -> list[tuple[Any, pd.DataFrame]]:
    return list(table.groupby(column, sort=False))


def _of_label(label_and_part: tuple[Any, pd.DataFrame]) -> str:
    label, part = label_and_part
    wrong = part[part["predicted"] != label]
    taken = ", ".join(
        f"{row.count_:g} taken for {row.predicted}"
        for row in wrong.rename(columns={"count": "count_"}).itertuples()
    )
    return f"of {part['count'].sum():g} rows of {label}, {taken}"
