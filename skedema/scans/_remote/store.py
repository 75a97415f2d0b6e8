"""What lies at an address, and how it is fetched, by way of fsspec."""

from __future__ import annotations

import base64
import errno
import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, NoReturn, TypeVar
from urllib.parse import unquote
from uuid import uuid4

from skedema._extras import how_to_install
from skedema.scans._addresses import (
    STORES,
    WEB,
    is_refused,
    place_of,
    scheme_of,
    shown,
    without_secrets,
)
from skedema.scans.errors import ScanError

Result = TypeVar("Result")

# Seconds before a second and a third try; stores try some kinds of failures again by themselves.
_WAITS = (0.5, 2.0)

_A_RUN = 600.0  # seconds that an answer holds; as many predictions ask for it again
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # stores raise none of these
_VERSIONS = ("ETag", "etag", "generation")
_UNTOLD = "of process "
_TIMES = ("LastModified", "last_modified", "Last-Modified", "updated", "mtime")


class Found(NamedTuple):
    """A file at an address, as it was when the store was asked.

    Parameters
    ----------
    address : str
        Where it lies.
    path : str
        What the store calls it.
    size : int
        Bytes.
    version : str
        Another one once it was written anew.
    md5 : str or None
        Of its content, in hexadecimal, where the store tells it.
    """

    address: str
    path: str
    size: int
    version: str
    md5: str | None

    @property
    def name(self) -> str:
        """What messages call it."""
        return shown(self.address)

    @property
    def identity(self) -> tuple[str, int, str]:
        """What its content depends on."""
        return place_of(self.address), self.size, self.version

    @property
    def version_told(self) -> bool:
        """Whether the store tells versions apart; if not, each answer counts as another one."""
        return not self.version.startswith(_UNTOLD)


_answers: dict[str, tuple[float, list[Found]]] = {}
_answering = Lock()


def look_up(address: str) -> list[Found]:
    """Ask what lies at an address, one file or all that lie in a folder, once in ten minutes.

    Raises
    ------
    ScanError
        If there is nothing, it may not be read, or the store does not answer.
    ImportError
        If what is needed for such addresses is not installed.
    """
    why = is_refused(address)
    if why:
        raise ScanError(f"{shown(address)}: {why}")
    address = address.strip()
    with _answering:
        at, files = _answers.get(address, (0.0, []))
    if not files or time.monotonic() - at > _A_RUN:
        files = _trying(address, lambda: _list(address))
        if not files:
            raise ScanError(f"{shown(address)}: is a folder without files; correct the address")
        with _answering:
            _answers[address] = time.monotonic(), files
    return files


def forget() -> None:
    """Ask all anew from here on."""
    with _answering:
        _answers.clear()


def fetch(found: Found, path: Path) -> None:
    """Bring a file to a path, and verify that it is the one that was found.

    Raises
    ------
    ScanError
        As `look_up`; if it is another one by now, or arrives damaged.
    OSError
        If the disk does not take it.
    """
    _trying(found.address, lambda: _store_of(found.address).get_file(found.path, str(path)))
    size = path.stat().st_size
    now = _trying(found.address, lambda: _file(found.address, found.path))
    if now.size != found.size or (found.version_told and now.version != found.version):
        forget()
        raise ScanError(f"{found.name}: was written anew while it was read; begin once more")
    if size != found.size:
        raise ScanError(
            f"{found.name}: {size:,} bytes arrived of {found.size:,}; try again, and look at the "
            "proxy or server if it stays so"
        )
    if found.md5 is not None and _md5(path) != found.md5 and not _is_no_md5(found):
        raise ScanError(
            f"{found.name}: what arrived is not what the store says it holds (MD5); try again, and "
            "restore the file there if it stays so"
        )


def _list(address: str) -> list[Found]:
    store = _store_of(address)
    root = str(store._strip_protocol(address))
    about = store.info(root)
    if about.get("type") != "directory":
        return [_found(address, root, about)]
    files = store.find(root, detail=True)
    start = f"{address.rstrip('/')}/"
    return [
        _found(start + path.removeprefix(root.rstrip("/")).lstrip("/"), path, about)
        for path, about in sorted(files.items())
        if not (path.endswith("/") and not about["size"])  # some stores mark folders so
    ]


def _file(address: str, path: str) -> Found:
    return _found(address, path, _store_of(address).info(path))


