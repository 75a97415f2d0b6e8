"""Which clinical variables the scans of some patients attended to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from skedema._drawing import GREY, Display, marker_style, panels
from skedema.frames.parts import part_of

_TITLE = "What the scan attended to; not why the model decided"
_SHOWN = 20


class AttentionDisplay(Display):
    """Attention of the scan to each clinical variable, over patients.

    A point is the mean over patients, the line around it the middle half of them; the dotted line
    is attention that is the same to all. Attention is how a network gathers what it goes by, and is
    no explanation: weights that are quite different may give the same prediction [1]_. Read it
    beside `ImportanceDisplay`, never instead.

    Parameters
    ----------
    weights : DataFrame of shape (n, n_variables)
        What ``attention`` of a fitted `skedema.AttentionMixerClassifier` gives.
    missing : DataFrame of bool of the same shape
        Which values were missing.
    label : array-like of shape (n,) or None, default=None
        The class of each row; None draws all patients together.

    Attributes
    ----------
    table : DataFrame
        What `frame` gives.
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure.

    References
    ----------
    .. [1] Jain, S., Wallace, B. C. (2019). Attention is not explanation. NAACL-HLT 2019,
       3543-3556.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from skedema import AttentionMixerClassifier
    >>> from skedema.inspection import AttentionDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"sodium": rng.normal(138, 5, 40), "age": rng.uniform(20, 90, 40)})
    >>> y = (X["sodium"] < 137).astype(int)
    >>> clf = AttentionMixerClassifier(max_epochs=2, n_members=1, random_state=0).fit(X, y)
    >>> frame = AttentionDisplay.from_estimator(clf, X, y).frame()
    >>> round(float(frame.loc[frame["class"].isna(), "mean"].sum()), 6)
    1.0
    """

    def __init__(self, weights: pd.DataFrame, missing: pd.DataFrame, label: Any = None) -> None:
        whole = np.ones(len(weights), dtype=bool)
        parts: dict[str | None, Any] = {None: whole}
        if label is not None:
            label = np.asarray(label)
            parts |= {str(each): label == each for each in pd.unique(pd.Series(np.sort(label)))}
        rows = [
            {
                "variable": str(name),
                "class": part,
                "n": int(chosen.sum()),
                "mean": weights[name].to_numpy()[chosen].mean(),
                "low": np.quantile(weights[name].to_numpy()[chosen], 0.25),
                "high": np.quantile(weights[name].to_numpy()[chosen], 0.75),
                "n_missing": int(missing[name].to_numpy()[chosen].sum()),
            }
            for name in weights.mean().sort_values(ascending=False).index
            for part, chosen in parts.items()
        ]
        self.table = pd.DataFrame(rows)

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, y: Any = None) -> Self:
        """Ask a fitted classifier.

        Parameters
        ----------
        estimator : AttentionMixerClassifier
            Fitted, with a fusion that attends.
        X : DataFrame or array-like of shape (n, n_features)
            Patients, better others than those of its fit.
        y : array-like of shape (n,) or None, default=None
            Their classes, each of which is drawn by itself then.

        Returns
        -------
        AttentionDisplay
            Of these patients.

        Raises
        ------
        ValueError
            When the model reports no attention, or has no clinical variables.
        """
        weights = estimator.attention(X)
        return cls(weights, pd.DataFrame(weights.attrs["missing"]), y)

    @classmethod
    def from_estimators(
        cls, estimators: Sequence[Any], X: Any, test_rows: Sequence[Any], y: Any = None
    ) -> Self:
        """Ask the models of a cross-validation, each about the patients that it has not seen.

        Parameters
        ----------
        estimators : sequence of AttentionMixerClassifier
            Fitted, one a fold.
        X : DataFrame or array-like of shape (n, n_features)
            All patients.
        test_rows : sequence of array of int
            The positions in X of the patients that each has not seen.
        y : array-like of shape (n,) or None, default=None
            The classes of all patients.

        Returns
        -------
        AttentionDisplay
            Of all test rows together.

        Raises
        ------
        ValueError
            As in `from_estimator`.
        """
        found = []
        for estimator, rows in zip(estimators, test_rows, strict=True):
            with part_of(X, rows) as part:
                found.append(estimator.attention(part))
        missing = pd.concat([pd.DataFrame(each.attrs["missing"]) for each in found])
        label = None if y is None else np.asarray(y)[np.concatenate(test_rows)]
        for each in found:
            each.attrs.clear()  # pandas compares them, and lists differ from fold to fold
        return cls(pd.concat(found), missing, label)

    def frame(self) -> pd.DataFrame:
        """Give the numbers that are drawn.

        Returns
        -------
        DataFrame
            One row a variable and class (None first: all): variable, class, n, mean, low and high
            (the quartiles over patients), and n_missing, of how many the value was missing.
        """
        return self.table.copy()

    def plot(self, ax: Any = None, *, n_shown: int = _SHOWN) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default=None
            Where. None makes a figure.
        n_shown : int, default=20
            How many variables, the most attended first.

        Returns
        -------
        AttentionDisplay
            Itself, with `ax_` and `figure_`.

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        of_all = self.table[self.table["class"].isna()].head(n_shown)
        labels = [_with_missing(row) for row in of_all.itertuples()]
        classes = self.table["class"].dropna().unique().tolist() or [None]
        width = 4.6 + 0.05 * max(map(len, labels))
        with panels(ax, 1, (width, 1.4 + 0.34 * len(labels))) as (self.figure_, (axes,)):
            heights = np.arange(len(labels))[::-1]
            for number, each in enumerate(classes):
                chosen = self.table["class"].isna() if each is None else self.table["class"] == each
                rows = self.table[chosen].set_index("variable")
                rows = rows.loc[of_all["variable"]]
                shift = 0.22 * (number - (len(classes) - 1) / 2)
                style = marker_style(number)
                axes.errorbar(
                    rows["mean"],
                    heights - shift,
                    xerr=[
                        (rows["mean"] - rows["low"]).clip(lower=0),
                        (rows["high"] - rows["mean"]).clip(lower=0),
                    ],
                    linestyle="none",
                    label=f"{each or 'all'} (n = {rows['n'].iloc[0]})",
                    **style,
                )
            n_variables = self.table["variable"].nunique()
            axes.axvline(1 / n_variables, color=GREY, linestyle=":", label="the same to all")
            # From 0 on: otherwise hardly any difference fills the figure.
            most = max(self.table["high"].max(), 1.5 / n_variables)
            axes.set(xlabel="Attention (sums to 1 over variables)", title=_TITLE)
            axes.set_xlim(0, 1.05 * most)
            axes.set_yticks(heights, labels)
            axes.grid(visible=False, axis="y")
            axes.legend(loc="lower right")
            self.ax_ = axes
        return self

    @property
    def description(self) -> str:
        """What the figure shows, in words and numbers."""
        rows = self.table[self.table["class"].isna()].head(_SHOWN)
        figures = ", ".join(f"{row.variable} {row.mean:.2f}" for row in rows.itertuples())
        return f"{_TITLE}. Mean over {rows['n'].iloc[0]} patients: {figures}."


def _with_missing(row: Any) -> str:
    share = row.n_missing / row.n
    return f"{row.variable} ({share:.0%} missing)" if share else str(row.variable)
