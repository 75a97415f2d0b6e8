"""What is left of work that is killed, or finds the disk full, or reads what was damaged.

    python -m benchmarks.faults [--only KIND ...] [--injections 30]

A kind is a file of this package. Each of its rows is a competitor: skedema, and what people do
without it, on the same work. "Survived" is how often the same call, made again after the fault,
gave to the bit what the undisturbed one gives; "work lost" what had been finished before and was
done again; "left behind" what is still there after that call and nobody needs.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
import tempfile
import warnings
from pathlib import Path

# Before numpy is loaded: a process with threads cannot be forked safely.
for _pool in ("OMP", "MKL", "OPENBLAS"):
    os.environ.setdefault(f"{_pool}_NUM_THREADS", "1")

from benchmarks import faults  # noqa: E402
from benchmarks.faults._rows import HEAD_LINES, line  # noqa: E402

KINDS = sorted(
    each.name for each in pkgutil.iter_modules(faults.__path__) if not each.name.startswith("_")
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=KINDS, metavar="KIND", default=KINDS)
    parser.add_argument("--injections", type=int, default=30)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    for kind in arguments.only:
        print(f"{kind} ...", file=sys.stderr, flush=True)
        made = importlib.import_module(f"benchmarks.faults.{kind}")
        with tempfile.TemporaryDirectory() as folder:
            for row in made.rows(arguments.injections, Path(folder)):
                print(line(row), file=sys.stderr, flush=True)
                rows.append(row)
    print(*HEAD_LINES, *map(line, rows), sep="\n")


if __name__ == "__main__":
    main()
