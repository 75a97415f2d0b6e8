"""Which rows of a table the values beside it belong to."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any

import pandas as pd


def check_same_rows(X: Any, **beside: Any) -> None:
    """Check that values that come beside a table carry the same row labels in the same order.

    Values are taken by position. Labels that stand in another order are never put right here:
    somebody sorted one of the two, or shuffled it on purpose, and only they know which.

    Parameters
    ----------
    X : object
        The table.
    **beside : object
        What comes beside it, by the name that messages are to use: a pandas Series or DataFrame,
        or a mapping of such. Whatever has no row labels passes. Where X has none, the first that
        has some stands for it.

    Raises
    ------
    ValueError
        When labels differ, or stand in another order.

    Notes
    -----
    `sklearn.model_selection.permutation_test_score` shuffles y together with its labels, in order
    to break what ties it to X. Its permutations are let pass; the score that it compares them with
    is of y as it was given, and is checked.

    Examples
    --------
    >>> import pandas as pd
    >>> X = pd.DataFrame({"age": [61, 74]}, index=["P1", "P2"])
    >>> check_same_rows(X, y=pd.Series([0, 1], index=["P1", "P2"]))
    """
    labelled = [("X", _row_labels(X))]
    for name, values in beside.items():
        if isinstance(values, Mapping):
            labelled += [(f"{name}[{key!r}]", _row_labels(each)) for key, each in values.items()]
        else:
            labelled.append((name, _row_labels(values)))
    given = [(name, index) for name, index in labelled if index is not None]
    for name, index in given[1:]:
        owner, reference = given[0]
        if len(index) != len(reference) or index.equals(reference):
            continue  # too many or too few is for others to tell
        if not _is_permutation():
            raise ValueError(_difference(owner, reference, name, index))


def _row_labels(values: Any) -> pd.Index | None:
    index = getattr(values, "index", None)  # that of a list is a method
    return index if isinstance(index, pd.Index) else None


def _difference(owner: str, reference: pd.Index, name: str, index: pd.Index) -> str:
    ours, theirs = reference.tolist(), index.tolist()
    pairs = enumerate(zip(ours, theirs, strict=True))
    first = next((i for i, (one, other) in pairs if repr(one) != repr(other)), 0)
    remedy = "Take both from the same table"
    if sorted(map(repr, ours)) != sorted(map(repr, theirs)):
        problem = "do not have the same row labels"
    else:
        problem = "hold the same row labels in another order"
        if reference.is_unique:  # of repeated ones, .loc would give more rows
            remedy = f"Align them with {name} = {name}.loc[{owner}.index]"
    return (
        f"{owner} and {name} {problem}; the first difference is row {first}: index "
        f"{ours[first]!r} of {owner}, {theirs[first]!r} of {name}. {remedy}; where the rows "
        f"already belong together, give {name}.to_numpy()."
    )


def _is_permutation() -> bool:
    """Tell whether scikit-learn fits or scores on labels that it has shuffled."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if (
            frame.f_code.co_name == "_permutation_test_score"
            and str(frame.f_globals.get("__name__")).startswith("sklearn.")
            and frame.f_back is not None
        ):
            # It calls this itself for y as given, and through joblib for what is shuffled.
            return frame.f_back.f_code.co_name != "permutation_test_score"
        frame = frame.f_back
    return False
