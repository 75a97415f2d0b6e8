"""From `.nii.gz` to a grid: skedema, cold and from its cache, and what else people use.

    python -m benchmarks.reading [--scans 20] [--folder DIR]

Every row does the same work: voxels as RAS, clipped to 0 to 80 HU, on a grid of 96 cubed voxels of
2.25 mm around the middle of the field of view, float32. The floor reads the bytes and decompresses
them (libdeflate), nothing else. Each process has one thread; with two, each takes half of the
scans. Files are read once before, so that all find them in the page cache. A process first reads
one scan that is not timed. Memory is the peak of a process beyond its imports. The rows are
comparable by their ratios.

The last columns compare a row's first scan with skedema's in HU, over the voxels of the head where
either lies between 0 and 80: the median and the 99th percentile of the absolute difference. Others
do not antialias, so noise differs; a grid off by part of a voxel is first brought to skedema's.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SIDE, SPACING, HIGH = 96, 2.25, 80.0
ROWS = {
    "floor": "decompression floor",
    "skedema": "skedema, cold",
    "cached": "skedema, from cache",
    "nibabel": "nibabel + scipy",
    "simpleitk": "SimpleITK",
    "monai": "MONAI",
    "torchio": "TorchIO",
}
ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="where the scans are kept for the next run")
    parser.add_argument("--child", nargs=2, metavar=("WHO", "JSON"))
    arguments = parser.parse_args()
    if arguments.child:
        who, task = arguments.child
        child(who, **json.loads(task))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch) / "scans"
        folder.mkdir(parents=True, exist_ok=True)
        compare(folder, arguments.scans, Path(scratch))


def compare(folder: Path, n: int, scratch: Path) -> None:
    from benchmarks._clinical_scans import SHAPE, make_clinical_scans

    paths = [str(path) for path in make_clinical_scans(folder, n)]
    packed = sum(len(Path(path).read_bytes()) for path in paths) / n / 1e6
    shape = " x ".join(map(str, SHAPE))
    print(f"{n} scans of {shape} voxels, {packed:.1f} MB each, to {SIDE} cubed at {SPACING} mm\n")
    header = f"{'what':<21}{'processes':>10}{'volumes/s':>11}{'ms/volume':>11}{'x floor':>9}"
    print(header + f"{'MB':>6}{'median':>9}{'99 %':>7}{'off by mm':>11}", flush=True)
    for processes in (1, 2):
        floor = None
        for who, title in ROWS.items():
            if who == "cached":
                run(who, paths, processes, scratch)  # fills it
            row = run(who, paths, processes, scratch)
            if "error" in row:
                print(f"{title:<21}{processes:>10}  {row['error']}", flush=True)
                continue
            seconds = row["seconds"] / n
            floor = floor or seconds
            line = f"{title:<21}{processes:>10}{1 / seconds:>11.2f}{1000 * seconds:>11.1f}"
            line += f"{seconds / floor:>9.2f}{row['megabytes']:>6.0f}"
            if who != "floor":
                median, most, off = agreement(paths[0], scratch / f"{who}.npz")
                line += f"{median:>9.2f}{most:>7.1f}{off:>11.2f}"
            print(line, flush=True)


def run(who: str, paths: list[str], processes: int, scratch: Path) -> dict[str, Any]:
    """Let processes read their shares at the same time; seconds from start to the last end."""
    environment = os.environ | dict.fromkeys(ONE_THREAD, "1")
    children = []
    for k in range(processes):
        save = str(scratch / f"{who}.npz") if k == 0 else None
        task = {"paths": paths[k::processes], "save": save, "cache": str(scratch / "cache")}
        command = [sys.executable, "-m", "benchmarks.reading", "--child", who, json.dumps(task)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        children.append(subprocess.Popen(command, text=True, env=environment, **pipes))
    for each in children:
        each.stdout.readline()  # ready
    start = time.perf_counter()
    for each in children:
        if each.poll() is None:
            each.stdin.write("go\n")
            each.stdin.flush()
    lines = [each.stdout.readline() for each in children]
    seconds = time.perf_counter() - start
    errors = [each.communicate()[1] for each in children]
    for each, line, error in zip(children, lines, errors, strict=True):
        if each.returncode or not line:
            last = (error.strip().splitlines() or ["no message"])[-1]
            missing = last.startswith("ModuleNotFoundError")
            return {"error": "not installed" if missing else f"fails: {last}"}
    return {"seconds": seconds, "megabytes": max(json.loads(line) for line in lines)}


def child(who: str, paths: list[str], save: str | None, cache: str) -> None:
    import numpy as np

    read = READERS[who](cache) if who == "cached" else READERS[who]()
    memory = PeakMemory()
    first = read(paths[0])
    print("ready", flush=True)
    sys.stdin.readline()
    for path in paths:
        read(path)
    print(json.dumps(memory.megabytes()), flush=True)
    if save and who != "floor":
        volume, affine = first
        if affine is None:  # skedema: 0 to 1, on the grid that its reader states
            volume, affine = HIGH * volume, grid(paths[0])
        np.savez(save, volume=np.asarray(volume).reshape(SIDE, SIDE, SIDE), affine=affine)


class PeakMemory:
    """Peak of this process beyond what it holds now, in MB."""

    def __init__(self) -> None:
        try:
            Path("/proc/self/clear_refs").write_text("5")  # Linux: forget the peak so far
            self.start = self._status("VmRSS")
        except OSError:
            self.start = None
            self.before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def megabytes(self) -> float:
        if self.start is not None:
            return (self._status("VmHWM") - self.start) / 1024
        return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - self.before) / 1024

    @staticmethod
    def _status(key: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(key))


def grid(path: str):
    """Affine of skedema's grid: RAS, around the middle of the field of view."""
    import nibabel as nib
    import numpy as np

    image = nib.load(path)
    middle = image.affine @ [*((n - 1) / 2 for n in image.shape), 1]
    affine = np.diag([SPACING, SPACING, SPACING, 1.0])
    affine[:3, 3] = middle[:3] - SPACING * (SIDE - 1) / 2
    return affine


