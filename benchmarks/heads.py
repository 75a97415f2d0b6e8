"""How heads are prepared: a table of all scans of a folder, and sheets to look at.

    python -m benchmarks.heads FOLDER [--out DIR]

A row a scan: ml of its brain mask and the share of the mask's surface that lies on bone, both on
voxels of up to 3 mm, the angle by which the head is turned and how alike its sides are at the plane
found, the factors by which it is enlarged (left to right, front to back, upwards), and what it had
to do without. `DIR` takes the table (`heads.md`) and pages of prepared heads (`heads-1.png`, ...):
the axial, coronal and sagittal plane of each, the patient's right on the left and the face to the
left, 0 to 80 HU. A yellow line is the middle of the grid, where the plane of symmetry belongs.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from skedema import VolumeReader
from skedema.scans._remarks import gathered
from skedema.scans.errors import ScanError
from skedema.scans.files import load_scan
from skedema.scans.head.brain import bone_share, trusted_mask
from skedema.scans.head.pose import head_pose
from skedema.scans.head.template import coarse, template_head

COLUMNS = ("scan", "ml", "on bone", "degrees", "alike", "enlarged by", "without", "ms")
READER = VolumeReader(template="head")
ROWS, ACROSS = 6, 4


def row(path: Path) -> list[str]:
    scan = load_scan(path)
    small, _ = coarse(scan)
    spacing = small.spacing.tolist()
    cells = [name_of(path), *["-"] * 5]
    try:
        mask = trusted_mask(small.voxels, spacing)
        cells[1] = f"{mask.sum() * np.prod(spacing) / 1000:.0f}"
        cells[2] = f"{bone_share(small.voxels, mask, spacing):.0%}"
        pose = head_pose(mask, small)
        cells[3:5] = f"{pose.degrees:.1f}", f"{pose.symmetry:.3f}"
    except ScanError:
        pass  # the remarks say it
    start = time.perf_counter()
    try:
        head = template_head(scan)
    except ScanError as error:
        return [*cells, f"as scanned: {error}", "-"]
    lasted = f"{1000 * (time.perf_counter() - start):.0f}"
    cells[5] = " ".join(f"{size:.2f}" for size in np.linalg.norm(head.to_template[:3, :3], axis=1))
    return [*cells, "; ".join(map(str, head.remarks)) or "nothing", lasted]


def name_of(path: Path) -> str:
    return path.name.removesuffix(".nii.gz").removesuffix("_ct")


def planes(volume: np.ndarray) -> np.ndarray:
    x, y, z = volume.shape
    views = [volume[:, :, z // 2 + 2], volume[:, y // 2], volume[x // 2]]
    views = [view.T[::-1, ::-1] for view in views]
    high = max(map(len, views))
    return np.hstack([np.pad(v, ((0, high - len(v)), (0, 1)), constant_values=1) for v in views])


def draw(names: list[str], volumes: list[np.ndarray], file: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(ROWS, ACROSS, figsize=(16, 12.6))
    for ax in axes.flat:
        ax.axis("off")
    for ax, name, volume in zip(axes.flat, names, volumes, strict=False):
        ax.imshow(planes(volume), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        ax.set_title(name, fontsize=9, pad=2)
        for view in (0, 1):
            ax.axvline(len(volume) / 2 - 0.5 + view * (len(volume) + 1), color="y", lw=0.4)
    figure.subplots_adjust(0.005, 0.005, 0.995, 0.98, 0.02, 0.08)
    figure.savefig(file, dpi=90)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    paths = sorted(options.folder.glob("*.nii.gz"))
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + " --- |" * len(COLUMNS)]
    lines += [f"| {' | '.join(row(path))} |" for path in paths]
    print("\n".join(lines))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "heads.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
        with gathered():
            volumes = [READER.read(path)[0] for path in paths]
        names = [name_of(path) for path in paths]
        size = ROWS * ACROSS
        for page, first in enumerate(range(0, len(paths), size), start=1):
            part = slice(first, first + size)
            draw(names[part], volumes[part], options.out / f"heads-{page}.png")


if __name__ == "__main__":
    main()
