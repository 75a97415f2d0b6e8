"""The one exception of this package."""

from __future__ import annotations


class ScanError(ValueError):
    """A scan cannot be read; the message names the scan, what is wrong and the remedy.

    Examples
    --------
    >>> issubclass(ScanError, ValueError)
    True
    """
