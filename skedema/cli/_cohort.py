"""A table of patients: features, labels, who they are, and where their scans lie."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skedema._registry import nearest_name
from skedema.cli._codes import DataError, UsageError
from skedema.cli._file import FileOptions, read_file

if TYPE_CHECKING:
    import pandas as pd

CohortPath = Annotated[
    Path, typer.Argument(metavar="COHORT", help="The table: a CSV or TSV file.", exists=True)
]
Target = Annotated[
    str,
    typer.Option(
        metavar="COLUMN", help="Column of the classes, or numbers. Rows without are left out."
    ),
]


class Task(StrEnum):
    """What is predicted."""

    auto = "auto"
    classification = "classification"
    regression = "regression"


TaskOption = Annotated[
    Task,
    typer.Option(
        help="Whether the target is classes or numbers; auto: numbers if not all are whole."
    ),
]

_NAMED = 10
# Of so many whole numbers nobody says without a word whether they are classes; GCS has 13 values.
_MOST_CLASSES = 20


@dataclass(frozen=True)
class ColumnOptions:
    """Which columns are what."""

    image: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of the scans; without, there are none. Repeatable, for several scans a "
            "patient in the order of time.",
        ),
    ] = None
    id_: Annotated[
        list[str] | None,
        typer.Option(
            "--id",
            metavar="COLUMN",
            help="Column that says who it is: kept, and no feature. Repeatable.",
        ),
    ] = None
    drop: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Column to leave out. Repeatable.")
    ] = None

    @property
    def scans(self) -> list[str]:
        """The columns of scans."""
        return list(self.image or [])

    @property
    def of_classifier(self) -> str | list[str] | None:
        """The same, as the classifier's parameter."""
        return self.scans if len(self.scans) > 1 else next(iter(self.scans), None)


@dataclass(frozen=True)
class Cohort:
    """Patients of a file.

    Attributes
    ----------
    path : Path
        The file.
    raw : DataFrame of str
        Its cells as they stand; the index says the lines.
    X : DataFrame
        Features: numbers, texts, and paths of scans. The index is that of `raw`, or what the
        columns of ``--id`` hold.
    y : Series or None
        Classes, or numbers.
    regression : bool
        Whether they are numbers.
    ids : list of str
        The columns of ``--id``.
    decimal : str
        The decimal point.
    """

    path: Path
    raw: pd.DataFrame
    X: pd.DataFrame
    y: pd.Series | None
    ids: list[str]
    decimal: str
    regression: bool = False

    def column(self, name: str, option: str) -> pd.Series:
        """Give a column of the file as numbers or texts, in the order of X."""
        check_columns(self.raw, [name], option, self.path)
        return _typed(self.raw[name], self.decimal).set_axis(self.X.index)


def read_cohort(
    path: Path,
    file: FileOptions,
    columns: ColumnOptions,
    *,
    target: str | None = None,
    task: Task = Task.auto,
    beside: Sequence[str] = (),
    say: Any = print,
) -> Cohort:
    """Read a table; columns `beside` are no features, such as groups."""
    raw = read_file(path, file)
    ids, drop = list(columns.id_ or []), list(columns.drop or [])
    given: dict[str, list[str | None]] = {
        "--image": [*columns.scans],
        "--target": [target],
        "--id": [*ids],
        "--drop": [*drop],
    }
    for option, names in given.items():
        check_columns(raw, [name for name in names if name is not None], option, path)
    check_roles(given | {"--groups": [*beside]})
    y, regression = None, False
    if target is not None:
        numbers = _target_numbers(raw[target], task, path, file.decimal)
        regression = numbers is not None
        y = _labels(raw[target], target, path) if numbers is None else numbers
        if regression and task is Task.auto:
            say(f"{target} holds numbers that are not all whole: a regression (--task)")
        without = y.isna()
        if without.any():
            say(
                f"left out {int(without.sum())} of {len(y)} rows, which have no {target}: "
                f"{listed(raw.index[without])}"
            )
        raw, y = raw[~without], y[~without]
        if not regression:
            y = y.astype(int) if all(isinstance(v, int) for v in y) else y.astype(object)
    aside = {target, *ids, *drop, *beside}
    features = raw[[name for name in raw.columns if name not in aside]]
    X = features_of(features, path, file, columns.scans)
    if ids:
        X.index = identifiers(raw, ids)
        y = None if y is None else y.set_axis(X.index)
    return Cohort(path, raw, X, y, ids, file.decimal, regression)


