"""Mean and spread of the voxels that a network will see."""

from __future__ import annotations

import numpy as np

from skedema._pretraining.source import Source
from skedema.scans import VolumeReader

#: Scans that are looked at. A scan has so many voxels that more would change little.
_N_SCANS = 16


def voxel_scale(source: Source) -> tuple[list[float], list[float]]:
    """Measure the voxels of a typical scan: medians over scans of their mean and deviation.

    A broken scan does not move them; the spread of a channel that does not vary is 1.
    """
    n_scans = min(len(source), _N_SCANS)
    rows = np.linspace(0, len(source) - 1, n_scans).astype(np.int64)
    means, spreads = [], []
    for due in source.batches([rows]):
        for row in due.tolist():
            volume = source[row].astype(np.float64)
            means.append(volume.mean(axis=(1, 2, 3)))
            spreads.append(volume.std(axis=(1, 2, 3)))
    mean, spread = np.median(means, axis=0), np.median(spreads, axis=0)
    spread = np.where(spread > 1e-6 * np.abs(mean), spread, 1.0)
    return mean.tolist(), spread.tolist()


def even_scale(reader: VolumeReader) -> tuple[list[float], list[float]]:
    """Give mean and deviation of voxels spread evenly over a window, which is 0 to 1.

    Without windows they are taken to be HU from air to bone, -1000 to 1000.
    """
    low, high = (0.0, 1.0) if reader.settings().ranges else (-1000.0, 1000.0)
    n_channels = reader.n_channels
    return [(low + high) / 2] * n_channels, [(high - low) / 12**0.5] * n_channels
