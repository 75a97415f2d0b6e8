"""Relevance by occlusion: what the probability loses where a part of the brain is hidden."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

from skedema._measured import duration
from skedema._pace import logger
from skedema.inspection._seen import Seen

_AT_ONCE = 8  # volumes
_LEAST = 0.05  # of a box has to be brain
_LONG = 30.0  # seconds
_NOISE = 1e-6  # of a probability; float32 rounds by nearly as much
_SIZE = 36.0  # mm
_PART = 6  # of a side, where nothing is known in mm
_STEP = 0.8  # of a box, from one to the next


def occlusion(seen: Seen, size: float | None) -> NDArray[np.float64]:
    """Give the mean change of the probability over all boxes that hide a voxel of the grid."""
    boxes = [box for box in _boxes(seen, size) if seen.brain[box].mean() >= _LEAST]
    effect = np.concatenate(list(_timed(seen, boxes))) if boxes else np.zeros(0)
    effect[np.abs(effect) < _NOISE] = 0
    total, count = np.zeros(seen.brain.shape), np.zeros(seen.brain.shape)
    for box, change in zip(boxes, effect, strict=True):
        total[box] += change
        count[box] += 1
    return np.where(seen.brain, total / np.maximum(count, 1), 0.0)


def _timed(seen: Seen, boxes: list[tuple[slice, ...]]) -> Iterator[NDArray[np.float64]]:
    """Go through the boxes; if that takes long, say how long after the first of them."""
    changes = _on_grid if seen.takes_volumes else _in_scan
    at_once = _AT_ONCE if seen.takes_volumes else 1  # reading a scan takes much longer
    batches = [boxes[start : start + at_once] for start in range(0, len(boxes), at_once)]
    for number, batch in enumerate(batches):
        start = time.monotonic()
        yield changes(seen, batch)
        left = (time.monotonic() - start) * (len(batches) - number - 1)
        if number == 0 and left > _LONG:
            logger.warning(
                "skedema: explain_scan hides %d parts of the brain one after the other, about %s "
                "more; a larger size= has fewer.",
                len(boxes),
                duration(left),
            )


def _on_grid(seen: Seen, boxes: list[tuple[slice, ...]]) -> NDArray[np.float64]:
    volumes = seen.volume.repeat(len(boxes), 1, 1, 1, 1)
    for volume, box in zip(volumes, boxes, strict=True):
        hidden = torch.from_numpy(seen.brain[box])
        part = volume[(slice(None), *box)]
        part.copy_(torch.where(hidden, seen.fill.to(part), part))
    with torch.no_grad():
        return seen.baseline - seen.probability(volumes).numpy()


def _in_scan(seen: Seen, boxes: list[tuple[slice, ...]]) -> NDArray[np.float64]:
    scans = []
    for box in boxes:
        hidden = np.zeros(seen.brain.shape, dtype=np.float32)
        hidden[box] = seen.brain[box]
        scans.append(np.where(seen.placed.back(hidden) > 0.5, seen.hu, seen.placed.scan.voxels))
    return seen.baseline - seen.probability_of_scans(scans)


def _boxes(seen: Seen, size: float | None) -> Iterator[tuple[slice, ...]]:
    """Cover the brain with boxes that overlap, evenly from one end of it to the other."""
    shape = np.array(seen.brain.shape)
    if size is None and seen.placed.scan.affine is None:
        side = shape / _PART
    else:
        side = (size or _SIZE) / np.diag(seen.placed.grid)[:3]
    sides = np.clip(np.rint(side), 1, shape).astype(int)
    starts = []
    for axis, width in enumerate(sides.tolist()):
        there = np.flatnonzero(seen.brain.any(axis=tuple({0, 1, 2} - {axis})))
        low, high = int(there[0]), max(int(there[0]), int(there[-1]) + 1 - width)
        n = 1 + int(np.ceil((high - low) / max(1.0, _STEP * width)))
        starts.append(np.unique(np.rint(np.linspace(low, high, n)).astype(int)).tolist())
    for corner in product(*starts):
        yield tuple(slice(a, a + width) for a, width in zip(corner, sides.tolist(), strict=True))
