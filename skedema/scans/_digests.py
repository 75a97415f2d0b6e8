"""Digests of files, each computed once a process while the file stays as it is."""

from __future__ import annotations

from functools import lru_cache

from skedema._caching.digest import file_digest
from skedema.scans._paths import file_key


@lru_cache(maxsize=2**16)
def digest_at(path: str, identity: tuple[int, ...], size: int) -> str:
    """Give the SHA-256 of the file that is there by its `file_key`; an OSError for another one."""
    found = file_digest(path)
    if file_key(path) != (path, identity, size):
        raise OSError(f"{path} was written meanwhile")  # and nothing is remembered
    return found
