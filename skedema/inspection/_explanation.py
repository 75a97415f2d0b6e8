"""What was found out about one prediction: printed, drawn, written as a page."""

from __future__ import annotations

import html
import os
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd

from skedema._drawing import COLOURS, GREY, Display, as_given, panels
from skedema.inspection import _in_words as words
from skedema.inspection._patient_page import patient_page


@dataclass(eq=False)
class Explanation(Display):
    """Why a classifier says of one patient what it says; made by `explain`.

    Parameters
    ----------
    probability : Series
        By class.
    target : object
        The class that is spoken of in all that follows.
    interval : DataFrame or None
        By class, against all others, ``low`` and ``high``: a 95 % interval of how many of the
        patients whom the model sees so have it; and ``p0`` and ``p1``, the two probabilities of the
        Venn-Abers predictor, which are no such interval. NaN for a class that too few held-out
        patients have. None where there are no held-out patients; `remarks` says so.
    contributions : DataFrame
        By variable, in the order of the columns: ``value`` (None for missing); its Shapley value on
        the scale of log-odds, ``log_odds``, and of probabilities, ``probability``, each of which
        adds up to the patient's less that of a patient of whom nothing is known;
        ``std_error`` of the log-odds, 0 where all coalitions were asked.
        ``attrs["nothing_known"]`` is the probability of the target where nothing is known, itself a
        prediction.
    flips : DataFrame
        A row a value that alone would change the predicted class: ``variable``, ``value`` as it is,
        ``to``, ``side`` ("lower", "higher", "other", or "known" of a missing one), ``label``,
        ``probability`` of the target.
    missing : DataFrame
        By missing variable, the 5 %, 50 % and 95 % quantile of the probability of the target,
        ``low``, ``middle``, ``high``, over ``n_values`` values that it takes.
    neighbours : DataFrame or None
        The nearest patients of the reference: ``row`` (position), ``distance`` (1 is the median of
        two patients), ``label``, ``probability`` of the target. None without a reference, and of a
        classifier that is none of ours.
    scan : ScanRelevance or None
        Where in the scan, if it was asked for and there is one.
    remarks : tuple of str
        What could not be told, and how it could be; where the interval comes from.
    model : str
        What the classifier is.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        What `plot` drew on.
    ax_ : matplotlib.axes.Axes
        Its axes.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from skedema import AttentionMixerClassifier
    >>> from skedema.inspection import explain
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"sodium": rng.normal(138, 5, 80), "gcs": rng.integers(3, 16, 80)})
    >>> y = (X["sodium"] + rng.normal(0, 3, 80) < 136).astype(int)
    >>> found = explain(AttentionMixerClassifier(random_state=0).fit(X, y), X.iloc[0])
    >>> found.frame().index.tolist()
    ['sodium', 'gcs']
    >>> found.report("patient.html")
    """

    probability: pd.Series
    target: Any
    interval: pd.DataFrame | None
    contributions: pd.DataFrame
    flips: pd.DataFrame
    missing: pd.DataFrame
    neighbours: pd.DataFrame | None = None
    scan: Any = None
    remarks: tuple[str, ...] = ()
    model: str = "classifier"
    figure_: Any = field(default=None, init=False, repr=False)
    ax_: Any = field(default=None, init=False, repr=False)

    def frame(self) -> pd.DataFrame:
        """Give the contributions, those that moved most first.

        Returns
        -------
        DataFrame
            As `contributions`.
        """
        order = np.argsort(-self.contributions["log_odds"].abs().to_numpy(), kind="stable")
        return self.contributions.iloc[order]

    def plot(self, ax: Any = None) -> Self:
        """Draw the contributions as bars, those that moved most on top.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default=None
            Where; None makes a figure.

        Returns
        -------
        Explanation
            Itself, with `ax_` and `figure_`.

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        table = self.frame()
        names = [words.with_value(name, value) for name, value in table["value"].items()]
        height = 1.2 + 0.28 * len(table)
        with panels(ax, 1, (6.0, height)) as (self.figure_, axes):
            (here,) = axes
            for place, (log_odds, change) in enumerate(
                zip(table["log_odds"], table["probability"], strict=True)
            ):
                up = log_odds > 0
                here.barh(
                    place,
                    log_odds,
                    color=COLOURS[1 if up else 0],
                    hatch="" if up else "//",
                    edgecolor="white",
                    height=0.7,
                )
                here.annotate(
                    f"{change:+.2f}",
                    (log_odds, place),
                    xytext=(3 if up else -3, 0),
                    textcoords="offset points",
                    va="center",
                    ha="left" if up else "right",
                    fontsize=7,
                )
            here.axvline(0, color=GREY, linewidth=0.8)
            here.set_yticks(range(len(table)), names)
            here.invert_yaxis()
            here.margins(x=0.15)
            here.grid(visible=False, axis="y")
            here.set(
                xlabel=f"Contribution to the log-odds of {self.target} "
                "(beside the bars: to the probability)",
                title=f"From {self.nothing_known:.2f} with nothing known to {self.of_target:.2f}",
            )
            self.ax_ = as_given(axes)
        return self

    @property
    def of_target(self) -> float:
        """The probability of the target."""
        return float(self.probability[self.target])

    @property
    def nothing_known(self) -> float:
        """The probability of the target of a patient of whom nothing is known."""
        return float(self.contributions.attrs["nothing_known"])

    @property
    def description(self) -> str:
        """The explanation in words and numbers."""
        return words.in_words(self)

    def __str__(self) -> str:
        return self.description

    def report(self, path: str | os.PathLike[str], *, patient: str | None = None) -> None:
        """Write a page of this patient: one HTML file, which asks no network for anything.

        It holds the patient's values, and neither a label of the row nor the name of the scan.

        Parameters
        ----------
        path : path
            The file; its folder is made if need be, and what it held before is replaced.
        patient : str or None, default=None
            What the patient is called on the page; None for nothing.

        Raises
        ------
        ImportError
            Without jinja2 or matplotlib.
        OSError
            When it cannot be written.
        """
        patient_page(self, patient=patient, pictures=True).save_as_html(path)

    def _repr_html_(self) -> str:
        """Show the page without its pictures; the words where jinja2 is not installed."""
        try:
            return patient_page(self, patient=None, pictures=False)._repr_html_()
        except ImportError:
            return f"<pre>{html.escape(str(self))}</pre>"