def read_floor():
    import deflate

    def read(path: str):
        return deflate.gzip_decompress(Path(path).read_bytes())

    return read


def read_skedema():
    import nibabel  # noqa: F401  (what reading imports later)
    from scipy import ndimage  # noqa: F401

    from skedema.scans.reader import VolumeReader

    reader = VolumeReader(shape=SIDE, spacing=SPACING)  # brain window: 0 to 80 HU

    def read(path: str):
        return reader.read(path), None

    return read


def read_cached(folder: str):
    import nibabel  # noqa: F401
    from joblib import Memory

    from skedema.scans.cache import VolumeCache
    from skedema.scans.reader import VolumeReader

    reader = VolumeReader(shape=SIDE, spacing=SPACING)
    cache, memory = VolumeCache(max_bytes=0), Memory(folder, verbose=0)  # none kept in the process

    def read(path: str):
        return cache.get(reader, path, memory), None

    return read


def read_nibabel():
    import nibabel as nib
    import numpy as np
    from scipy import ndimage

    def read(path: str):
        image = nib.as_closest_canonical(nib.load(path))
        hu = image.get_fdata(dtype=np.float32).clip(0, HIGH)
        affine = grid(path)
        to_index = np.linalg.solve(image.affine, affine)
        volume = ndimage.affine_transform(
            hu, np.diag(to_index)[:3], to_index[:3, 3], output_shape=(SIDE,) * 3, order=1
        )
        return volume, affine

    return read


def read_simpleitk():
    import numpy as np
    import SimpleITK as sitk

    def read(path: str):
        image = sitk.Clamp(sitk.ReadImage(path, sitk.sitkFloat32), sitk.sitkFloat32, 0, HIGH)
        middle = [(n - 1) / 2 for n in image.GetSize()]
        center = np.array(image.TransformContinuousIndexToPhysicalPoint(middle))
        # ITK's axes point left, posterior and superior.
        signs = np.array([-1.0, -1.0, 1.0])
        origin = center - signs * SPACING * (SIDE - 1) / 2
        moved = sitk.Resample(
            image,
            [SIDE] * 3,
            sitk.Transform(),
            sitk.sitkLinear,
            origin.tolist(),
            [SPACING] * 3,
            np.diag(signs).ravel().tolist(),
        )
        affine = np.diag([SPACING, SPACING, SPACING, 1.0])
        affine[:3, 3] = signs * origin
        return sitk.GetArrayFromImage(moved).transpose(2, 1, 0), affine

    return read


def read_monai():
    from monai.transforms import (
        Compose,
        LoadImage,
        Orientation,
        ResizeWithPadOrCrop,
        ScaleIntensityRange,
        Spacing,
    )

    steps = Compose(
        [
            LoadImage(image_only=True, ensure_channel_first=True),
            Orientation("RAS"),
            ScaleIntensityRange(0, HIGH, 0, HIGH, clip=True),
            Spacing((SPACING,) * 3, mode="bilinear"),
            ResizeWithPadOrCrop((SIDE,) * 3),
        ]
    )

    def read(path: str):
        volume = steps(path)
        return volume.numpy(), volume.affine.numpy()

    return read


def read_torchio():
    import torchio as tio

    steps = tio.Compose(
        [tio.ToCanonical(), tio.Clamp(0, HIGH), tio.Resample(SPACING), tio.CropOrPad(SIDE)]
    )

    def read(path: str):
        image = steps(tio.ScalarImage(path))
        return image.numpy(), image.affine

    return read


READERS: dict[str, Any] = {
    "floor": read_floor,
    "skedema": read_skedema,
    "cached": read_cached,
    "nibabel": read_nibabel,
    "simpleitk": read_simpleitk,
    "monai": read_monai,
    "torchio": read_torchio,
}


def agreement(path: str, saved: Path) -> tuple[float, float, float]:
    """Median and 99th percentile of the difference in HU, and how far the grid is off in mm."""
    import numpy as np
    from scipy import ndimage

    from skedema.scans.reader import VolumeReader

    reader = VolumeReader(shape=SIDE, spacing=SPACING)
    expected = HIGH * reader.read(path)[0]
    inside = VolumeReader(shape=SIDE, spacing=SPACING, windows=None).read(path)[0] > -300
    with np.load(saved) as file:
        volume, affine = file["volume"], file["affine"]
    off = float(np.linalg.norm(affine[:3, 3] - grid(path)[:3, 3]))
    if off > 1e-3:
        to_index = np.linalg.solve(affine, grid(path))
        volume = ndimage.affine_transform(
            volume, to_index[:3, :3], to_index[:3, 3], order=1, mode="nearest"
        )
    inside &= ((expected > 0) & (expected < HIGH)) | ((volume > 0) & (volume < HIGH))
    difference = np.abs(volume - expected)[inside]
    return float(np.median(difference)), float(np.quantile(difference, 0.99)), off


if __name__ == "__main__":
    main()
