from __future__ import annotations

import base64

import pytest

from skedema._pages import Page, Section, picture_of

pytest.importorskip("matplotlib")


@pytest.fixture
def figure():
    from matplotlib.figure import Figure

    made = Figure(figsize=(2, 2))
    made.subplots().plot([0, 1], [0, 1])
    return made


@pytest.mark.parametrize(("form", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_figure_becomes_a_picture_with_its_words(figure, form, start):
    picture = picture_of(figure, 'A "line"', caption="Below", form=form)
    head, content = picture.source.split(",")
    assert head.endswith(";base64")
    assert base64.b64decode(content).startswith(start)
    assert picture == picture_of(figure, 'A "line"', caption="Below", form=form)
    html = Page("sections.html", title="T", sections=[Section("S", [picture])]).html
    assert 'alt="A &#34;line&#34;"' in html
    assert "<figcaption>Below</figcaption>" in html


def test_picture_without_words_is_refused(figure):
    with pytest.raises(ValueError, match="give alt="):
        picture_of(figure, " ")
