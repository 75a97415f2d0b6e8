"""Results: tables on standard output, and files that are written whole."""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skedema._caching.whole_files import write_whole
from skedema.cli._codes import MissingPackage, UsageError

if TYPE_CHECKING:
    import pandas as pd

OutputFile = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="Where to write it: .csv, .tsv or .parquet; - is standard output (CSV).",
    ),
]
_PARQUET = ".parquet"
_OTHERS = {
    ".xlsx",
    ".xls",
    ".ods",
    ".json",
    ".feather",
    ".pq",
    ".gz",
    ".zip",
    ".bz2",
    ".xz",
    ".zst",
}


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, or by the ending TSV or Parquet; without its index."""
    if path.suffix.lower() == _PARQUET:
        content = io.BytesIO()
        table.to_parquet(content, index=False)
        write_whole(path, lambda file: file.write(content.getvalue()))
        return
    sep = "\t" if path.suffix.lower() in (".tsv", ".tab") else ","
    text = io.StringIO(newline="")
    table.to_csv(text, index=False, sep=sep, lineterminator="\n")
    if str(path) == "-":
        sys.stdout.write(text.getvalue())
    else:
        write_whole(path, lambda file: file.write(text.getvalue().encode()))


def show(table: Any, *, index: bool = True) -> None:
    """Print a table as text, whole."""
    print(table.to_string(index=index) if len(table) else "(none)")


def check_table_place(path: Path | None, option: str) -> None:
    """Refuse that as well, and an ending that promises what `write_table` does not write."""
    if path is not None and path.suffix.lower() in _OTHERS:
        raise UsageError(
            f"{option} {path}: tables are written as .csv, .tsv or .parquet; give one of these "
            "endings."
        )
    check_place(path, option)


def check_place(path: Path | None, option: str) -> None:
    """Refuse, before anything long, a file whose folder could not be written to."""
    if path is None or str(path) == "-":
        return
    if path.suffix.lower() == _PARQUET:
        need("parquet", f"{option} {path}")
    if path.is_dir():
        raise UsageError(f"{option} {path}: this is a folder; give the name of a file in it.")
    if path.exists() and not path.is_file():
        raise UsageError(
            f"{option} {path}: this is a device or a pipe, which no file replaces; name another, "
            "or - for standard output where the command has it."
        )
    folder = path.resolve().parent
    while not folder.exists():
        folder = folder.parent
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UsageError(
            f"{option} {path}: nothing can be written to {folder} ({error.strerror}); name another "
            "place."
        ) from error


def need(extra: str, what: str) -> None:
    """Refuse, before anything long, what an extra has to be installed for."""
    from importlib.util import find_spec

    from skedema._extras import PACKAGES, how_to_install

    if any(find_spec(package) is None for package in PACKAGES[extra]):
        raise MissingPackage(f"{what} needs what is not installed: {how_to_install(extra)}")
