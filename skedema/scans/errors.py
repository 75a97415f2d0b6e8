"""The one exception of this package."""

from __future__ import annotations


class ScanError(ValueError):
    """A scan cannot be read; the message names the scan, what is wrong and the remedy.

    Examples
    --------
    >>> issubclass(ScanError, ValueError)
    True
    """


class NotBelieved(ScanError):
    """A brain mask or a head's pose is not found, or is not to be trusted.

    The scan itself can be used as it is: `VolumeReader` does so, with a warning.
    """
