"""A page in one file."""

from __future__ import annotations

import os
import tempfile
import webbrowser
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skedema._caching.whole_files import write_whole
from skedema._extras import how_to_install

if TYPE_CHECKING:
    from jinja2 import Environment


class Page:
    """A page of HTML in one file, which asks no network for anything.

    Parameters
    ----------
    template : str
        Name of a file in ``skedema/_pages/templates``.
    title : str
        Of the page: its first heading, and the name of the browser's tab.
    **context
        What else the template needs. All of it is escaped, but for what the style sheet and
        scripts of the package say.

    Examples
    --------
    >>> from skedema._pages import Page, Section
    >>> page = Page("sections.html", title="A page", sections=[Section("Words", ["One, two."])])
    >>> page.save_as_html("page.html")
    >>> "One, two." in page.html
    True
    """

    def __init__(self, template: str, *, title: str, **context: Any) -> None:
        self.template = template
        self.title = title
        self.context = context

    @cached_property
    def html(self) -> str:
        """The page as text."""
        return _rendered(self.template, title=self.title, **self.context)

    def save_as_html(self, path: str | os.PathLike[str]) -> None:
        """Write the page, whole or not at all.

        Parameters
        ----------
        path : path
            The file; its folder is made if need be, and what it held before is replaced.

        Raises
        ------
        OSError
            When it cannot be written; what was there before is still there.
        """
        content = self.html.encode("utf-8")
        write_whole(Path(path), lambda file: file.write(content))

    def open_in_browser(self) -> None:
        """Show the page in the browser.

        It is written into a folder of its own for temporary files, which only you can read, and
        stays there, because nobody can tell when the browser has read it.
        """
        path = Path(tempfile.mkdtemp(prefix="skedema-")) / "page.html"
        self.save_as_html(path)
        webbrowser.open(path.as_uri())

    def _repr_html_(self) -> str:
        """Show the page in a notebook, in a frame of its own."""
        return _rendered("frame.html", title=self.title, html=self.html)

    def __repr__(self) -> str:
        return f"<Page {self.title!r}: save_as_html(path), open_in_browser()>"


def _rendered(template: str, **context: Any) -> str:
    return _environment().get_template(template).render(**context)


def _environment() -> Environment:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise ImportError(
            f"A page needs jinja2, and it is not installed: {how_to_install('report')}"
        ) from error
    made = Environment(
        loader=PackageLoader("skedema._pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["static"] = _static
    return made


def _static(name: str) -> str:
    """Give the text of a file of the package."""
    return (Path(__file__).parent / "static" / name).read_text(encoding="utf-8")
