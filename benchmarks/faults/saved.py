"""Model files that were damaged, made to do harm, or killed while they were written.

Beside `skedema.save`: pickle, joblib and torch.save of the same classifier. A file that was damaged
survives where reading it is an error, or gives the right probabilities; silence is what loses.
"""

from __future__ import annotations

import os
import pickle
import random
import resource
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import torch

import skedema
from benchmarks.faults._kills import Log, Work, kill_at_random
from benchmarks.faults._malicious import Payload, malicious
from benchmarks.faults._rows import Row
from skedema import AttentionMixerClassifier
from skedema.persistence import ModelFileError

SAVES = 12  # of a call that is killed
# Files that are damaged for each injection. The competitors' are fewer: each takes a fork, since
# reading a damaged pickle may end a process, or take all of its memory.
FILES, THEIRS = 1000 / 3, 10
MOST_BYTES, MOST_SECONDS = 2**33, 20  # of a competitor that reads a damaged file

_draw = np.random.default_rng(0)
X = pd.DataFrame({"sodium": _draw.normal(138, 5, 60), "sex": _draw.choice(["f", "m"], 60)})
Y = (X["sodium"] + _draw.normal(0, 5, 60) < 136).astype(int)


@dataclass(frozen=True)
class Way:
    """A way to keep a model in a file."""

    name: str
    save: Callable[[Any, Path], Any]
    load: Callable[[Path], Any]


def _pickle(model: Any, path: Path) -> None:
    with open(path, "wb") as file:
        pickle.dump(model, file)


def _unpickle(path: Path) -> Any:
    with open(path, "rb") as file:
        return pickle.load(file)


OURS = Way("skedema.save", skedema.save, skedema.load)
OTHERS = [
    Way("pickle", _pickle, _unpickle),
    Way("joblib.dump", joblib.dump, joblib.load),
    Way("torch.save", torch.save, partial(torch.load, weights_only=False)),
]


def rows(injections: int, folder: Path) -> list[Row]:
    """Give the rows of model files."""
    model = fitted(seed=0)
    found = [damaged_ours(model, int(FILES * injections), folder)]
    found += [damaged_theirs(way, model, THEIRS * injections, folder) for way in OTHERS]
    found.append(harmful_ours(model, folder))
    found += [harmful_theirs(way, folder) for way in OTHERS]
    _models()  # before processes are forked
    for way in (OURS, *OTHERS):
        work = Work(partial(save_again, way), Log.count, "saves")
        tally = kill_at_random(work, injections, folder / way.name)
        found.append(tally.row("kill -9 while a model is saved over another", way.name, ""))
    return found


def fitted(seed: int) -> AttentionMixerClassifier:
    return AttentionMixerClassifier(max_epochs=1, n_members=1, random_state=seed).fit(X, Y)


def mutated(content: bytes, draw: random.Random) -> bytes:
    """Flip a bit, write over, cut, fill with zeros, put in, take out, or exchange some bytes."""
    at, other = sorted((draw.randrange(len(content)), draw.randrange(len(content))))
    length = draw.choice((1, 2, 8, 64, 512))
    kind = draw.randrange(7)
    if kind == 0:
        changed = bytearray(content)
        changed[at] ^= 1 << draw.randrange(8)
        return bytes(changed)
    middle = {
        1: draw.randbytes(length),
        2: bytes(length),
        3: draw.randbytes(length) + content[at : at + length],
        4: b"",
        5: content[other : other + length],
    }
    if kind in middle:
        return content[:at] + middle[kind] + content[at + length :]
    return content[:at]


def different(content: bytes, draw: random.Random) -> bytes:
    """Mutate until something is another."""
    while (found := mutated(content, draw)) == content:
        pass
    return found


def damaged_ours(model: Any, n: int, folder: Path) -> Row:
    path, draw = folder / "model.skedema", random.Random(0)
    skedema.save(model, path)
    good, found = path.read_bytes(), Counter[str]()
    for _ in range(n):
        path.write_bytes(different(good, draw))
        try:
            skedema.load(path)
            found["read"] += 1
        except ModelFileError:
            found["refused"] += 1
        except Exception:
            found["another error"] += 1
    lost = f"{found['read']} silently wrong; {found['another error']} other errors"
    return Row("a damaged file", OURS.name, n, found["refused"], lost)


def damaged_theirs(way: Way, model: Any, n: int, folder: Path) -> Row:
    path, draw = folder / "model.theirs", random.Random(0)
    way.save(model, path)
    good, found = path.read_bytes(), Counter[str]()
    expected = model.predict_proba(X)
    for _ in range(n):
        path.write_bytes(different(good, draw))
        found[_in_fork(lambda: _outcome(way, path, expected))] += 1
    lost = f"{found['wrong']} silently wrong; {found['ended']} ended the process or its time"
    return Row("a damaged file", way.name, n, found["refused"] + found["right"], lost)


def _outcome(way: Way, path: Path, expected: np.ndarray) -> str:
    try:
        proba = way.load(path).predict_proba(X)
    except Exception:
        return "refused"
    return "right" if np.array_equal(proba, expected) else "wrong"


def _in_fork(call: Callable[[], str]) -> str:
    """Give what a call gives in a process of its own; "ended" where that does not live to tell."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.write(writing, call().encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(pid, 0)
    return said or "ended"


def harmful_ours(model: Any, folder: Path) -> Row:
    here = folder / "harmful"
    here.mkdir()
    path, marker = here / "model.skedema", folder / "ran"
    skedema.save(model, path)
    good, refused, before = path.read_bytes(), 0, Path.cwd()
    os.chdir(here)
    try:
        files = list(malicious(good, marker))
        for _, content in files:
            path.write_bytes(content)
            try:
                skedema.load(path)
            except ModelFileError:
                refused += 1
    finally:
        os.chdir(before)
    left = len(list(here.iterdir())) - 1
    return Row(
        "a malicious file",
        OURS.name,
        len(files),
        refused,
        f"{int(marker.exists())} ran",
        f"{left} files",
    )


def harmful_theirs(way: Way, folder: Path) -> Row:
    path, marker = folder / "harmful.theirs", folder / f"ran-{way.name}"
    way.save(Payload(marker), path)
    _in_fork(lambda: str(way.load(path)))
    ran = marker.exists()
    return Row(
        "a malicious file", way.name, 1, int(not ran), f"{int(ran)} ran", f"{int(ran)} files"
    )


def save_again(way: Way, folder: Path) -> Any:
    """Save two models over one another, again and again; what is there at first has to be whole."""
    path = folder / "model"
    if path.exists():
        way.load(path).predict_proba(X)
    Log.begin(folder)
    models = _models()
    for number in range(SAVES):
        way.save(models[number % 2], path)
        Log.finished()
    return way.load(path).predict_proba(X)


@cache
def _models() -> list[Any]:
    return [fitted(seed) for seed in (0, 1)]
