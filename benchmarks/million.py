"""What pre-training on 1,000,000 head CTs takes: storage, readers, GPUs, days, cost.

    python -m benchmarks.million [--scans 1000000] [--epochs 100] [--gpus 8] [--set NAME=VALUE]
                                 [--measure]

An estimate from constants, each printed with its source: nobody has pre-trained on a million scans
with this. What was measured says where; what is assumed says so, prices above all, and `--set` puts
another value in its place. `--measure` measures on this machine what a processor can: seconds of
the processor a scan, to read it and to take it from `memory`, of simulated scans of 512 x 512 x 40.
"""

import argparse
import math
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple


class Constant(NamedTuple):
    value: float
    unit: str
    source: str


READING = "benchmarks/README.md, Reading: 512 x 512 x 40, one thread"
GPU = "benchmarks/README.md, GPU: H100, base, 96 cubed, bf16, batch 64"
HERE = "--measure, 2026-11-27, scans as above"
CONSTANTS = {
    "raw_mb": Constant(8.3, "MB a scan, .nii.gz", READING),
    "prepared_mb": Constant(4 * 96**3 / 1e6, "MB a scan, prepared", "96 cubed, float32"),
    "read_s": Constant(0.046, "CPU s to read a scan", READING),
    "prepare_s": Constant(0.187, "CPU s, heads made alike", HERE),
    "memory_s": Constant(0.0078, "CPU s from memory=, verified", READING),
    "scans_s": Constant(238.0, "scans/s a GPU", GPU),
    "scaling": Constant(0.9, "of the rate with several GPUs", "assumed; not measured"),
    "gpu_price": Constant(3.0, "$ a GPU and hour", "assumed"),
    "core_price": Constant(0.04, "$ a core and hour", "assumed"),
    "gb_price": Constant(0.023, "$ a GB and month, object store", "assumed"),
    "disk_price": Constant(0.08, "$ a GB and month, fast disk", "assumed"),
}  # fmt: skip


class Row(NamedTuple):
    what: str
    value: float
    unit: str
    formula: str


def estimate(constants: dict[str, float], scans: int, epochs: int, gpus: int) -> list[Row]:
    """Compute the table, each row from constants and rows above."""
    c = argparse.Namespace(**constants)
    rate = c.scans_s * gpus * (c.scaling if gpus > 1 else 1.0)
    days = scans * epochs / rate / 86400
    raw, prepared = scans * c.raw_mb / 1e6, scans * c.prepared_mb / 1e6
    core_hours = scans * c.prepare_s / 3600
    months = max(1.0, days / 30)
    costs = {
        "GPUs": days * 24 * gpus * c.gpu_price,
        "preparing": core_hours * c.core_price,
        "raw scans kept": raw * 1e3 * c.gb_price * months,
        "prepared scans kept": prepared * 1e3 * c.disk_price * months,
    }
    return [
        Row("raw scans", raw, "TB", "scans x raw_mb"),
        Row("prepared scans", prepared, "TB", "scans x prepared_mb"),
        Row("preparing, once", core_hours, "core hours", "scans x prepare_s"),
        Row("of 64 cores", core_hours / 64, "hours", ""),
        Row("readers a GPU, prepared", c.scans_s * c.memory_s, "cores", "scans_s x memory_s"),
        Row("readers a GPU, raw, not aligned", c.scans_s * c.read_s, "cores", "scans_s x read_s"),
        Row("readers a GPU, raw, heads alike", c.scans_s * c.prepare_s, "cores", "x prepare_s"),
        Row("from disk, prepared", c.scans_s * c.prepared_mb / 1e3, "GB/s a GPU", "x prepared_mb"),
        Row("from the store, raw", c.scans_s * c.raw_mb / 1e3, "GB/s a GPU", "scans_s x raw_mb"),
        Row("an epoch", scans / rate / 3600, "hours", "scans / (scans_s x GPUs x scaling)"),
        Row("all epochs", days, "days", "epochs x an epoch"),
        Row("GPU days", days * gpus, "GPU days", "days x GPUs"),
        *(Row(f"cost: {what}", value, "$", "") for what, value in costs.items()),
        Row("cost in all", math.fsum(costs.values()), "$", "the sum, a month of storage at least"),
    ]  # fmt: skip


def measured() -> dict[str, float]:
    """Measure here what a processor can."""
    from benchmarks._clinical_scans import make_clinical_scans
    from skedema import VolumeReader
    from skedema.scans._digests import digest_at
    from skedema.scans.cache import VolumeCache

    def seconds(function: Any, scans: list[str]) -> float:
        function(scans[0])
        begin = time.process_time()
        for scan in scans:
            function(scan)
        return (time.process_time() - begin) / len(scans)

    with tempfile.TemporaryDirectory() as folder:
        scans = [str(path) for path in make_clinical_scans(Path(folder), 4)]
        cache, memory = VolumeCache(0), Path(folder) / "memory"
        for scan in scans:
            cache.get(VolumeReader(), scan, memory)
        digest_at.cache_clear()  # as in another process
        return {
            "raw_mb": sum(Path(scan).stat().st_size for scan in scans) / len(scans) / 1e6,
            "read_s": seconds(VolumeReader().read, scans),
            "prepare_s": seconds(VolumeReader(template="head").read, scans),
            "memory_s": seconds(lambda scan: cache.get(VolumeReader(), scan, memory), scans),
        }


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=int, default=1_000_000)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--measure", action="store_true")
    arguments = parser.parse_args()
    constants = dict(CONSTANTS)
    if arguments.measure:
        for name, value in measured().items():
            constants[name] = constants[name]._replace(value=value, source="measured here, now")
    for text in arguments.set:
        name, _, value = text.partition("=")
        if name not in constants:
            parser.error(f"there is no {name}; there are {', '.join(constants)}")
        constants[name] = constants[name]._replace(value=float(value), source="given")
    print("| constant | value | unit | source |\n| --- | --- | --- | --- |")
    for name, (value, unit, source) in constants.items():
        print(f"| {name} | {number(value)} | {unit} | {source} |")
    values = {name: constant.value for name, constant in constants.items()}
    print(f"\n{arguments.scans:,} scans, {arguments.epochs} epochs, {arguments.gpus} GPUs\n")
    print("| what | value | unit | from |\n| --- | --- | --- | --- |")
    for row in estimate(values, arguments.scans, arguments.epochs, arguments.gpus):
        print(f"| {row.what} | {number(row.value)} | {row.unit} | {row.formula} |")


if __name__ == "__main__":
    main()
