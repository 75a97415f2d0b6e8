"""What a format of scans is, and the one table of them, by the endings of file names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, ClassVar

from skedema._registry import Registry
from skedema.scans._paths import file_key
from skedema.scans.errors import refused_by_system
from skedema.scans.scan import Scan

_FORMATS = Registry("scan format", "skedema.scan_formats")


class Format:
    """How scans of one format are read, and what tells one scan from another.

    A new format is a subclass with `load`, and `files` where a scan is more than one file, that
    `register_format` is told of.

    Attributes
    ----------
    whole : bool
        Whether one file is the whole scan, so that a copy of the file is the same scan. Set it to
        False where voxels may lie in another file.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from skedema.scans import Format, Scan, VolumeReader, register_format
    >>> class Bytes(Format):
    ...     def load(self, path, name, max_bytes):
    ...         voxels = np.fromfile(path, np.uint8).reshape(4, 4, 4)
    ...         return Scan(voxels.astype(np.float32), affine=np.eye(4))
    >>> register_format(".bytes", Bytes)
    >>> with tempfile.NamedTemporaryFile(suffix=".bytes") as file:
    ...     _ = file.write(bytes(range(64))), file.flush()
    ...     VolumeReader(shape=4, spacing=1, windows=None).read(file.name)[0, 1, 2, 3]
    np.float32(27.0)
    """

    whole: ClassVar[bool] = True

    def load(self, cell: Any, name: str, max_bytes: int) -> Scan:
        """Read a scan.

        That it is one volume of finite real numbers, with an affine that a scanner makes, is
        checked afterwards.

        Parameters
        ----------
        cell : str
            The path of a file that is there.
        name : str
            What messages call the scan.
        max_bytes : int
            The most bytes that the voxels may take in memory: refuse what would take more.

        Returns
        -------
        Scan
            Voxels in HU for CT.

        Raises
        ------
        ScanError
            If the file is damaged; the message begins with `name` and says what to do.
        """
        raise NotImplementedError

    def files(self, cell: Any, name: str) -> Sequence[str]:
        """Give the files that the scan consists of; the one file by default.

        Parameters
        ----------
        cell : str
            The path of the scan.
        name : str
            What messages call the scan.

        Returns
        -------
        sequence of str
            Paths. A scan counts as another one when any of them was written anew.

        Raises
        ------
        ScanError
            If one is missing.
        """
        return (cell,)

    def key(self, cell: Any, name: str) -> tuple[Any, ...]:
        """Identify the content of a scan, for caches; by its files, none opened, by default.

        Parameters
        ----------
        cell : str
            The path of the scan.
        name : str
            What messages call the scan.

        Returns
        -------
        tuple
            Hashable; another one where the content is another one.

        Raises
        ------
        ScanError
            If a file is not there.
        """
        key: list[Any] = ["file"]
        for file in self.files(cell, name):
            try:
                key += file_key(file)
            except (OSError, ValueError) as error:
                raise refused_by_system(name, error) from error
        return tuple(key)


def register_format(ending: str, factory: Callable[[], Format]) -> None:
    """Have files with an ending read as scans, wherever scans are read.

    Parameters
    ----------
    ending : str
        Of their names, such as ``".mnc"`` or ``".img.gz"``, in lower case.
    factory : callable
        Gives a `Format`; usually its class.

    Raises
    ------
    ValueError
        When files with this ending are read already, or it is no such ending.

    Notes
    -----
    The processes that skedema starts (``n_jobs`` of `VolumeReader`, `check`, `evaluate` and the
    like) are told of it. Those that others start, such as the workers of
    ``GridSearchCV(n_jobs=2)``, are not: there, call this in a module that they import, or have an
    installed package name the class in the entry-point group ``skedema.scan_formats``, with the
    ending as the name.

    Examples
    --------
    >>> from skedema.scans import looks_like_scan, register_format
    >>> from skedema.scans.formats.npy import Npy
    >>> register_format(".array", Npy)
    >>> looks_like_scan("scans/sub-01.array")
    True
    """
    if isinstance(ending, str) and (ending[:1] != "." or ending != ending.lower()):
        raise ValueError(f"{ending!r}: give an ending with its dot, in lower case, such as '.mnc'")
    _FORMATS.register(ending, factory)


def ending_of(path: str) -> str | None:
    """Give the ending of a path that tells how it is read; None where none does."""
    return _ending_among(path, _endings(_FORMATS.version))


@lru_cache(maxsize=2**16)  # asked for whenever a model predicts
def _ending_among(path: str, endings: tuple[str, ...]) -> str | None:
    text = path.strip().lower()
    return next((ending for ending in endings if text.endswith(ending)), None)


def format_of(path: str) -> Format | None:
    """Give the format of a file by its name; None where that tells of none."""
    ending = ending_of(path)
    return None if ending is None else _made(ending, _FORMATS.version)


@lru_cache(maxsize=1)
def _endings(version: int) -> tuple[str, ...]:
    """Give all, .nii.gz before .gz; kept, for it takes milliseconds to see what is installed."""
    return tuple(sorted(_FORMATS.names(), key=len, reverse=True))


@lru_cache
def _made(ending: str, version: int) -> Format:
    made = _FORMATS.make(ending)
    if not isinstance(made, Format):
        raise TypeError(f"scan format {ending!r} was registered, but gives {made!r}, no Format.")
    return made