def _found(address: str, path: str, about: Mapping[str, Any]) -> Found:
    if scheme_of(address) in WEB:
        why = is_refused(about.get("url", address))  # where it was led on to
        if why:
            raise ScanError(f"{shown(address)}: leads on to another address, and {why}")
    if about.get("size") is None:
        raise ScanError(
            f"{shown(address)}: the server does not tell how many bytes it has, so that it cannot "
            "be verified; fetch it by other means and give its path"
        )
    told = [about[key] for key in (*_VERSIONS, *_TIMES) if about.get(key)]
    # Without any it may have changed since: another one each time.
    version = str(told[0]) if told else f"{_UNTOLD}{uuid4().hex}"
    return Found(address, path, int(about["size"]), version, _stated_md5(address, about))


def _stated_md5(address: str, about: Mapping[str, Any]) -> str | None:
    """Take the MD5 out of what a store tells of a file: each calls it something else."""
    settings = about.get("content_settings") or {}
    for stated in (about.get("md5Hash"), about.get("Content-MD5"), settings.get("content_md5")):
        if stated:
            return (base64.b64decode(stated) if isinstance(stated, str) else bytes(stated)).hex()
    tag = str(about.get("ETag", "")).strip('"').lower()
    is_md5 = len(tag) == 32 and not set(tag) - set("0123456789abcdef")
    return tag if is_md5 and scheme_of(address) in ("s3", "s3a") else None


def _is_no_md5(found: Found) -> bool:
    """Say whether an ETag of S3 only looks like an MD5: of what is encrypted by a key (KMS, SSE-C).

    (docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html, ETag)
    """
    if scheme_of(found.address) not in ("s3", "s3a"):
        return False
    bucket, key, _ = _store_of(found.address).split_path(found.path)

    def ask() -> Any:
        return _store_of(found.address).call_s3("head_object", Bucket=bucket, Key=key)

    about = _trying(found.address, ask)
    encryption = about.get("ServerSideEncryption", "AES256")
    return encryption != "AES256" or "SSECustomerAlgorithm" in about


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _store_of(address: str) -> Any:
    """Give what fsspec reads such addresses with; it keeps one a process and set of options."""
    scheme = str(scheme_of(address))
    try:
        import fsspec
    except ImportError as error:
        raise ImportError(f"{scheme}:// needs fsspec: {how_to_install('remote')}.") from error
    options: dict[str, Any] = {"use_listings_cache": False}
    try:
        if scheme in WEB:
            options["client_kwargs"] = _web_options() | fsspec.config.conf.get(scheme, {}).get(
                "client_kwargs", {}
            )
        return fsspec.filesystem(scheme, **options)
    except ImportError as error:
        package = STORES[scheme]
        raise ImportError(f"{scheme}:// needs {package}: pip install {package}.") from error


def _web_options() -> dict[str, Any]:
    """Have bytes as the server keeps them, by the proxy of the environment, however long it takes.

    A server may call a .nii.gz a .nii that it packed for the way.
    """
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)
    return {"auto_decompress": False, "trust_env": True, "timeout": timeout}


def _trying(address: str, function: Callable[[], Result]) -> Result:
    """Call a function, and again where that may help; raise what says what to do."""
    why = ""
    for wait in (0.0, *_WAITS):
        time.sleep(wait)
        try:
            return function()
        except (ScanError, ImportError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                raise
            why, helps = _reason(error, address)
        if not helps:
            break
    else:
        why += f", {len(_WAITS) + 1} times; look at the network, then call the same again"
    _refuse(address, why)  # out here, for the error itself may hold the whole address


def _refuse(address: str, why: str) -> NoReturn:
    raise ScanError(f"{shown(address)}: {why}")


def _reason(error: BaseException, address: str) -> tuple[str, bool]:
    """Say why something failed, and whether it may go well the next time."""
    cause = error.__cause__ if isinstance(error, FileNotFoundError) else None
    error = cause or error  # fsspec says so of whatever an https server answers
    told = getattr(error, "response", None) or {}  # of botocore
    status = getattr(error, "status", None) or told.get("ResponseMetadata", {}).get(
        "HTTPStatusCode"
    )
    if isinstance(error, FileNotFoundError) or status in (404, 410):
        return "there is no such file; correct the address", False
    kind = type(error).__name__
    if isinstance(error, PermissionError) or status in (401, 403) or "Credentials" in kind:
        return (
            "may not be read; give credentials as its store takes them (for s3:// AWS_PROFILE, or "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), or sign the address anew",
            False,
        )
    text = " ".join(str(error).split())
    for whole in {address, unquote(address)}:
        text = text.replace(whole, shown(address))
    return f"cannot be fetched ({kind}: {without_secrets(text)[:200]})", True
