"""A scan that is read: loaded, prepared and brought onto the grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skedema.scans._intensity import look
from skedema.scans._placed import Placed, place
from skedema.scans._planes import draw_planes, voxel_size
from skedema.scans._remarks import Remark, Told, tell
from skedema.scans._remote.scan import at_address
from skedema.scans._settings import ReaderSettings
from skedema.scans.errors import ScanError
from skedema.scans.files import load_scan, scan_name
from skedema.scans.grid import resample
from skedema.scans.head.prepare import Prepared, prepare
from skedema.scans.scan import AIR, Scan
from skedema.scans.windows import range_name, to_channels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def read_placed(reader: Any, cell: object) -> tuple[NDArray[np.float32], Placed]:
    """Read one scan with a `VolumeReader`; gives where it lies on the grid, too."""
    settings = reader.settings()
    scan, prepared = loaded(cell, settings, reader)
    return on_grid(prepared, settings), place(scan, prepared, settings)


def loaded(cell: object, settings: ReaderSettings, reader: Any) -> tuple[Scan, Prepared]:
    """Load a scan; gives it, and what is left of it, on the axes of the grid."""
    cell = at_address(cell, reader.remote)
    scan = load_scan(cell, max_bytes=reader.max_bytes, acquisition=settings.acquisition)
    try:
        prepared = checked(scan, settings, reader.max_bytes)
    except ScanError as error:
        raise ScanError(f"{scan_name(cell)}: {error}") from error
    remarks = *look(scan), *prepared.remarks
    tell([Told("", repr(scan_name(cell)), remark) for remark in remarks], 1)
    return scan, prepared


def checked(scan: Scan, settings: ReaderSettings, max_bytes: int) -> Prepared:
    """Prepare a scan; an error says why it cannot be brought onto the grid."""
    prepared = prepare(scan, settings.preparation, max_bytes)
    if settings.spacing_on(prepared.scan) and scan.affine is None and settings.axes == "scan":
        remark = Remark("size", "it has no geometry; give a NIfTI file or image, or spacing=None")
        prepared = prepared._replace(remarks=(*prepared.remarks, remark))
    return prepared


def on_grid(prepared: Prepared, settings: ReaderSettings) -> NDArray[np.float32]:
    """Bring a scan onto the grid, windows as channels."""
    ranges = settings.ranges
    if not settings.window_first:
        return to_channels(_resampled(prepared, settings, ranges), ranges)
    volume = np.empty((len(ranges), *settings.shape), dtype=np.float32)
    for channel, each in zip(volume, ranges, strict=True):
        channel[...] = to_channels(_resampled(prepared, settings, (each,)), (each,))[0]
    return volume


def drawn(reader: Any, cell: object) -> Figure:
    """Draw one scan as a `VolumeReader` reads it; see `VolumeReader.show`."""
    settings = reader.settings()
    _, prepared = loaded(cell, settings, reader)
    volume = on_grid(prepared, settings)
    limits, names = (0.0, 1.0), [range_name(*each) for each in settings.ranges]
    if not names:
        limits = (float(volume.min()), float(volume.max()))
        names = ["{:g} to {:g} HU".format(*limits)]
    note, unit = "", "mm"
    if prepared.scan.affine is None:
        note, unit = "; no geometry: axes taken to be right, anterior, superior", "voxels"
    size = voxel_size(prepared.scan, settings.spacing_on(prepared.scan), settings.shape)
    title = f"{scan_name(cell)}{note}\n{settings.summary()}"
    return draw_planes(volume, size, unit, names, limits, title)


def _resampled(
    prepared: Prepared, settings: ReaderSettings, ranges: tuple[tuple[float, float], ...]
) -> NDArray[np.float32]:
    """Clip a scan to the widest range that some span, and bring it onto the grid."""
    scan, fill, limits = prepared.scan, prepared.outside, None
    if ranges:
        upper = max(high for _, high in ranges)
        lower = min(max(AIR, min(low for low, _ in ranges)), upper)
        fill, limits = min(max(fill, lower), upper), (lower, upper)
    return resample(
        scan.voxels,
        scan.affine,
        settings.spacing_on(scan),
        settings.shape,
        fill,
        scan.depths,
        limits,
        prepared.centre,
        settings.interpolation,
    )
