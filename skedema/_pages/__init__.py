"""Pages of HTML in one file: templates, styles, pictures and a viewer of scans.

A page is a template of `templates/` and what goes into it. Templates extend ``base.html``, which
brings the style sheet, the way to the content and the list of sections; ``sections.html`` is one
for a list of `Section`, each a list of pieces: text, `Facts`, `Notice`, a table, a picture.
"""

from __future__ import annotations

from skedema._pages.page import Page
from skedema._pages.pictures import picture_of
from skedema._pages.pieces import Facts, Notice, Picture, Pictures, Section, Table
from skedema._pages.tables import table_of
from skedema._pages.viewer import Case, Show, Viewer, packed_relevance, packed_scan

__all__ = [
    "Case",
    "Facts",
    "Notice",
    "Page",
    "Picture",
    "Pictures",
    "Section",
    "Show",
    "Table",
    "Viewer",
    "packed_relevance",
    "packed_scan",
    "picture_of",
    "table_of",
]
