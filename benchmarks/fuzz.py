"""Damage to scan files by the hundred thousand: refused, or read; never anything else.

    python -m benchmarks.fuzz [--inputs 100000] [--tables 0] [--n-jobs 2] [--seed 0]

With --tables, tables are damaged instead; see `benchmarks.fuzz_tables`.

Parts of real scans (with SKEDEMA_REAL_DATA; of simulated ones without) are written in each format,
a few bytes of each file are changed or its end cut off, and the result is read onto a grid; half of
the compressed ones are changed before they are compressed, so that their checksum is right. An
input is to be refused with a ScanError within 2 s, or read to finite voxels. Printed are, a format,
how many were refused and read, how many of these gave other voxels than the whole file (a changed
voxel of a format without a checksum, mostly), other exceptions, the slowest, and the peak memory of
a process beyond that before its first input.
"""

import argparse
import gzip
import os
import resource
import shutil
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
from joblib import Parallel, delayed

from benchmarks.fuzz_tables import fuzz_tables
from skedema import ScanError, VolumeReader

READER = VolumeReader(spacing=12.0, shape=8, windows=None)
FORMATS = ("nii.gz", "nii", "hdr", "npy", "mgz", "mha", "nrrd", "dicom")
_CHUNK = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--tables", type=int, default=0)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.tables:
        fuzz_tables(arguments.tables, arguments.n_jobs, arguments.seed)
        return
    with tempfile.TemporaryDirectory() as folder:
        formats = whole_files(Path(folder))
        shares = np.array_split(np.arange(arguments.inputs), len(formats))
        tasks = [
            (kind, Path(folder) / kind, start, min(_CHUNK, len(share) - start), arguments.seed)
            for kind, share in zip(formats, shares, strict=True)
            for start in range(0, len(share), _CHUNK)
        ]
        results = Parallel(n_jobs=arguments.n_jobs)(delayed(attack)(*task) for task in tasks)
    print(
        f"{'format':<8}{'inputs':>8}{'refused':>9}{'read':>7}{'otherwise':>11}{'errors':>8}"
        f"{'slowest s':>11}{'MB':>6}"
    )
    for kind in formats:
        mine = [result for task, result in zip(tasks, results, strict=True) if task[0] == kind]
        count = sum((result[0] for result in mine), Counter())
        slowest, memory = (max(result[k] for result in mine) for k in (1, 2))
        print(
            f"{kind:<8}{count['refused'] + count['read'] + count['errors']:>8}"
            f"{count['refused']:>9}{count['read']:>7}{count['otherwise']:>11}"
            f"{count['errors']:>8}{slowest:>11.2f}{memory:>6.0f}"
        )
        for what in {text for result in mine for text in result[3]}:
            print(f"    {what}")


def whole_files(folder: Path) -> list[str]:
    """Write a small part of a scan in each format; gives the formats that could be written."""
    home = os.environ.get("SKEDEMA_REAL_DATA")
    if home:
        source = sorted(Path(home, "ct_ich", "scans").glob("*.nii.gz"))[0]
    else:
        from skedema.datasets import make_head_ct_cohort

        source = make_head_ct_cohort(2, folder / "simulated", random_state=0).frame["scan"][0]
    image = nib.load(source)
    image = image.slicer[40:64, 40:64, 5:17]
    voxels, affine = np.asarray(image.dataobj).astype("i2"), image.affine
    for kind in FORMATS:
        (folder / kind).mkdir()
    for kind in ("nii.gz", "nii"):
        nib.save(nib.Nifti1Image(voxels, affine), folder / kind / f"scan.{kind}")
    nib.save(nib.Nifti1Pair(voxels, affine), folder / "hdr" / "scan.hdr")
    nib.save(nib.MGHImage(voxels, affine), folder / "mgz" / "scan.mgz")
    np.save(folder / "npy" / "scan.npy", voxels)
    written = list(FORMATS)
    try:
        import SimpleITK as sitk

        for kind in ("mha", "nrrd"):
            sitk.WriteImage(sitk.GetImageFromArray(voxels), str(folder / kind / f"scan.{kind}"))
    except ImportError:
        written = [kind for kind in written if kind not in ("mha", "nrrd")]
    if not home or not _dicom(Path(home), folder / "dicom"):
        written.remove("dicom")
    return written


def _dicom(home: Path, folder: Path) -> bool:
    """Cut eight slices of the real series down to 32 x 32."""
    try:
        import pydicom
    except ImportError:
        return False
    files = [path for path in sorted((home / "ge_tilt_dicom").rglob("*")) if path.is_file()]
    for path in files[8:16]:
        part = pydicom.dcmread(path)
        pixels = part.pixel_array[240:272, 240:272]
        part.Rows, part.Columns = pixels.shape
        part.PixelData = np.ascontiguousarray(pixels).tobytes()
        part.save_as(folder / path.name)
    return True


def attack(kind: str, source: Path, start: int, n_inputs: int, seed: int):
    rng = np.random.default_rng([seed, FORMATS.index(kind), start])
    counts: Counter[str] = Counter()
    slowest, odd = 0.0, set()
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(scratch) / "scan"
        shutil.copytree(source, folder)
        files = sorted(folder.iterdir())
        target = folder if kind == "dicom" else next(f for f in files if f.suffix != ".img")
        whole = {path: path.read_bytes() for path in files}
        expected = READER.read(target)
        before = _peak()
        for _ in range(n_inputs):
            path = files[int(rng.integers(len(files)))]
            path.write_bytes(damaged(whole[path], kind, rng))
            begin = time.perf_counter()
            try:
                volume = READER.read(target)
            except ScanError:
                counts["refused"] += 1
            except Exception as error:
                counts["errors"] += 1
                odd.add(f"{type(error).__name__}: {error}")
            else:
                counts["read"] += 1
                counts["otherwise"] += not np.array_equal(volume, expected)
                if not np.isfinite(volume).all():
                    odd.add("voxels that are not finite")
            slowest = max(slowest, time.perf_counter() - begin)
            path.write_bytes(whole[path])
    return counts, slowest, _peak() - before, odd


def damaged(data: bytes, kind: str, rng: np.random.Generator) -> bytes:
    """Change one to four bytes, more often near the start; now and then cut off the end."""
    unpack = kind == "mgz" or (kind == "nii.gz" and rng.random() < 0.5)
    changed = bytearray(gzip.decompress(data) if unpack else data)
    reach = len(changed) if rng.random() < 0.4 else min(len(changed), 700)
    for at in rng.integers(reach, size=rng.integers(1, 5)):
        flip = rng.random() < 0.5
        changed[at] = changed[at] ^ (1 << int(rng.integers(8))) if flip else rng.integers(256)
    if rng.random() < 0.1:
        del changed[int(rng.integers(len(changed))) :]
    return gzip.compress(changed, 1) if unpack else bytes(changed)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
