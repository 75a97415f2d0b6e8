"""What is odd about scans that are read all the same: gathered, and said once a call."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skedema import _told

Kind = Literal["files", "intensity", "mask", "pose", "turn", "cut", "size"]

#: What is the matter with scans, by kind of remark: "these are ...".
_MATTER: dict[str, str] = {
    "files": "read, though files or header contradict each other or may be incomplete",
    "intensity": "not in HU",
    "mask": "read without a brain mask, and as scanned, for none is found that can be trusted",
    "pose": "left as scanned, for no pose of the head is found that can be trusted",
    "turn": "prepared but not turned, for no pose of the head is found that can be trusted",
    "cut": "prepared by what the field of view holds of the head, which is cut off",
    "size": "stretched onto the grid, for nothing tells a size in mm",
}


class Remark(NamedTuple):
    """Something odd about one scan, with the remedy."""

    kind: Kind
    text: str

    def __str__(self) -> str:
        return f"{_MATTER[self.kind]}: {self.text}"


class Told(NamedTuple):
    """A remark, and the scan that it is about: its row, and its name where it has one."""

    row: str
    name: str
    remark: Remark


def packed(remarks: Iterable[Remark]) -> NDArray[np.float32]:
    """Turn remarks into numbers, which an `ArrayStore` keeps."""
    text = json.dumps([tuple(remark) for remark in remarks])
    return np.frombuffer(text.encode("ascii"), np.uint8).astype(np.float32)


def unpacked(numbers: NDArray[Any]) -> tuple[Remark, ...] | None:
    """Give remarks that were packed; None for numbers that are something else."""
    try:
        text = numbers.astype(np.uint8).tobytes().decode("ascii")
        return tuple(Remark(kind, str(text)) for kind, text in json.loads(text) if kind in _MATTER)
    except (ValueError, TypeError):
        return None


class Gathered(list[Told]):
    """What was told, and of how many scans at most."""

    n_scans = 0


_gathering: ContextVar[Gathered | None] = ContextVar("gathering", default=None)


@contextmanager
def gathered() -> Iterator[Gathered]:
    """Gather what is told within, in this thread, in place of warnings."""
    told = Gathered()
    token = _gathering.set(told)
    try:
        yield told
    finally:
        _gathering.reset(token)


@contextmanager
def unheard() -> Iterator[None]:
    """Let nothing be told within, in this thread, of what was told before."""
    with gathered(), _told.listening(), _told.recorded():
        yield


@contextmanager
def told_once() -> Iterator[None]:
    """Warn once, at the end, of all that is told within."""
    with gathered() as told:
        yield
    tell(told, told.n_scans)


def tell(told: Iterable[Told], n_scans: int | None) -> None:
    """Warn of odd scans out of so many, None for an unknown number, or hand them to who gathers.

    One warning for all of them: counted by kind, with rows and names, and the text of the first.
    """
    told = _distinct(told)
    outer = _gathering.get()
    if outer is not None:
        outer += told
        outer.n_scans = max(outer.n_scans, n_scans or 0)
    elif told:
        _told.tell(_message(told, n_scans))


def _distinct(told: Iterable[Told]) -> list[Told]:
    """Keep what is told twice once, also where one who tells knows the index of the row."""
    told = list(told)
    fullest: dict[tuple[str, str], str] = {}
    for row, name, _ in told:
        scan = _without_index(row), name
        fullest[scan] = max(fullest.get(scan, ""), row, key=len)
    return list(
        dict.fromkeys(
            each._replace(row=fullest[_without_index(each.row), each.name]) for each in told
        )
    )


def _without_index(row: str) -> str:
    return row.partition(" (index ")[0]


def note(name: str, text: str) -> None:
    """Tell what is odd about the files of one scan, and the remedy."""
    if _gathering.get() is None:
        _told.tell(f"{name}: {text}")
    else:
        tell([Told("", repr(name), Remark("files", text))], 1)


def _message(told: Iterable[Told], n_scans: int | None) -> str:
    by_kind: dict[str, dict[tuple[str, str], str]] = defaultdict(dict)
    for row, name, remark in told:
        before = by_kind[remark.kind].get((row, name))
        by_kind[remark.kind][row, name] = f"{before}; {remark.text}" if before else remark.text
    parts = []
    for kind in sorted(by_kind, key=list(_MATTER).index):
        scans = by_kind[kind]
        verb = "is" if len(scans) == 1 else "are"
        count = f"{len(scans)} of {n_scans} scans {verb}"
        if n_scans is None:
            count = f"{len(scans)} scan{'s' if len(scans) > 1 else ''} {verb}"
        where = [" ".join(filter(None, (row, name))) for row, name in scans]
        more = f" and {len(where) - 5} more" if len(where) > 5 else ""
        first = next(iter(scans.values()))
        text = first if len(set(scans.values())) == 1 else f"the first: {first}"
        text = text[:1].upper() + text[1:]
        text = text.removesuffix(".")
        parts.append(f"{count} {_MATTER[kind]} ({', '.join(where[:5])}{more}). {text}.")
    return " ".join(parts) + " skedema.scans.check(scans, volume=...) lists what is odd about each."
