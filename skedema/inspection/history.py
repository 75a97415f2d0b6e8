"""How a loss went down while a model was trained."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import pandas as pd

from skedema._drawing import PanelDisplay, line_style

_NO_LOSS = {"epoch", "seconds", "lr"}
_WORDS = {
    "train_loss": "training",
    "valid_loss": "validation",
    "total": "all together",
    "reconstruction": "reconstruction",
    "edge": "edges",
    "contrast": "contrast of views",
}


class HistoryDisplay(PanelDisplay):
    """Losses by epoch: of a fit, or of a pre-training.

    Losses of a fit, on training and validation patients, share a panel. The parts of a
    pre-training's loss, which differ in size by much, have one each. Of several members of a
    classifier the loss is the mean over them.

    Parameters
    ----------
    history : DataFrame
        One row an epoch, as ``history_`` of a fitted classifier or autoencoder: ``epoch``, a column
        a loss, and maybe ``lr`` and ``seconds``, which are not drawn.

    Attributes
    ----------
    table : DataFrame
        What `frame` gives.
    ax_ : matplotlib.axes.Axes, or ndarray of them
        The axes, one or one a panel.
    figure_ : matplotlib.figure.Figure
        The figure.

    Examples
    --------
    >>> import pandas as pd
    >>> from skedema.inspection import HistoryDisplay
    >>> history = pd.DataFrame({"epoch": [1, 2], "train_loss": [0.7, 0.5], "seconds": [1.0, 1.0]})
    >>> print(HistoryDisplay(history).description)
    Loss by epoch, 1 to 2: training from 0.7 to 0.5 (least 0.5 in epoch 2).
    """

    _columns: ClassVar[int] = 2

    def __init__(self, history: pd.DataFrame) -> None:
        losses = [name for name in history.columns if name not in _NO_LOSS]
        if "epoch" not in history.columns or not losses or history.empty:
            raise ValueError(
                "A history needs rows, a column 'epoch' and a column a loss, as history_ of a "
                f"fitted estimator has them; got {len(history)} rows of {list(history.columns)}."
            )
        table = history.melt("epoch", losses, "loss", "value")
        self.table = table.dropna(subset="value").reset_index(drop=True)

    @classmethod
    def from_estimator(cls, estimator: Any) -> Self:
        """Take the history of a fitted estimator.

        Parameters
        ----------
        estimator : AttentionMixerClassifier or ViTAutoencoder
            Fitted.

        Returns
        -------
        HistoryDisplay
            Of its ``history_``.

        Raises
        ------
        ValueError
            When it was trained for no epoch.
        """
        return cls(estimator.history_)

    def frame(self) -> pd.DataFrame:
        """Give the numbers that are drawn.

        Returns
        -------
        DataFrame
            One row a point: epoch, loss (its name) and value.
        """
        return self.table.copy()

    def _panels(self) -> tuple[list[list[str]], tuple[float, float]]:
        names = list(self.table["loss"].unique())
        of_fit = [name for name in names if name.endswith("_loss")]
        each = [[name] for name in names if name not in of_fit]
        return [of_fit, *each] if of_fit else each, (4.4, 3.2)

    def _draw(self, ax: Any, names: list[str]) -> None:
        for number, name in enumerate(names):
            part = self.table[self.table["loss"] == name]
            marker = "o" if len(part) == 1 else ""
            style = line_style(number) | {"marker": marker}
            ax.plot(part["epoch"], part["value"], label=_WORDS.get(name, name), **style)
        ax.set(xlabel="Epoch", ylabel="Loss")
        ax.legend()

    @property
    def description(self) -> str:
        """What the figure shows, in words and numbers."""
        epochs = self.table["epoch"]
        said = []
        for name, part in self.table.groupby("loss", sort=False):
            least = part.loc[part["value"].idxmin()]
            said.append(
                f"{_WORDS.get(str(name), name)} from {part['value'].iloc[0]:.3g} to "
                f"{part['value'].iloc[-1]:.3g} (least {least['value']:.3g} in epoch "
                f"{least['epoch']:.0f})"
            )
        return f"Loss by epoch, {epochs.min():.0f} to {epochs.max():.0f}: {', '.join(said)}."
