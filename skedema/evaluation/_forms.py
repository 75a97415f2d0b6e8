"""Tables of texts as people put them into papers: Markdown, LaTeX, HTML."""

from __future__ import annotations

import re
from typing import Any, Literal

import pandas as pd

Form = Literal["frame", "markdown", "latex", "html"]
FORMS = ("frame", "markdown", "latex", "html")

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{each: "\\" + each for each in "&%$#_{}"},
}


def check_form(form: Any) -> None:
    """Refuse a form that is none, before anything is computed for it."""
    if form not in FORMS:
        raise ValueError(f"form must be one of {FORMS}, got {form!r}.")


def in_form(table: pd.DataFrame, form: Form) -> Any:
    """Write a table of texts; what its columns are of stands above its rows.

    Nothing but pandas is needed; the LaTeX asks for the package booktabs, as that of pandas does.
    """
    if form == "frame":
        return table
    names = [table.index.name, table.columns.name]
    corner = ", ".join(str(name) for name in names if name is not None)
    if form == "html":
        plain = table.rename_axis(index=None, columns=corner)
        return str(plain.to_html(escape=True, border=0))
    rows = [[corner, *table.columns]]
    rows += [[name, *cells] for name, cells in zip(table.index, table.to_numpy(), strict=True)]
    escape = _in_markdown if form == "markdown" else _in_latex
    head, *body = [[escape(" ".join(str(cell).split())) for cell in row] for row in rows]
    return _markdown(head, body) if form == "markdown" else _latex(head, body)


def _markdown(head: list[str], body: list[list[str]]) -> str:
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *body))


def _latex(head: list[str], body: list[list[str]]) -> str:
    lines = [
        rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
        r"\toprule",
        rf"{' & '.join(head)} \\",
        r"\midrule",
        *(rf"{' & '.join(row)} \\" for row in body),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines)


def _in_markdown(text: str) -> str:
    """Escape what would mark something up, as CommonMark 0.31 (section 2.4) allows."""
    return re.sub(r"([\\`*_|<>&~$]|\[(?=[^\]]*\][(\[:]))", r"\\\1", text)


def _in_latex(text: str) -> str:
    escaped = re.sub(r"[\\~^<>|&%$#_{}]", lambda found: _LATEX[found.group()], text)
    # After the end of a row an opening bracket would be taken for its argument.
    return f"{{{escaped[0]}}}{escaped[1:]}" if escaped.startswith("[") else escaped
