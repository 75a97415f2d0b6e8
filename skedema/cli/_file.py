"""A CSV or TSV file as it stands: names of columns and texts."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skedema.cli._codes import DataError, UsageError

if TYPE_CHECKING:
    import pandas as pd

_SEPARATORS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";"}
_LOOKED_AT = 50  # lines, to find the separator


@dataclass(frozen=True)
class FileOptions:
    """How a table is written."""

    root: Annotated[
        Path | None,
        typer.Option(
            help="Where relative paths of scans start; by default in the table's own folder.",
            exists=True,
            file_okay=False,
        ),
    ] = None
    remote: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for copies of scans at addresses (s3://, gs://, az://, https://); "
            "without, nothing is fetched.",
            file_okay=False,
        ),
    ] = None
    sep: Annotated[
        str | None,
        typer.Option(help="What separates columns: , or ; or tab; by default found out."),
    ] = None
    decimal: Annotated[str, typer.Option(help="The decimal point, such as a comma.")] = "."
    encoding: Annotated[str, typer.Option(help="How characters are written, such as cp1252.")] = (
        "utf-8"
    )


def read_file(path: Path, options: FileOptions) -> pd.DataFrame:
    """Read all cells as texts; the index says the line of each row."""
    import pandas as pd

    text = _decoded(path, options.encoding)
    sep = _separator(path, text, options.sep)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=sep)
    header: list[str] | None = None
    rows, lines = [], []
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if header is None:
                header = [name.strip() for name in row]
                continue
            if len(row) != len(header):
                raise DataError(
                    f"{path}, line {reader.line_num}: {len(row)} cells where the header has "
                    f"{len(header)}. Correct the line; a cell that holds {_shown(sep)} must stand "
                    "in quotes."
                )
            rows.append([cell.strip() for cell in row])
            lines.append(f"line {reader.line_num}")
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}.") from error
    if header is None or not rows:
        raise DataError(f"{path} holds no rows.")
    twice = [repr(name) for name, n in Counter(header).items() if n > 1]
    if twice:
        raise DataError(f"{path} has more than one column named {', '.join(twice)}: rename them.")
    return pd.DataFrame(rows, columns=header, index=pd.Index(lines, name="line"), dtype=object)


def _decoded(path: Path, encoding: str) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise UsageError(f"--encoding {encoding}: there is no such encoding.") from None
    plain = encoding.lower().replace("_", "-") in ("utf-8", "utf8")
    if plain and content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{path} is UTF-16: give --encoding utf-16, or save it as 'CSV UTF-8'.")
    try:
        text = content.decode("utf-8-sig" if plain else encoding)
    except UnicodeError as error:
        at = getattr(error, "start", 0)
        line = content[:at].count(b"\n") + 1
        raise DataError(
            f"{path}, line {line}: not written as {encoding}. Save it as 'CSV UTF-8', or say how "
            "it is written, such as --encoding cp1252 for most files of Windows."
        ) from None
    if "\0" in text:
        raise DataError(f"{path} holds NUL characters: it is no CSV, or --encoding is another.")
    return text


def _separator(path: Path, text: str, given: str | None) -> str:
    if given is not None:
        sep = _SEPARATORS.get(given.lower(), given)
        if len(sep) != 1:
            raise UsageError(f"--sep {given}: give one character, or tab.")
        return sep
    if path.suffix.lower() in (".tsv", ".tab"):
        return "\t"
    lines = [line for line in text.splitlines()[:_LOOKED_AT] if line.strip()]
    return max(",;\t", key=lambda sep: _columns(lines, sep))


def _columns(lines: list[str], sep: str) -> tuple[float, int]:
    """Tell how many of some lines have as many columns as the header, and how many these are."""
    counts = [len(row) for row in csv.reader(lines, delimiter=sep) if row]
    if not counts or counts[0] < 2:
        return 0.0, 0
    return sum(n == counts[0] for n in counts) / len(counts), counts[0]


def _shown(sep: str) -> str:
    return "a tab" if sep == "\t" else f"a {sep!r}"
