from __future__ import annotations

import re
import stat
import sys
import webbrowser
from html import unescape
from html.parser import HTMLParser

import pytest

from skedema._extras import how_to_install
from skedema._pages import Facts, Notice, Page, Section

HOSTILE = """<script>alert("x")</script> & 'one'"""


def page(**more):
    sections = [Section("First", ["Words.", Section("Below", [Facts([("a", "b")])])])]
    return Page("sections.html", title="A title", sections=sections, **more)


def test_page_is_written_whole_and_replaces_what_was_there(tmp_path):
    path = tmp_path / "new folder" / "page.html"
    for _ in range(2):
        page().save_as_html(path)
    assert path.read_text(encoding="utf-8") == page().html
    assert [each.name for each in path.parent.iterdir()] == ["page.html"]


def test_what_was_there_stays_when_a_page_cannot_be_made(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("before", encoding="utf-8")
    with pytest.raises(Exception, match="sections"):
        Page("sections.html", title="nothing to show").save_as_html(path)
    assert path.read_text(encoding="utf-8") == "before"


def test_all_that_is_handed_over_is_escaped():
    sections = [Section(HOSTILE, [HOSTILE, Notice(HOSTILE, HOSTILE), Facts([(HOSTILE, HOSTILE)])])]
    html = Page("sections.html", title=HOSTILE, sections=sections).html
    assert "alert(" in html
    assert "<script>alert" not in html


def test_page_asks_no_network_and_its_policy_allows_none():
    html = page().html
    assert not re.search(r"""(?:src|href)=["'](?!#|data:)""", html)
    assert "default-src 'none'" in html


def test_notebook_gets_a_frame_that_holds_the_page():
    class Frames(HTMLParser):
        found: tuple = ()

        def handle_starttag(self, tag, attrs):
            self.found += ((tag, dict(attrs)),)

    frames = Frames()
    frames.feed(page()._repr_html_())
    ((tag, attributes),) = frames.found
    assert tag == "iframe"
    assert attributes["srcdoc"] == page().html
    assert attributes["title"] == "A title"


def test_browser_opens_a_file_that_only_the_user_can_read(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    page().open_in_browser()
    (folder,) = tmp_path.iterdir()
    assert opened == [(folder / "page.html").as_uri()]
    assert (folder / "page.html").read_text(encoding="utf-8") == page().html
    if sys.platform != "win32":
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_without_jinja2_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=how_to_install("report")):
        page().html  # noqa: B018


def test_headings_go_down_one_level_at_a_time_and_links_lead_to_them():
    sections = [Section(f"No. {k}", [Section(f"Part {k}")]) for k in range(3)]
    html = Page("sections.html", title="A title", sections=sections).html
    levels = [int(level) for level in re.findall(r"<h(\d)", html)]
    assert levels == [1, 2, 3, 2, 3, 2, 3]
    ids = re.findall(r'id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    links = re.findall(r'href="#([^"]+)"', html)
    assert set(links) <= set(ids)
    assert {"no-0", "no-1", "no-2", "content"} <= set(links)
    assert unescape(html).count("A title") == 2  # the heading and the tab
