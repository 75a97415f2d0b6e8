"""pydicom's warnings go unheard while a scan is read, in the thread that reads it alone."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_reading: ContextVar[bool] = ContextVar("skedema_reads_dicom", default=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the warnings of pydicom and its decoders: what matters of them is told here.

    The filters of the module `warnings` belong to the process, so that changing them for one
    thread hides or shows the warnings of all. All of pydicom's warnings go through
    `pydicom.misc`, which is given a `warnings` that asks first whether this thread is reading.
    """
    from pydicom import misc

    if not isinstance(vars(misc).get("warnings"), _Asking):
        vars(misc)["warnings"] = _Asking()
    token = _reading.set(True)
    try:
        yield
    finally:
        _reading.reset(token)


class _Asking:
    """The module `warnings`, but that it warns of nothing while this thread reads a scan."""

    def __getattr__(self, name: str) -> Any:
        return getattr(warnings, name)

    def warn(self, message: Any, category: Any = None, stacklevel: int = 1, **more: Any) -> None:
        if not _reading.get():
            warnings.warn(message, category, stacklevel=stacklevel + 1, **more)
