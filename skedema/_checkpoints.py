"""Checkpoints that survive a kill at any moment, a full disk and damage."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import torch

from skedema._caching.digest import DIGEST_SIZE, DigestedWriter, digest, raw_digest
from skedema._caching.whole_files import open_file, sweep, sync_folder, write_whole
from skedema._told import tell

# Share of the time that goes into checkpoints where nobody says how often, and seconds before the
# first, of which it is not known yet how long it takes.
_SHARE, _FIRST = 0.02, 1.0
_MAGIC = b"SKEDEMA1"
_TRAILER = DIGEST_SIZE + len(_MAGIC)


class Checkpoints:
    """The two newest checkpoints of one run, in a folder of their own.

    A checkpoint is written whole or not at all (`write_whole`); the one before it is kept. The end
    of a file holds the SHA-256 of the rest, so that a damaged one is noticed and the one before it
    is used. Loading executes no code (``torch.load(weights_only=True)``).

    Parameters
    ----------
    folder : path
        Made if need be. Temporary files of a run that was killed are removed.
    name : str
        What files are called.
    fingerprint : mapping of str to str
        What makes the run what it is; a checkpoint with another one is refused.
    minutes : float or None
        Least time between two checkpoints; 0 writes one after every step. None: as often as makes
        them a fiftieth of the time.
    lenient : bool
        Whether what is damaged is made anew, with a warning, where no checkpoint is whole.
    cache : bool
        Whether the folder is a cache: then other processes may be at the same run now, and nothing
        about the folder ends a fit. It is lenient.

    Raises
    ------
    ValueError
        When nothing can be written to the folder, unless it is a cache.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        name: str,
        fingerprint: Mapping[str, str],
        minutes: float | None,
        *,
        lenient: bool = False,
        cache: bool = False,
    ) -> None:
        self.folder = Path(folder).expanduser()
        self.name = name
        self.fingerprint = dict(fingerprint)
        self.minutes = minutes
        self.lenient = lenient or cache
        self.cache = cache
        self._due = time.monotonic() + (_FIRST if minutes is None else 60 * minutes)
        self._warned = False
        self._newest, self._previous = _files(self.folder, name)
        sweep(self.folder, f".{name}-", at_once=not cache)
        if not cache:
            make_folder(self.folder)

    def save_if_due(self, state: Callable[[], dict[str, Any]], *, last: bool = False) -> None:
        """Write a checkpoint when the last one is old enough, or where the run ends.

        `state` gives what is to be kept: tensors, numbers and text in dicts and lists. Where it
        cannot be written, one warning says so: training must not be lost to that.
        """
        began = time.monotonic()
        if not last and began < self._due:
            return
        content = state()
        try:
            self.save(content)
        except (OSError, RuntimeError) as error:  # torch makes one of the other
            if isinstance(error.__context__, KeyboardInterrupt):  # and of an interrupt, too
                raise error.__context__ from None
            self._warn_once(error)
        now = time.monotonic()
        self._due = now + ((now - began) / _SHARE if self.minutes is None else 60 * self.minutes)

    def save(self, state: dict[str, Any]) -> None:
        """Write a checkpoint; where that fails, the one before is still there."""

        def write(file: BinaryIO) -> None:
            digested = DigestedWriter(file)
            content = {"fingerprint": self.fingerprint, "state": state}
            torch.save(content, cast(IO[bytes], digested))
            file.write(digested.raw_digest() + _MAGIC)

        def keep_previous() -> None:
            with suppress(FileNotFoundError):
                os.replace(self._newest, self._previous)

        write_whole(self._newest, write, prefix=f".{self.name}-", before_naming=keep_previous)
        sync_folder(self.folder)

    def forget_previous(self) -> None:
        """Remove the checkpoint before the newest, which is the end of the run."""
        if self._newest.exists():
            with suppress(OSError):
                self._previous.unlink()

    def load(self, problem_of: Callable[[Any], str] = lambda state: "") -> dict[str, Any] | None:
        """Give the newest checkpoint that is whole; None where there is none.

        A damaged one is told with a warning. `problem_of` says why what was kept cannot be gone on
        from; empty where it can.

        Raises
        ------
        ValueError
            When it belongs to another run (the message says in what), or none is whole. Not if
            lenient.
        """
        damaged: list[str] = []
        for path in (self._newest, self._previous):
            try:
                content = _read(path)
                self._refuse_foreign(path, content["fingerprint"])
                problem = problem_of(content["state"])
                if problem:
                    raise _DamagedError(problem)
            except FileNotFoundError:
                continue
            except (OSError, _DamagedError) as error:
                damaged.append(f"{path} is damaged ({error})")
                continue
            if damaged:
                tell(f"{damaged[0]}; training goes on from the checkpoint before it, {path}.")
            state: dict[str, Any] = content["state"]
            return state
        if damaged and self.lenient:
            tell(f"{' and '.join(damaged)}; training begins anew.")
        elif damaged:
            raise ValueError(
                f"{' and '.join(damaged)}, and there is no other checkpoint. Remove what is "
                "damaged to train from the beginning."
            )
        return None

    def _refuse_foreign(self, path: Path, found: Mapping[str, str]) -> None:
        differences = [
            f"{name}={found.get(name)} there, {self.fingerprint.get(name)} here"
            for name in sorted({*found, *self.fingerprint})
            if found.get(name) != self.fingerprint.get(name)
        ]
        if not differences:
            return
        what = f"is the checkpoint of another run: {'; '.join(differences)}"
        if self.lenient:
            raise _DamagedError(what)
        raise ValueError(
            f"{path} {what}. Give this run a checkpoint_dir of its own, the parameters and scans "
            "of that one, or remove it."
        )

    def _warn_once(self, error: Exception) -> None:
        if self._warned:
            return
        self._warned = True
        remedy = "memory=" if self.cache else "checkpoint_dir="
        tell(
            f"{self.folder}: no checkpoint can be written there ({error}). Training goes on, and "
            "the fitted model is not touched by it; but if it is stopped, it has to begin again "
            f"from the last checkpoint. Free space there, or give {remedy} another folder."
        )


