"""``skedema predict``: probabilities, or numbers, of other patients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from skedema._registry import nearest_name
from skedema.cli._codes import DataError
from skedema.cli._cohort import CohortPath, features_of, identifiers
from skedema.cli._command import command
from skedema.cli._file import FileOptions, read_file
from skedema.cli._model import load_model
from skedema.cli._output import OutputFile, check_table_place, write_table
from skedema.cli._run import Run

ModelPath = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL", help="A file that fit has written.", exists=True, dir_okay=False
    ),
]

MemoryPath = Annotated[
    Path | None, typer.Option(help="Folder where read scans and features are kept.")
]


@command
def predict(
    model: ModelPath,
    cohort: CohortPath,
    file: FileOptions,
    run: Run,
    output: OutputFile = Path("-"),
    memory: MemoryPath = None,
) -> None:
    """Predict every row: its own columns, what is predicted and how sure, what was missing."""
    check_table_place(output, "--output")
    held = load_model(model, "classifier", "regressor")
    estimator = held["model"].set_params(
        n_jobs=run.jobs, memory=None if memory is None else str(memory)
    )
    raw = read_file(cohort, file)
    X = model_features(held, raw, cohort, file)
    run.how_to_go_on = "no predictions were written"
    table = raw.copy()
    added = (_of_classes if hasattr(estimator, "classes_") else _of_numbers)(estimator, X)
    added["missing"] = missing_of(X)
    replaced = [name for name in added if name in raw.columns]
    if replaced:
        run.say(f"{cohort} has columns of that name already, which are replaced: {replaced}")
    for name, values in added.items():
        table[name] = values
    write_table(table, output)
    run.say(f"predicted {len(X)} rows" + ("" if str(output) == "-" else f", in {output}"))


def _of_classes(classifier: Any, X: Any) -> dict[str, Any]:
    found, classes = classifier.predict_proba(X), classifier.classes_
    if hasattr(classifier, "label_names_"):
        return _of_labels(classifier, found)
    added = {f"probability_{label}": found[:, k] for k, label in enumerate(classes)}
    return added | {"predicted": classes[found.argmax(axis=1)]}


def _of_labels(classifier: Any, found: Any) -> dict[str, Any]:
    added: dict[str, Any] = {}
    labels = classifier._kind.answer(found)
    for k, name in enumerate(classifier.label_names_):
        added |= {f"probability_{name}": found[:, k], f"predicted_{name}": labels[:, k]}
    return added


def _of_numbers(regressor: Any, X: Any) -> dict[str, Any]:
    quantiles = regressor._kind.quantiles
    if not quantiles:
        return {"predicted": regressor.predict(X)}
    found = regressor.predict_quantiles(X)
    added = {f"quantile_{q:g}": found[:, k] for k, q in enumerate(quantiles)}
    return added | {"predicted": found[:, quantiles.index(0.5)]}


def model_features(held: dict[str, Any], raw: Any, path: Path, file: FileOptions) -> Any:
    """Take the columns that a model was trained on out of a table."""
    if not hasattr(held["model"], "feature_names_in_"):
        raise DataError(
            "the model was not fitted, or not on a table whose columns have names, so that nobody "
            f"knows which columns of {path} it takes. Fit it on such a table, as skedema fit does."
        )
    names, image = list(held["model"].feature_names_in_), held["image"]
    given = [] if image is None else image if isinstance(image, list) else [image]
    # A model of Python may have positions.
    images = [names[each] if isinstance(each, int) else each for each in given]
    absent = [name for name in names if name not in raw.columns]
    if absent:
        hints = " ".join(f"{name!r}: {nearest_name(name, raw.columns)}" for name in absent[:3])
        raise DataError(
            f"{path} has not {len(absent)} of the {len(names)} columns that the model was trained "
            f"on. {hints} Rename them, or add them empty where nothing is known."
        )
    X = features_of(raw[names], path, file, images)
    ids = [name for name in held["ids"] if name in raw.columns]
    return X.set_axis(identifiers(raw, ids)) if ids else X


def missing_of(X: Any) -> list[str]:
    """Name the columns without a value, row by row."""
    empty = X.isna().to_numpy()
    return ["; ".join(str(name) for name in X.columns[row]) for row in empty]
