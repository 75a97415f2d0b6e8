"""The parameter `memory` of an estimator: a folder that is a cache and may fail."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def memory_folder(memory: Any) -> Path | None:
    """Find the folder that `memory` names; nothing is made there.

    Parameters
    ----------
    memory : str, path, joblib.Memory or None
        As users give it. "~" is their home.

    Returns
    -------
    Path or None
        Absolute. None where nothing is to be kept: for None, and a Memory without location.

    Raises
    ------
    ValueError
        If it is something else, or a Memory that does not keep things in a folder.

    Examples
    --------
    >>> from pathlib import Path
    >>> from skedema._caching.memory import memory_folder
    >>> memory_folder("cache") == Path("cache").absolute()
    True
    """
    if memory is None:
        return None
    location = memory
    if not isinstance(memory, str | os.PathLike):
        if getattr(memory, "backend", None) != "local":
            raise ValueError(
                f"memory={memory!r} does not keep things in a folder. Give the path of one, or a "
                "joblib.Memory with backend='local'."
            )
        location = memory.location
        if location is None:
            return None
    return Path(os.path.abspath(Path(location).expanduser()))


def memory_for_others(folder: Path | None) -> str | None:
    """Give a folder to an estimator that may not do without one it was given.

    None where nothing can be written there.
    """
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return str(folder) if os.access(folder, os.W_OK | os.X_OK) else None