def check_roles(given: dict[str, list[str | None]]) -> None:
    """Refuse a column that is a scan or the target, and something else as well."""
    for option in ("--image", "--target"):
        for number, name in enumerate(given[option]):
            if name in given[option][:number]:
                raise UsageError(f"Column {name!r} is given as {option} twice: once is enough.")
            for other, names in given.items():
                if other != option and name is not None and name in names:
                    raise UsageError(
                        f"Column {name!r} is given as {option} and as {other}: leave one of them "
                        "out."
                    )


def features_of(
    raw: pd.DataFrame, path: Path, file: FileOptions, images: Sequence[str]
) -> pd.DataFrame:
    """Make numbers, texts and paths of the cells of some columns."""
    import pandas as pd

    if "" in raw.columns:
        raise DataError(
            f"{path}: column {list(raw.columns).index('') + 1} has no name. Name it, or leave it "
            "out by --drop ''. (pandas writes its row numbers so; index=False leaves them out.)"
        )
    made = {name: _typed(raw[name], file.decimal) for name in raw.columns if name not in images}
    made |= {name: _scans(raw[name], path, file) for name in images}
    return pd.DataFrame(made, index=raw.index)[list(raw.columns)]


def check_columns(raw: pd.DataFrame, names: Iterable[str], option: str, path: Path) -> None:
    """Refuse a column that is not there, with the nearest name."""
    for name in names:
        if name not in raw.columns:
            hint = nearest_name(name, list(raw.columns))
            raise UsageError(f"{option} {name}: {path} has no such column. {hint}")


def listed(labels: Iterable[object]) -> str:
    """Name some rows, the first ten."""
    names = [str(label) for label in labels]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def is_missing(text: str) -> bool:
    """Tell texts that stand for nothing, which nobody means as a category."""
    from skedema.clinical.texts import is_no_value

    return text in ("", "NA", "n/a", "N/A") or is_no_value(text)


def _typed(cells: pd.Series, decimal: str) -> pd.Series:
    """Make numbers of a column if all of it are, truth values likewise; else leave texts."""
    import pandas as pd

    from skedema.frames.missing import means_missing

    texts = set(cells)
    empty = {text for text in texts if is_missing(text)}
    meant = {text for text in texts - empty if not means_missing([text])}
    if not meant:
        return pd.Series(float("nan"), cells.index, dtype=float)
    values = _numbers(meant, decimal, cells.name)
    if values:
        column = cells.map(values).astype(float)
        whole = column.notna().all() and bool((column == column.round()).all())
        return column.astype("int64") if whole and column.abs().max() < 2**53 else column
    truth = {"true": True, "false": False}
    if all(text.lower() in truth for text in meant):
        return cells.map({text: truth[text.lower()] for text in meant}).astype(object)
    return cells.where(~cells.isin(empty), None).astype(object)


_NUMBER = re.compile(r"[-+]?[\d.,]+")


def _numbers(texts: set[str], decimal: str, name: object) -> dict[str, float]:
    """Read texts as numbers; empty unless all are."""
    commas = [text for text in texts if re.fullmatch(r"[-+]?\d+,\d+", text)]
    others = texts.difference(commas)
    if decimal == "." and commas and all(re.fullmatch(r"[-+]?\d+", text) for text in others):
        raise UsageError(
            f"Column {name!r} holds numbers such as {min(commas)}: with decimal commas, give "
            "--decimal ,"
        )
    points = [text for text in texts if re.fullmatch(r"[-+]?\d+\.\d+", text)]
    if decimal != "." and points and all(_NUMBER.fullmatch(text) for text in texts):
        raise UsageError(
            f"Column {name!r} holds {min(points)!r}, which may be a thousand or a fraction, with "
            f"--decimal {decimal}. Write such numbers without a point between thousands, or with "
            f"{decimal!r} where it is a fraction."
        )
    try:
        found = {text: float(text.replace(decimal, ".")) for text in texts if "_" not in text}
    except ValueError:
        return {}
    return found if len(found) == len(texts) else {}  # Python reads 1_000, others do not


