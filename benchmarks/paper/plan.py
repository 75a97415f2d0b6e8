"""What a run is asked for, and how what it computes is kept."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

PARTS = ("comparison", "interaction", "ablation", "real", "trained", "missing", "arms", "patients")
USUAL = PARTS[:4]


class Plan(NamedTuple):
    storage: Path
    patients: int
    cohorts: tuple[int, ...]
    folds: int
    seeds: int
    jobs: int
    quick: bool

    @property
    def memory(self) -> str:
        return str(self.storage / "memory")

    @property
    def kept_folds(self) -> str:
        return str(self.storage / "folds")


def kept(path: Path, make: Callable[[], Any]) -> Any:
    """Load what is there, or make it and keep it; a kill leaves it whole or absent."""
    if path.exists():
        return pickle.loads(path.read_bytes())
    made = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_bytes(pickle.dumps(made))
    unfinished.replace(path)
    return made
