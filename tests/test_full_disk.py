"""A disk that is full: what was there stays whole, nothing is left half, and work goes on."""

from __future__ import annotations

import builtins
import errno
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import skedema
from skedema._each import _shipped
from skedema._pages.page import Page
from skedema.baselines import ScanFeatures
from skedema.cli._config import save as save_config
from skedema.cli._output import write_table
from skedema.datasets._scan import write_nifti
from skedema.evaluation import evaluate
from skedema.inspection._relevance import ScanRelevance
from skedema.search import StudySearchCV

PACKAGE = Path(skedema.__file__).parent
BALL = np.ones((8, 8, 8), np.float32)


class FillsUp(io.FileIO):
    """A file that takes ten bytes."""

    def write(self, data):
        super().write(bytes(data)[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fill(patch, step):
    """Let one step of writing a file fail."""

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    opens = builtins.open

    def open_full(path, mode="r", *args, **kwargs):
        if "x" not in mode:
            return opens(path, mode, *args, **kwargs)
        return io.BufferedWriter(FillsUp(path, "xb")) if step == "write" else full()

    if step in ("open", "write"):
        patch.setattr(builtins, "open", open_full)
    else:
        patch.setattr(os, step, full)


STEPS = ["open", "write", "fsync", "replace"]
ASKED_FOR = {
    "page.html": lambda path: Page("sections.html", title="a page", sections=[]).save_as_html(path),
    "relevance.nii.gz": lambda path: ScanRelevance(BALL, BALL, np.eye(4), 1).save(path),
    "scan.nii.gz": lambda path: write_nifti(path, BALL.astype(np.int16), np.eye(4)),
    "table.csv": lambda path: write_table(pd.DataFrame({"a": range(99)}), path),
    "options.toml": lambda path: save_config(path, "a = 1\n" * 99),
    "model.skedema": lambda path: skedema.save(StandardScaler().fit(BALL[0]), path),
    "skedema/max_bytes.json": lambda path: skedema.cache.set_max_bytes(path.parents[1], 10**40),
}


@pytest.mark.parametrize("name", ASKED_FOR)
@pytest.mark.parametrize("step", STEPS)
def test_what_was_asked_for_fails_by_name_and_keeps_the_old_file(tmp_path, monkeypatch, name, step):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    ASKED_FOR[name](path)
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        fill(patch, step)
        with pytest.raises(OSError, match=f"No space left on device: '{re.escape(str(path))}'$"):
            ASKED_FOR[name](path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]
    ASKED_FOR[name](path)  # space was freed


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    rng = np.random.default_rng(0)
    paths = [str(folder / f"{number}.npy") for number in range(6)]
    for path in paths:
        np.save(path, rng.normal(30, 9, (16, 16, 16)).astype("f4"))
    return pd.DataFrame({"scan": paths})


def features_of(scans, memory):
    reader = skedema.VolumeReader(shape=16, spacing=None)
    made = ScanFeatures(image="scan", encoder="cnn", volume=reader, memory=memory, random_state=0)
    skedema.cache.clear()  # what is in memory
    return np.asarray(made.fit_transform(scans, np.arange(6) % 2))


def evaluated(storage):
    X = np.random.default_rng(0).normal(size=(40, 2))
    y = (X[:, 0] > 0).astype(int)
    found = evaluate(
        {"a": LogisticRegression()}, X, y, cv=3, storage=storage, random_state=0,
        return_estimator=True, trusted_columns=[0, 1],
    )  # fmt: skip
    return found.predictions


def strays(folder):
    return [path.name for path in folder.rglob(".*")]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.filterwarnings("ignore:.*No space left on device")
def test_a_cache_that_is_full_costs_no_work(tmp_path, scans, monkeypatch, step):
    features, predictions = features_of(scans, None), evaluated(None)
    with monkeypatch.context() as patch:
        fill(patch, step)
        with pytest.warns(UserWarning, match="nothing can be written there"):
            np.testing.assert_array_equal(features_of(scans, tmp_path / "memory"), features)
        with pytest.warns(UserWarning, match="nothing can be written there"):
            pd.testing.assert_frame_equal(evaluated(tmp_path / "storage"), predictions)
    assert not strays(tmp_path)
    assert not list(tmp_path.rglob("*.array"))
    np.testing.assert_array_equal(features_of(scans, tmp_path / "memory"), features)
    pd.testing.assert_frame_equal(evaluated(tmp_path / "storage"), predictions)


@pytest.mark.parametrize("step", ["open", "write"])
def test_processes_without_room_to_share_arrays_have_their_own(monkeypatch, step):
    thing = {"large": np.arange(2.0**18)}

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*((os, "fdopen") if step == "open" else (_shipped, "_written")), full)
    with _shipped.shipped(thing) as given:
        assert not given.path
        np.testing.assert_array_equal(given.open()["large"], thing["large"])


# A disk that is really full


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB."""
    mount = shutil.which("mount")
    folder = tmp_path / "small"
    folder.mkdir()
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    if not mount or not hasattr(os, "geteuid") or os.geteuid() or subprocess.call(command):
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def filled(folder, but_for=0):
    """Fill a file system, but for some bytes; gives the file to remove."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
        file.truncate(ballast.stat().st_size - but_for)
    return ballast


@pytest.mark.filterwarnings("ignore:.*No space left on device")
def test_caches_on_a_small_disk_fill_it_and_cost_no_work(small_disk, scans):
    features, predictions = features_of(scans, None), evaluated(None)
    filled(small_disk, but_for=2**15)
    with pytest.warns(UserWarning, match=r"nothing can be written there \(.*No space left"):
        np.testing.assert_array_equal(features_of(scans, small_disk / "memory"), features)
    filled(small_disk)
    pd.testing.assert_frame_equal(evaluated(small_disk / "storage"), predictions)
    assert not strays(small_disk)
    np.testing.assert_array_equal(features_of(scans, small_disk / "memory"), features)


@pytest.mark.parametrize("name", ["page.html", "table.csv", "model.skedema"])
def test_a_full_small_disk_keeps_the_old_file(small_disk, name):
    path = small_disk / name
    ASKED_FOR[name](path)
    before = path.read_bytes()
    filled(small_disk)
    with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
        ASKED_FOR[name](path)
    assert path.read_bytes() == before
    assert not strays(small_disk)


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_a_search_on_a_full_small_disk_goes_on_once_there_is_room(small_disk, kind):
    from optuna.distributions import FloatDistribution

    path = small_disk / f"study.{kind}"
    X = np.random.default_rng(0).normal(size=(40, 2))
    y = (X[:, 0] > 0).astype(int)

    def search(storage, n_trials):
        space = {"C": FloatDistribution(1e-3, 10)}
        found = StudySearchCV(
            LogisticRegression(), space, n_trials=n_trials, cv=3, storage=storage, random_state=0
        )
        return found.fit(X, y)

    storage = path if kind == "journal" else f"sqlite:///{path}"
    whole = search(None, 6)
    search(storage, 2)
    ballast = filled(small_disk)
    with pytest.raises(OSError, match="No space left") as no:
        search(storage, 200)  # some fit into the last bytes
    assert str(path) in " ".join([str(no.value), *no.value.__notes__])
    ballast.unlink()
    resumed = search(storage, 6)
    states = [trial.state.name for trial in resumed.study_.trials]
    assert "RUNNING" not in states
    kept = resumed.trials_[resumed.trials_["state"] != "fail"]
    assert kept["C"].tolist()[:6] == whole.trials_["C"].tolist()
    assert kept["score"].tolist()[:6] == whole.trials_["score"].tolist()
    assert os.listdir(small_disk) == [path.name]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_standard_output_on_a_full_disk_is_an_error():
    code = "import sys; from skedema.cli import main; sys.argv = ['skedema', '--version']; main()"
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode != 0
    assert b"No space left" in done.stderr


def test_files_are_written_where_they_come_whole_and_nowhere_else():
    opened = re.compile(
        r"open\([^)]*[\"'][rb+]*[wxa][rb+]*[\"']|\.write_(text|bytes)\(|np\.save|\.savefig\("
    )
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if opened.search(line) and ">>>" not in line and "... " not in line
    }
    assert found == {
        "_caching/whole_files.py",
        "_each/_shipped.py",  # for other processes of this call
        "_pages/pictures.py",  # in memory
        "scans/_remote/copies.py",  # a lock
        "search/_journal.py",  # as Optuna writes it: line by line
    }