def _target_numbers(cells: pd.Series, task: Task, path: Path, decimal: str) -> pd.Series | None:
    """Read the target as numbers, NaN where there is none; None if it is classes."""
    if task is Task.classification:
        return None
    meant = {text for text in cells if not is_missing(text)}
    values = _numbers(meant, decimal, cells.name) if meant else {}
    if task is Task.auto:
        if all(value.is_integer() for value in values.values()):
            if len(set(values.values())) > _MOST_CLASSES:
                raise UsageError(
                    f"--target {cells.name}: it holds {len(set(values.values()))} whole numbers. "
                    "Say by --task regression or --task classification what they are."
                )
            return None
    elif not values:
        other = next(text for text in cells if text in meant and not _numbers({text}, decimal, ""))
        line = cells.index[list(cells).index(other)]
        raise DataError(f"{path}, {line}: {other!r} in column {cells.name!r} is no number.")
    return cells.map(values).astype(float)


def _labels(cells: pd.Series, target: str, path: Path) -> pd.Series:
    """Read classes: whole numbers, else texts; None where there is none."""
    found = [None if is_missing(text) else text for text in cells]
    meant = {text for text in found if text is not None}
    alike: dict[str, str] = {}
    for text in sorted(meant):
        other = alike.setdefault(text.casefold(), text)
        if other != text:
            raise DataError(
                f"{path}: column {target!r} has the classes {other!r} and {text!r}, which differ "
                "in case alone. Write them alike."
            )
    numbers: dict[str | None, Any] = {}
    for text in meant:
        try:
            numbers[text] = float(text)
        except ValueError:
            break
    if len(numbers) == len(meant):
        found = [None if text is None else numbers[text] for text in found]
        if all(value is None or value.is_integer() for value in found):
            found = [None if value is None else int(value) for value in found]
    import pandas as pd

    return pd.Series(found, cells.index, dtype=object, name=target)


def _scans(cells: pd.Series, path: Path, file: FileOptions) -> pd.Series:
    import pandas as pd

    from skedema.scans._addresses import is_refused, scheme_of, shown
    from skedema.scans._remote.scan import at_address

    start = path.resolve().parent if file.root is None else file.root.resolve()
    found: list[Any] = []
    absent = []
    for line, text in cells.items():
        if is_missing(text):
            found.append(None)
            continue
        if scheme_of(text):
            if why := is_refused(text):
                raise DataError(f"{path}, {line}: {shown(text)}: {why}.")
            if file.remote is None:
                raise DataError(
                    f"{path}, {line}: {shown(text)} is an address, and nothing is fetched unless "
                    "--remote DIR names a folder for copies."
                )
            found.append(at_address(text, file.remote))
            continue
        place = os.path.join(start, os.path.expanduser(text))
        found.append(place)
        if not os.path.exists(place):
            absent.append((line, text))
    if absent:
        named = "; ".join(f"{line}: {text}" for line, text in absent[:_NAMED])
        more = f"; and {len(absent) - _NAMED} more" if len(absent) > _NAMED else ""
        raise DataError(
            f"{len(absent)} of {sum(each is not None for each in found)} scans in column "
            f"{cells.name!r} of {path} are not there: {named}{more}. Relative paths start at "
            f"{start}; --root DIR names another folder. Leave the cell empty where there is none."
        )
    return pd.Series(found, cells.index, dtype=object, name=cells.name)


def identifiers(raw: pd.DataFrame, ids: list[str]) -> Any:
    """Make an index of what says who rows are."""
    import pandas as pd

    labels = raw[ids[0]] if len(ids) == 1 else raw[ids].agg("/".join, axis="columns")
    return pd.Index(labels.to_numpy(), name="/".join(ids))
