"""Three central planes of a volume, drawn as radiologists look at them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from skedema._extras import how_to_install
from skedema.scans.scan import Scan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Radiological convention: the patient's right is on the left, and the face looks to the left. So
# x and y, which grow towards right (R) and anterior (A), grow to the left where they lie across.
ACROSS = {"x": ("R", "L"), "y": ("A", "P")}
UPWARD = {"y": ("P", "A"), "z": ("I", "S")}
PLANES = {"axial": ("x", "y"), "coronal": ("x", "z"), "sagittal": ("y", "z")}


def voxel_size(
    scan: Scan, spacing: Sequence[float] | None, shape: Sequence[int]
) -> NDArray[np.float64]:
    """Give the size of the grid's voxels on a scan, in mm, or in voxels of one without geometry.

    `spacing` and `shape` are those of the grid; with None it is stretched over the field of view.
    """
    extent = np.array(scan.voxels.shape, dtype=np.float64)
    if scan.depths is not None and len(scan.depths) > 1:
        steps = np.diff(scan.depths)
        extent[2] = steps.sum() + (steps[0] + steps[-1]) / 2
    if scan.affine is not None:
        if spacing is not None:
            return np.asarray(spacing, dtype=np.float64)
        extent = np.abs(scan.affine[:3, :3]) @ extent
    size: NDArray[np.float64] = extent / np.asarray(shape)
    return size


def draw_planes(
    volume: NDArray[np.float32],
    size: Sequence[float] | NDArray[np.float64],
    unit: str,
    names: Sequence[str],
    limits: tuple[float, float],
    title: str,
) -> Figure:
    """Draw the central axial, coronal and sagittal plane of each channel of a RAS volume.

    `size` is that of a voxel in `unit`, `names` are those of the channels, `limits` the values
    drawn black and white. The axes of the figure count from the centre of the grid.
    """
    try:
        from matplotlib import pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"VolumeReader.show needs matplotlib: {how_to_install('plot')}."
        ) from error
    half = np.array(volume.shape[1:]) * np.asarray(size) / 2
    figure, rows = plt.subplots(
        len(volume),
        len(PLANES),
        squeeze=False,
        figsize=(10.5, 3.5 * len(volume) + 1),
        layout="constrained",
    )
    for axes_of_channel, channel, name in zip(rows, volume, names, strict=True):
        for axes, (plane, (across, upward)) in zip(axes_of_channel, PLANES.items(), strict=True):
            i, j = "xyz".index(across), "xyz".index(upward)
            through = 3 - i - j
            axes.imshow(
                channel.take(channel.shape[through] // 2, axis=through).T,
                cmap="gray",
                vmin=limits[0],
                vmax=limits[1],
                origin="lower",
                extent=(-half[i], half[i], -half[j], half[j]),
                interpolation="nearest",
            )
            axes.invert_xaxis()
            axes.set_xlabel("{1} ← {0} ({unit}) → {2}".format(across, *ACROSS[across], unit=unit))
            axes.set_ylabel("{1} ← {0} ({unit}) → {2}".format(upward, *UPWARD[upward], unit=unit))
            axes.set_title(f"{plane}, {name}", fontsize="medium")
    figure.suptitle(title, fontsize="medium")
    return figure
