"""What is raised, and what messages have in common."""

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


#: What to do with several scans of a patient, for messages.
SEVERAL_SCANS = (
    "A row takes one scan. Of several, make one row each and keep a patient's rows together by "
    "groups= of the cross-validation; or give one as the scan, and what ScanFeatures makes of the "
    "others as clinical columns (docs/scans.md, 'Several scans of a patient')."
)
