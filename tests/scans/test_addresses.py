from __future__ import annotations

import pytest

from skedema.scans._addresses import is_refused, place_of, scheme_of, shown, without_secrets

SIGNED = "https://h.org/a/scan.nii.gz?X-Amz-Credential=AKIA&X-Amz-Signature=0a1b&X-Amz-Expires=9"


@pytest.mark.parametrize("path", ["scans/a.nii.gz", r"C:\scans\a.nii", "a", "", "/s3:/a", "://a"])
def test_paths_are_no_addresses(path):
    assert scheme_of(path) is None


def test_addresses_are_told_by_what_they_begin_with():
    assert [scheme_of(each) for each in ("s3://b/a", " HTTPS://h/a", 3.0, None)] == [
        "s3",
        "https",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (SIGNED, "https://h.org/a/scan.nii.gz"),
        ("https://me:s3cret@h.org/scan.nii?sig=1", "https://h.org/scan.nii"),
        ("https://me:p@ss@h.org/scan.nii#token=1", "https://h.org/scan.nii"),
        ("s3://b/a#1 of 2.nii.gz", "s3://b/a#1 of 2.nii.gz"),  # a name like any other there
        ("s3://b/a.nii.gz?versionId=3", "s3://b/a.nii.gz"),
        ("abfss://exams@me.dfs.core.windows.net/a", "abfss://exams@me.dfs.core.windows.net/a"),
        ("az://me:s3cret@exams/a", "az://exams/a"),
    ],
)
def test_what_is_shown_has_no_secrets(address, expected):
    assert shown(address) == expected


def test_secrets_are_taken_out_of_texts():
    text = f"503, message='', url='{SIGNED}' or https://u:pw@h.org/x (me@h.org asked?)"
    assert without_secrets(text) == (
        "503, message='', url='https://h.org/a/scan.nii.gz' or https://h.org/x (me@h.org asked?)"
    )


def test_a_place_is_the_same_however_it_is_signed():
    assert place_of(SIGNED) == place_of("https://me:pw@h.org/a/scan.nii.gz")
    assert place_of("abfs://one@me.net/a") != place_of("abfs://other@me.net/a")  # containers
    assert place_of("https://h.org/a?sig=x&se=2&sp=r&v=7") == "https://h.org/a?v=7"
    assert place_of("https://h.org/a?Signature=x&Expires=2&id=7") == "https://h.org/a?id=7"


@pytest.mark.parametrize(
    "pair",
    [
        ("https://h.org/get?id=1", "https://h.org/get?id=2"),
        ("https://h.org/get?sp=1", "https://h.org/get?sp=2"),  # nothing is signed here
        ("s3://b/a#1.nii", "s3://b/a#2.nii"),
        ("s3://b/a?versionId=1", "s3://b/a?versionId=2"),
        ("s3://b/a.nii", "s3://c/a.nii"),
    ],
)
def test_places_that_differ_are_told_apart(pair):
    assert len({place_of(each) for each in pair}) == 2


@pytest.mark.parametrize("address", ["s3://b/a", "gs://b/a", "https://h/a", "http://127.0.0.1:1/a"])
def test_stores_and_this_machine_are_allowed(address):
    assert is_refused(address) is None


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://h.org/a", "use https://"),
        ("http://localhost.h.org/a", "use https://"),
        ("file:///etc/passwd", "not fetched by file://"),
        ("ftp://h.org/a", "not fetched by ftp://"),
        ("simplecache::s3://b/a", "not fetched by"),
        ("zip://a::https://h.org/b.zip", "not fetched by zip://"),
    ],
)
def test_all_else_is_refused(address, why):
    if scheme_of(address) is not None:
        assert why in is_refused(address)
