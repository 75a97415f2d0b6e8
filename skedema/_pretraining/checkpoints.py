"""Checkpoints that survive a kill at any moment and are never half read."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

import torch
from joblib import Memory

_NAME, _PREVIOUS = "vit_autoencoder.ckpt", "vit_autoencoder.previous.ckpt"
_TEMPORARY = ".vit_autoencoder-"
_STRAY_AFTER = 3600.0  # seconds
_MAGIC = b"SKEDEMA1"
_TRAILER = hashlib.sha256().digest_size + len(_MAGIC)


class Checkpoints:
    """The two newest checkpoints of one run, in a folder of their own.

    A checkpoint is written to a temporary file in the same folder, brought to the disk (fsync), and
    only then given its name; the one before it is kept. The end of a file holds the SHA-256 of the
    rest, so that a damaged one is noticed and the one before it is used. Loading executes no code
    (``torch.load(weights_only=True)``).

    Parameters
    ----------
    folder : path
        Made if need be. Temporary files of a run that was killed are removed.
    fingerprint : mapping of str to str
        What makes the run what it is; a checkpoint with another one is refused.
    minutes : float
        Least time between two checkpoints; 0 writes one after every step.
    shared : bool
        Whether other processes may be at the same run now: temporary files are then left for an
        hour.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        fingerprint: Mapping[str, str],
        minutes: float,
        *,
        shared: bool = False,
    ) -> None:
        self.folder = Path(folder).expanduser()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.fingerprint = dict(fingerprint)
        self.minutes = minutes
        self._last = time.monotonic()
        for stray in self.folder.glob(f"{_TEMPORARY}*"):
            with suppress(FileNotFoundError):
                if not shared or time.time() - stray.stat().st_mtime > _STRAY_AFTER:
                    stray.unlink()

    def save_if_due(self, state: Callable[[], dict[str, Any]], *, last: bool = False) -> None:
        """Write a checkpoint when the last one is old enough.

        Parameters
        ----------
        state : callable
            Gives what is to be kept: tensors, numbers and text in dicts and lists.
        last : bool
            Whether the run ends here: then it is written in any case.
        """
        if last or time.monotonic() - self._last >= 60 * self.minutes:
            self.save(state())
            self._last = time.monotonic()

    def save(self, state: dict[str, Any]) -> None:
        """Write a checkpoint.

        Parameters
        ----------
        state : dict
            What is to be kept.
        """
        handle, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=self.folder)
        try:
            with open(handle, "wb") as file:
                hashing = _Hashing(file)
                torch.save(
                    {"fingerprint": self.fingerprint, "state": state}, cast(IO[bytes], hashing)
                )
                file.write(hashing.sha256.digest() + _MAGIC)
                file.flush()
                os.fsync(file.fileno())
            newest = self.folder / _NAME
            with suppress(FileNotFoundError):
                os.replace(newest, self.folder / _PREVIOUS)
            os.replace(temporary, newest)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        _sync_folder(self.folder)

    def load(self) -> dict[str, Any] | None:
        """Give the newest checkpoint that is whole.

        Returns
        -------
        dict or None
            What was kept; None where there is no checkpoint.

        Raises
        ------
        ValueError
            When it belongs to another run (the message says in what), or none is whole.
        """
        damaged: list[str] = []
        for path in (self.folder / _NAME, self.folder / _PREVIOUS):
            if not path.exists():
                continue
            content = _read(path)
            if content is None:
                damaged.append(str(path))
                continue
            self._refuse_foreign(path, content["fingerprint"])
            if damaged:
                warnings.warn(
                    f"{damaged[0]} is damaged; training goes on from the checkpoint before it, "
                    f"{path}.",
                    stacklevel=2,
                )
            state: dict[str, Any] = content["state"]
            return state
        if damaged:
            raise ValueError(
                f"{' and '.join(damaged)}: damaged, and there is no other checkpoint. Remove what "
                "is damaged to train from the beginning."
            )
        return None

    def _refuse_foreign(self, path: Path, found: Mapping[str, str]) -> None:
        differences = [
            f"{name}={found.get(name)} there, {self.fingerprint.get(name)} here"
            for name in sorted({*found, *self.fingerprint})
            if found.get(name) != self.fingerprint.get(name)
        ]
        if differences:
            raise ValueError(
                f"{path} is the checkpoint of another run: {'; '.join(differences)}. Give this run "
                "a checkpoint_dir of its own, the parameters and scans of that one, or remove it."
            )


def folder_of_run(memory: Memory | None, fingerprint: Mapping[str, str]) -> Path | None:
    """Give the folder for a run's checkpoints beneath that of a memory.

    Parameters
    ----------
    memory : joblib.Memory or None
        Its folder is all that is used of it.
    fingerprint : mapping of str to str
        What makes the run what it is.

    Returns
    -------
    Path or None
        Each run has its own: ``skedema/pretraining/<digest>``. None where the memory is None or
        has no location.
    """
    if memory is None or memory.location is None:
        return None
    digest = hashlib.sha256(json.dumps(dict(fingerprint), sort_keys=True).encode()).hexdigest()
    return Path(memory.location).absolute() / "skedema" / "pretraining" / digest[:32]


class _Hashing(io.RawIOBase):
    """Pass bytes on to a file and digest them, so that nothing is held in memory twice."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.sha256 = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        return self.file.write(data)


def _read(path: Path) -> dict[str, Any] | None:
    """Give the content, or None if it is damaged."""
    content = path.read_bytes()
    payload, trailer = memoryview(content)[:-_TRAILER], content[-_TRAILER:]
    if trailer != hashlib.sha256(payload).digest() + _MAGIC:
        return None
    loaded: dict[str, Any] = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    return loaded


def _sync_folder(folder: Path) -> None:
    """Bring names to the disk, where the system can (Windows cannot open a folder)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