def make_folder(folder: Path) -> None:
    """Make the folder that `checkpoint_dir` names, or refuse it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError:  # somebody removes it at this moment: it is made to write
        pass
    except OSError as error:
        raise ValueError(
            f"checkpoint_dir: {folder} cannot be made ({error}). Give a folder that can be "
            "written to, or leave checkpoint_dir out."
        ) from error


def folder_of_run(folder: Path, name: str, fingerprint: Mapping[str, str]) -> Path:
    """Give a run's own folder in the one that all runs share, so that none disturbs another.

    Or that one itself, where it holds a checkpoint of this very run, as it did before runs had
    folders of their own.
    """
    for path in _files(folder, name):
        with suppress(OSError, _DamagedError):
            if _read(path)["fingerprint"] == dict(fingerprint):
                return folder
    return folder / digest(json.dumps(dict(fingerprint), sort_keys=True))[:32]


def _files(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}.ckpt", folder / f"{name}.previous.ckpt"


class _DamagedError(Exception):
    """Why a checkpoint is none."""


def _read(path: Path) -> dict[str, Any]:
    """Give the content of a checkpoint, or raise what is wrong with it."""
    file = open_file(path)
    if file is None:
        raise _DamagedError("it is no file")
    with file:
        content = file.read()
    payload, trailer = memoryview(content)[:-_TRAILER], content[-_TRAILER:]
    if trailer != raw_digest(payload) + _MAGIC:
        raise _DamagedError("its digest is not that of its content")
    try:
        loaded = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception as error:  # torch and pickle raise many types
        # The rest of torch's message says how to run code out of the file.
        raise _DamagedError(str(error).split(".")[0]) from error
    parts = loaded if isinstance(loaded, dict) else {}
    fingerprint, state = parts.get("fingerprint"), parts.get("state")
    if not isinstance(fingerprint, dict) or not isinstance(state, dict):
        raise _DamagedError("it holds no run")
    return parts
