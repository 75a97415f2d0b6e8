from __future__ import annotations

import re


def test_numbers_are_halved_and_identifiers_left_out(page, result):
    part = page.html.split('id="subgroups"')[1].split("</section>")[0]
    captions = re.findall(r"<caption>(.*?)</caption>", part)
    assert captions == ["By sex", "By sodium"]  # not by mrn, though it was named
    middle = result.covariates["sodium"].median()
    assert re.search(rf"below {str(middle)[:6]}", part)
    rows = re.findall(r'<th scope="row">(.*?)</th>', part)
    assert rows[:2] == ["female", "male"]
    assert rows[2].startswith("below ")
    assert rows[3].endswith(" and above")
