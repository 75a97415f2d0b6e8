"""Addresses such as s3://bucket/scan.nii.gz: told from paths, and shown without their secrets."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode, urlsplit

#: The stores that are read from, and the package of each that fsspec asks for.
STORES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "https": "aiohttp",
    "http": "aiohttp",  # of this machine alone
}
WEB = ("https", "http")
#: Where a folder can be asked for its files.
FOLDERS = STORES.keys() - WEB

_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]+)://")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
# What signs an address lasts for hours, and is not of what lies there: Amazon's and Google's, and,
# where there is a signature beside them, the older ones of both and Microsoft's.
_SIGNING = re.compile(r"x-(amz|goog)-.*", re.IGNORECASE)
_SIGNING_BESIDE = {
    "signature": re.compile(
        r"signature|expires|awsaccesskeyid|googleaccessid|key-pair-id|policy", re.IGNORECASE
    ),
    "sig": re.compile(r"sig|se|sp|st|sv|sr|ss|srt|sip|spr|sk[a-z]+", re.IGNORECASE),
}
_USER = re.compile(r"(?<=://)[^\s/?#]*@")
_PASSWORD = re.compile(r"(?<=://)[^\s/?#]*:[^\s/?#]*@")
_QUERY = re.compile(r"[?&#][^\s'\"<>?&=]+=[^\s'\"<>]*")


def scheme_of(text: object) -> str | None:
    """Give what an address begins with, in lower case; None for what is no address."""
    found = _SCHEME.match(text) if isinstance(text, str) else None
    return found[1].lower() if found else None


def without_secrets(text: str) -> str:
    """Take user names, passwords and what follows a question mark out of addresses in a text."""
    return _QUERY.sub("", _USER.sub("", text))


def shown(address: str) -> str:
    """Give an address as messages may name it."""
    address = address.strip().partition("?")[0]
    return _without_user(address.partition("#")[0] if scheme_of(address) in WEB else address)


def place_of(address: str) -> str:
    """Tell what lies at an address from all else: without who asks, and how that is signed."""
    address = address.strip()
    if scheme_of(address) not in WEB:
        return _without_user(address)
    parts = urlsplit(address)
    query = parse_qsl(parts.query, keep_blank_values=True)
    names = {name.lower() for name, _ in query}
    signing = [_SIGNING, *(which for name, which in _SIGNING_BESIDE.items() if name in names)]
    kept = [pair for pair in query if not any(each.fullmatch(pair[0]) for each in signing)]
    place = _USER.sub("", parts._replace(query="", fragment="").geturl())
    return f"{place}?{urlencode(kept)}" if kept else place


def _without_user(address: str) -> str:
    # What Azure has there without a colon is the container: abfss://exams@account.dfs.core...
    return (_PASSWORD if STORES.get(str(scheme_of(address))) == "adlfs" else _USER).sub("", address)


def is_refused(address: str) -> str | None:
    """Say why nothing is fetched from an address, whoever asks; None where it is."""
    scheme = scheme_of(address)
    if scheme == "file":
        return "scans are not fetched by file://; give the path alone"
    if scheme not in STORES:
        known = ", ".join(f"{name}://" for name in STORES if name != "http")
        return f"scans are not fetched by {scheme}://; copy it to a folder, or to one of {known}"
    if scheme == "http" and urlsplit(address.strip()).hostname not in _LOOPBACK:
        return (
            "http:// is neither secret nor safe from changes on the way; use https://, or fetch "
            "the file by other means and give its path"
        )
    return None
