"""What skedema keeps so as not to compute it again: how much that is, and how to be rid of it.

Volumes, features and fitted encoders are kept in memory, and in a folder where an estimator has a
`memory`. Nothing here needs to be called for that; results never depend on it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from numbers import Integral
from pathlib import Path
from typing import Any

import pandas as pd

from skedema._caching.bound import FILES, bound_of
from skedema._caching.cache import CACHES
from skedema._caching.memory import memory_folder

__all__ = ["clear", "info", "set_max_bytes"]

_RUN = "[0-9a-f]" * 32  # the folder of a pre-training
# Nothing else is ever removed, whatever else lies in the folder. Encoders are in memory alone.
_FILES = FILES | {"pretraining": f"{_RUN}/vit_autoencoder*.ckpt"}
_STRAYS = dict.fromkeys(FILES, ".*.partial") | {"pretraining": f"{_RUN}/.vit_autoencoder-*.partial"}


def info(memory: Any = None) -> pd.DataFrame:
    """Tell how much is kept.

    Parameters
    ----------
    memory : str, path, joblib.Memory or None, default=None
        The folder that estimators have as `memory`, or readers as `remote`; None tells of what is
        in memory alone.

    Returns
    -------
    DataFrame of shape (6, 4)
        A row for the ``volumes`` that scans were read to, for what is known ``about`` them, for the
        ``features`` that encoders made of them, for copies of ``remote`` scans and, a file each,
        their digests, for fitted ``encoders``, and for checkpoints of
        ``pretraining``. Columns: ``in_memory`` and ``on_disk``, the number of entries kept in this
        process and of files; ``bytes_in_memory`` and ``bytes_on_disk``.

    Raises
    ------
    ValueError
        If the memory does not keep things in a folder.

    Examples
    --------
    >>> import numpy as np
    >>> import skedema
    >>> kept = skedema.cache.info()
    >>> kept.index.tolist()
    ['volumes', 'about', 'features', 'remote', 'encoders', 'pretraining']
    >>> skedema.cache.clear()
    >>> int(skedema.cache.info()["bytes_in_memory"].sum())
    0
    """
    folder = _folder(memory)
    rows = []
    kinds = (*FILES, "encoders", "pretraining")
    for kind in kinds:
        caches = [cache for cache in list(CACHES) if cache.name == kind]
        files = _listed(folder / kind, _FILES[kind]) if folder and kind in _FILES else ()
        sizes = list(map(_size, files))
        rows.append(
            {
                "in_memory": sum(map(len, caches)),
                "bytes_in_memory": sum(cache.nbytes for cache in caches),
                "on_disk": len(sizes),
                "bytes_on_disk": sum(sizes),
            }
        )
    return pd.DataFrame(rows, index=pd.Index(kinds))


def clear(memory: Any = None) -> None:
    """Forget what is kept in memory, and remove what is kept in a folder.

    Parameters
    ----------
    memory : str, path, joblib.Memory or None, default=None
        The folder that estimators have as `memory`, or readers as `remote`; None leaves what is on
        disk. Volumes, features, copies of remote scans and pre-trainings are removed there, and
        nothing else. A fit that is at work there goes on.

    Raises
    ------
    ValueError
        If the memory does not keep things in a folder.
    OSError
        If a file cannot be removed; others may be already.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import skedema
    >>> from skedema.datasets import make_head_ct_cohort
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cohort = make_head_ct_cohort(8, folder, shape=(16, 16, 8), random_state=0)
    ...     clf = skedema.AttentionMixerClassifier(
    ...         image="scan",
    ...         encoder="cnn",
    ...         fine_tune=False,
    ...         volume=skedema.VolumeReader(shape=8, spacing=None),
    ...         max_epochs=1,
    ...         memory=f"{folder}/memory",
    ...         random_state=0,
    ...     )
    ...     clf = clf.fit(cohort.frame[["scan", "age"]], cohort.target)
    ...     before = skedema.cache.info(f"{folder}/memory")["on_disk"]
    ...     skedema.cache.clear(f"{folder}/memory")
    ...     after = skedema.cache.info(f"{folder}/memory")["on_disk"]
    >>> before[["volumes", "features"]].tolist(), int(after.sum())
    ([8, 8], 0)
    """
    folder = _folder(memory)
    for cache in list(CACHES):
        cache.clear()
    if folder is None:
        return
    for kind in _FILES:
        beneath = folder / kind
        for path in _listed(beneath, _FILES[kind], _STRAYS[kind]):
            path.unlink(missing_ok=True)
        for empty in (*_listed(beneath, _RUN), beneath):
            with suppress(OSError):  # something else lies there, or nothing
                empty.rmdir()


def set_max_bytes(memory: Any, max_bytes: int | None) -> None:
    """Say how many bytes of volumes, features and copies of remote scans a folder may hold.

    Those that were not used for the longest are removed, now and whenever there are more: by as
    much as to have a twentieth free. Checkpoints of pre-trainings do not count, and stay; so do
    entries that may not be removed, such as another user's in a folder with the sticky bit.

    Parameters
    ----------
    memory : str, path or joblib.Memory
        The folder that estimators have as `memory`, or readers as `remote`. The bound is written
        there and holds for all processes and later sessions. Processes at work there heed it once
        they have written a twentieth of what the bound was before.
    max_bytes : int or None
        Bytes; None for no bound. Where nothing was said it is 20 GiB, ``20 * 2**30``.

    Raises
    ------
    TypeError, ValueError
        If `max_bytes` is no whole number from 0, or `memory` names no folder.
    OSError
        If nothing can be written in the folder.

    Examples
    --------
    >>> import tempfile
    >>> import skedema
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     skedema.cache.set_max_bytes(folder, 5 * 2**30)
    """
    folder = _folder(memory)
    if folder is None:
        raise ValueError(f"memory={memory!r} names no folder; give the one that is to be bounded.")
    if max_bytes is not None:
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, Integral):
            raise TypeError(f"max_bytes must be a whole number or None, got {max_bytes!r}.")
        if max_bytes < 0:
            raise ValueError(f"max_bytes must be 0 or more, got {max_bytes!r}.")
        max_bytes = int(max_bytes)
    bound_of(folder).set(max_bytes)


def _folder(memory: Any) -> Path | None:
    folder = memory_folder(memory)
    return None if folder is None else folder / "skedema"


def _listed(folder: Path, *patterns: str) -> Iterator[Path]:
    for pattern in patterns:
        with suppress(OSError):
            yield from list(folder.glob(pattern))


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:  # removed meanwhile
        return 0
