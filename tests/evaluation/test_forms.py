from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from skedema.evaluation._forms import in_form

ODD = r"a_b & 5% | <c> *d* $e$ #{f} ~^\g `h` [1](x)"


class Cells(HTMLParser):
    """The texts of the cells of all tables, row by row."""

    def __init__(self, html):
        super().__init__()
        self.rows, self.within = [], False
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
        self.within = tag in ("td", "th")
        if self.within:
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.within:
            self.rows[-1][-1] += data

    def handle_endtag(self, tag):
        self.within = False


def table(name=ODD):
    index = pd.Index([name, "plain"], name="estimator")
    cells = [["0.80 (0.69 to 0.89)", ""], ["0.7", "[0, 1]"]]
    columns = pd.Index(["roc_auc", "f1"], name="positive class 'x_y'")
    return pd.DataFrame(cells, index, columns)


def test_html_reads_back_as_the_table():
    head, first, second = Cells(in_form(table(), "html")).rows
    assert head == ["estimator, positive class 'x_y'", "roc_auc", "f1"]
    assert first == [ODD, "0.80 (0.69 to 0.89)", ""]
    assert second == ["plain", "0.7", "[0, 1]"]


def test_markdown_shows_names_as_they_are():
    head, rule, first, second = in_form(table(), "markdown").splitlines()
    cells = re.split(r"(?<!\\)\|", first)[1:-1]
    assert len(cells) == head.count("|") - 1 == rule.count("|") - 1 == 3
    assert re.sub(r"\\([\W_])", r"\1", cells[0].strip()) == ODD
    assert not re.search(r"(?<!\\)[_*<`$&~]", cells[0])
    assert second == "| plain | 0.7 | [0, 1] |"
    assert head == r"| estimator, positive class 'x\_y' | roc\_auc | f1 |"


def test_latex_shows_names_as_they_are():
    text = in_form(table(), "latex")
    lines = text.splitlines()
    assert lines[0] == r"\begin{tabular}{lrr}"
    assert lines[2] == r"estimator, positive class 'x\_y' & roc\_auc & f1 \\"
    first = lines[4]
    plain = first.removesuffix(r" \\")
    for command in (r"\textbackslash{}", r"\textasciitilde{}", r"\textasciicircum{}"):
        assert command in plain
    bare = re.sub(r"\\text\w+\{\}|\\[&%$#_{}]", "", plain)
    assert not re.search(r"[%$#_{}~^\\<>|]", bare)
    assert bare.count("&") == 2  # between the cells
    assert lines[5].endswith(r"& {[}0, 1] \\")


def test_lines_do_not_break_a_row():
    assert len(in_form(table("a\nb"), "markdown").splitlines()) == 4
    assert r"a b & 0.80" in in_form(table("a\nb"), "latex")


def test_a_frame_stays_one():
    pd.testing.assert_frame_equal(in_form(table(), "frame"), table())


def test_forms_of_an_evaluation_hold_the_same_cells(result):
    arguments = {"metrics": ["roc_auc", "recall"], "n_resamples": 20, "digits": 2}
    frame = result.table(**arguments)
    for form in ("markdown", "latex", "html"):
        text = result.table(**arguments, form=form)
        for cell in frame.to_numpy().ravel():
            assert cell in text
        assert "positive class 1" in text
    with pytest.raises(ValueError, match=r"form must be one of .*'csv'"):
        result.table(form="csv")


def test_a_notebook_shows_an_evaluation_with_its_external_patients(result):
    html = result._repr_html_()
    assert "&lt;Evaluation of 3 estimators" in html
    head, *rows = Cells(html).rows
    assert head[1:] == ["roc_auc", "recall", "specificity", "brier"]
    assert [row[0] for row in rows] == result.names
    both = dataclasses.replace(result, external=result, metric_names=("roc_auc", "log_loss"))
    assert len(Cells(both._repr_html_()).rows) == 8
