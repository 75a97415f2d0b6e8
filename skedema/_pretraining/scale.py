"""Mean and spread of the voxels that a network will see."""

from __future__ import annotations

import numpy as np

from skedema._pretraining.source import Source

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
