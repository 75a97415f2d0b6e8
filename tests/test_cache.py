from __future__ import annotations

import os
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest

import skedema
from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema._caching.cache import Cache
from skedema.scans.cache import volumes

SCANS = [np.full((8, 8, 8), 10.0 * k, np.float32) for k in range(6)]
READER = VolumeReader(shape=8, spacing=None)


@pytest.fixture
def memory(tmp_path):
    """A folder in which everything is kept that there is."""
    memory = tmp_path / "memory"
    encoder = ViTAutoencoder(
        size="tiny", patch=4, volume=READER, max_epochs=1, random_state=0, mask_ratio=0.5
    )
    X = np.empty((6, 1), dtype=object)
    X[:, 0] = SCANS
    skedema.cache.clear()
    AttentionMixerClassifier(
        image=0, encoder=encoder, max_epochs=1, memory=memory, random_state=0
    ).fit(X, [0, 1] * 3)
    return memory


def test_importing_it_loads_no_estimator():
    code = "import sys, skedema; skedema.cache.info(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_it_tells_what_is_kept_and_forgets_it(memory):
    kept = skedema.cache.info(memory)
    assert kept.loc[["volumes", "about", "features"], "on_disk"].tolist() == [6, 6, 6]
    assert kept.loc[["about", "features", "encoders"], "in_memory"].tolist() == [6, 6, 1]
    assert kept.loc["encoders", "on_disk"] == kept.loc["pretraining", "in_memory"] == 0
    assert kept.loc["pretraining", "on_disk"] > 0
    assert kept.loc["volumes", "bytes_on_disk"] > 6 * 8**3 * 4
    assert ((kept["bytes_on_disk"] > 0) == (kept["on_disk"] > 0)).all()
    assert ((kept["bytes_in_memory"] > 0) == (kept["in_memory"] > 0)).all()

    skedema.cache.clear()
    emptied = skedema.cache.info(memory)
    assert (emptied[["in_memory", "bytes_in_memory"]] == 0).all(axis=None)
    assert emptied[["on_disk", "bytes_on_disk"]].equals(kept[["on_disk", "bytes_on_disk"]])

    skedema.cache.clear(joblib.Memory(memory, verbose=0))
    assert (skedema.cache.info(memory) == 0).all(axis=None)
    assert list((memory / "skedema").iterdir()) == []


def test_without_a_folder_nothing_is_on_disk(memory):
    assert (skedema.cache.info()[["on_disk", "bytes_on_disk"]] == 0).all(axis=None)
    assert (skedema.cache.info(memory / "none")["on_disk"] == 0).all()
    skedema.cache.clear(memory / "none")
    assert not (memory / "none").exists()


def test_what_is_not_of_skedema_is_not_removed(memory):
    own = [memory / "own.array", memory / "skedema" / "own.array"]
    own += [memory / "skedema" / kind / "notes" for kind in ("volumes", "pretraining", "mine")]
    own.append(memory / "skedema" / "evaluation" / "of-evaluate.array")
    for path in own:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    empty = [memory / "skedema" / kind / "empty" for kind in ("volumes", "pretraining", "mine")]
    for path in empty:
        path.mkdir()
    skedema.cache.set_max_bytes(memory, 0)
    (memory / "skedema" / "max_bytes.json").unlink()
    skedema.cache.clear(memory)
    assert all(path.is_dir() for path in empty)
    assert [path.read_text() for path in own] == ["mine"] * len(own)
    assert sorted(path for path in memory.rglob("*") if path.is_file()) == sorted(own)


def test_strays_of_killed_writers_are_removed(tmp_path):
    folder = tmp_path / "skedema" / "volumes"
    folder.mkdir(parents=True)
    (folder / ".0123.partial").write_text("half")
    skedema.cache.clear(tmp_path)
    assert list((tmp_path / "skedema").iterdir()) == []


def test_the_bound_of_a_folder_is_heeded_and_may_be_lifted(tmp_path):
    size = 8**3 * 4
    skedema.cache.set_max_bytes(tmp_path, 3 * (size + 1000))
    for scan in SCANS:
        volumes.get(READER, scan, tmp_path, keep=False)
    bounded = skedema.cache.info(tmp_path)["bytes_on_disk"].sum()
    assert size < bounded <= 3 * (size + 1000) * 1.05 + size + 1000
    skedema.cache.set_max_bytes(tmp_path, 0)
    assert skedema.cache.info(tmp_path)["on_disk"].sum() == 0
    skedema.cache.set_max_bytes(tmp_path, None)
    for scan in SCANS:
        volumes.get(READER, scan, tmp_path, keep=False)
    assert skedema.cache.info(tmp_path).loc["volumes", "on_disk"] == 6


@pytest.mark.parametrize(
    ("memory", "max_bytes", "error", "message"),
    [
        ("here", 1.5, TypeError, "whole number or None, got 1.5"),
        ("here", True, TypeError, "whole number or None, got True"),
        ("here", -1, ValueError, "0 or more, got -1"),
        (None, 5, ValueError, "memory=None names no folder"),
        (joblib.Memory(None), 5, ValueError, "names no folder"),
    ],
)
def test_other_bounds_are_refused(tmp_path, monkeypatch, memory, max_bytes, error, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        skedema.cache.set_max_bytes(memory, max_bytes)
    assert os.listdir(tmp_path) == []


def test_a_memory_without_a_folder_is_refused():
    for ask in (skedema.cache.info, skedema.cache.clear):
        with pytest.raises(ValueError, match="does not keep things in a folder"):
            ask(3)


def test_caches_that_are_gone_do_not_count():
    before = skedema.cache.info().loc["features", "in_memory"]
    cache = Cache("features", 1, 1000)
    cache.put("key", np.zeros(3))
    assert skedema.cache.info().loc["features", "in_memory"] == before + 1
    assert pickle.loads(pickle.dumps(cache)).nbytes == 0
    del cache
    assert skedema.cache.info().loc["features", "in_memory"] == before
