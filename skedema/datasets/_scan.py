"""One patient's scan: from severity, age and sex to a NIfTI file on disk."""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from skedema.datasets._edema import place_edema
from skedema.datasets._grid import grid_affine
from skedema.datasets._phantom import draw_head, render_head

Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]


def simulate_scan(
    severity: float | None,
    age: float,
    sex: str,
    seed: np.random.SeedSequence,
    shape: Shape,
    spacing: Spacing,
) -> NDArray[np.int16]:
    """Draw and scan a head, HU as int16; ``severity=None`` is the same head without edema.

    Anatomy, edema and noise have streams of their own, so that two scans from one seed differ in
    the edema alone. ``age`` is in years, ``spacing`` in mm.
    """
    # Spawning counts up inside the seed; a copy keeps a second call equal to the first.
    fresh = np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key)
    anatomy, place, noise = (np.random.default_rng(child) for child in fresh.spawn(3))
    head = draw_head(age, sex, anatomy)
    edema = None if severity is None else place_edema(severity, place)
    return render_head(head, edema, shape, spacing, noise)


def write_nifti(path: Path, volume: NDArray[np.int16], spacing: Spacing) -> None:
    """Write a volume as ``.nii.gz``, whole or not at all; equal volumes give equal bytes."""
    affine = grid_affine(volume.shape, spacing)
    # nibabel's classes carry no types of their own.
    image: Any = nib.Nifti1Image(volume, affine, dtype=np.int16)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner")
    packed = io.BytesIO()
    # A gzip header holds a name and a time unless told otherwise.
    with gzip.GzipFile("", "wb", compresslevel=1, fileobj=packed, mtime=0) as stream:
        stream.write(image.to_bytes())
    partial = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        with partial.open("xb") as file:
            file.write(packed.getvalue())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def simulate_file(
    path: Path,
    severity: float,
    age: float,
    sex: str,
    seed: np.random.SeedSequence,
    shape: Shape,
    spacing: Spacing,
) -> None:
    """Simulate one patient's scan and write it to ``path``."""
    write_nifti(path, simulate_scan(severity, age, sex, seed, shape, spacing), spacing)
