"""What a page is put together of; how each looks is said in ``templates/pieces.html``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass
class Section:
    """A part of a page with a heading.

    Parameters
    ----------
    title : str
        Its heading.
    pieces : list
        Texts (each a paragraph), `Facts`, `Notice`, `Table`, `Picture`, and further sections,
        which are one level of headings below.
    folded : bool, default=False
        Whether it is opened by a click; in print it is open.
    """

    title: str
    pieces: list[Any] = field(default_factory=list)
    folded: bool = False
    kind: ClassVar[str] = "section"

    @property
    def id(self) -> str:
        """What links to it say."""
        return re.sub(r"\W+", "-", self.title.lower()).strip("-")


@dataclass
class Facts:
    """Terms and what is known of each."""

    items: Sequence[tuple[str, str]]
    kind: ClassVar[str] = "facts"


@dataclass
class Notice:
    """A text that has to be seen; `what` says of what sort in a word or two."""

    text: str
    what: str = "Note"
    kind: ClassVar[str] = "notice"


@dataclass
class Table:
    """Cells as texts, with the first `n_headers` of each row as its heading.

    Columns whose name is in `numbers` stand to the right, below each other.
    """

    caption: str
    columns: list[str]
    rows: list[list[str]]
    n_headers: int = 1
    numbers: frozenset[int] = frozenset()
    note: str = ""
    kind: ClassVar[str] = "table"


@dataclass
class Pictures:
    """Several pictures, side by side where there is room."""

    pictures: Sequence[Picture]
    kind: ClassVar[str] = "pictures"


@dataclass
class Picture:
    """An image as a data URI, with what it says in words for who cannot see it.

    One that is `wide` takes the whole line, and is scrolled through on a phone.
    """

    source: str
    alt: str
    caption: str = ""
    title: str = ""
    wide: bool = False
    kind: ClassVar[str] = "picture"
