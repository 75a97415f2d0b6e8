"""A format from outside of the package, in one file: this one."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pandas as pd
import pytest

from skedema import AttentionMixerClassifier, VolumeReader
from skedema.scans import Format, Scan, ScanError, check, looks_like_scan, register_format
from skedema.scans.cache import VolumeCache
from skedema.scans.files import load_scan, scan_key
from skedema.scans.formats import base

FORMAT = textwrap.dedent('''
    from pathlib import Path

    import numpy as np
    from skedema.scans import Format, Scan, ScanError, register_format

    class Halves(Format):
        """Sixteen cubed voxels, half in the file and half in that of the same name and .more."""

        whole = False

        def load(self, cell, name, max_bytes):
            data = b"".join(Path(file).read_bytes() for file in self.files(cell, name))
            if len(data) != 2 * 16**3:
                raise ScanError(f"{name}: has {len(data)} bytes; write all 8192")
            voxels = np.frombuffer(data, "<i2").reshape(16, 16, 16)
            return Scan(voxels.astype(np.float32), np.diag([9.0, 9.0, 9.0, 1.0]))

        def files(self, cell, name):
            return cell, cell + ".more"

    register_format(".half", Halves)
''')
exec(FORMAT)


def write(path, seed=0):
    data = np.random.default_rng(seed).integers(0, 80, 16**3, dtype="<i2").tobytes()
    path.write_bytes(data[:4096])
    path.with_name(path.name + ".more").write_bytes(data[4096:])
    return str(path)


@pytest.fixture
def scans(tmp_path):
    return [write(tmp_path / f"{k}.half", k) for k in range(8)]


def test_files_of_a_registered_format_are_scans_wherever_scans_are_read(scans, tmp_path):
    assert looks_like_scan("scans/1.HALF")
    reader = VolumeReader(shape=16, spacing=9.0, windows=None)
    volumes = reader.transform(scans)
    assert volumes.shape == (8, 1, 16, 16, 16)
    np.testing.assert_array_equal(volumes[3, 0], load_scan(scans[3]).voxels)
    table = check(scans)
    assert table["readable"].all()
    assert table["orientation"].tolist() == ["RAS"] * 8
    cut = tmp_path / "cut.half"
    write(cut)
    cut.write_bytes(b"")
    with pytest.raises(ScanError, match=r"row 0: .*cut\.half: has 4096 bytes; write all 8192"):
        reader.transform([str(cut)])


def test_a_classifier_learns_from_scans_of_a_registered_format(scans):
    X = pd.DataFrame({"scan": scans, "age": np.arange(8.0)})
    reader = VolumeReader(shape=16, spacing=9.0)
    clf = AttentionMixerClassifier(image="scan", volume=reader, encoder="cnn", max_epochs=1)
    assert clf.fit(X, [0, 1] * 4).predict_proba(X).shape == (8, 2)
    with pytest.raises(ValueError, match="A cell takes one scan"):
        clf.fit(X.assign(scan=[[one, one] for one in scans]), [0, 1] * 4)


def test_a_scan_is_another_one_when_any_of_its_files_is_written_anew(scans):
    cache, reader = VolumeCache(), VolumeReader(shape=4, spacing=9.0)
    before, key = cache.get(reader, scans[0]), scan_key(scans[0])
    assert scan_key(scans[0]) == key
    with open(scans[0] + ".more", "r+b") as file:
        file.write(bytes(2000))
    os.utime(scans[0] + ".more", ns=(1, 1))
    assert scan_key(scans[0]) != key
    assert (cache.get(reader, scans[0]) != before).any()
    os.remove(scans[0] + ".more")
    with pytest.raises(ScanError, match=r"0\.half: cannot be read \(No such file"):
        scan_key(scans[0])


def test_a_whole_file_is_known_by_its_content(tmp_path):
    class Whole(Format):
        def load(self, cell, name, max_bytes):
            return Scan(np.full((4, 4, 4), 7.0, np.float32), None)

    register_format(".whole", Whole)
    reader, memory = VolumeReader(shape=4), tmp_path / "memory"
    (tmp_path / "a.whole").write_bytes(b"voxels")
    (tmp_path / "copy.whole").write_bytes(b"voxels")
    VolumeCache().get(reader, str(tmp_path / "a.whole"), memory)
    again = VolumeCache()
    again.get(reader, str(tmp_path / "copy.whole"), memory)
    assert again.n_reads == 0


@pytest.mark.parametrize(
    ("voxels", "affine", "message"),
    [
        (np.zeros((4, 4, 4, 2)), None, r"a\.odd: has 4 dimensions"),
        (np.full((4, 4, 4), np.nan), None, r"a\.odd: 64 voxels are NaN"),
        (np.zeros((4, 4, 4)), np.zeros((4, 4)), r"a\.odd: its affine is not usable"),
    ],
)
def test_what_a_format_of_others_gives_is_checked(tmp_path, voxels, affine, message):
    class Odd(Format):
        def load(self, cell, name, max_bytes):
            return Scan(voxels, affine)

    register_format(".odd", Odd)
    (tmp_path / "a.odd").touch()
    with pytest.raises(ScanError, match=message):
        load_scan(tmp_path / "a.odd")


def test_worker_processes_know_what_was_registered_in_this_one(tmp_path):
    for k in range(3):
        write(tmp_path / f"{k}.half", k)
    read = """
        if __name__ == "__main__":
            import sys
            from skedema.scans import VolumeReader, check

            reader = VolumeReader(shape=4, spacing=9.0, n_jobs=2)
            assert reader.transform(sys.argv[1:]).shape == (3, 1, 4, 4, 4)
            assert check(sys.argv[1:], n_jobs=2)["readable"].all()
    """
    script = tmp_path / "script.py"
    script.write_text(FORMAT + textwrap.dedent(read))
    paths = [str(tmp_path / f"{k}.half") for k in range(3)]
    done = subprocess.run([sys.executable, script, *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_installed_package_offers_a_format(tmp_path, monkeypatch):
    information = tmp_path / "foreign-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[skedema.scan_formats]\n.far = foreign_scans:Halves\n.odd = foreign_scans:ScanError\n"
    )
    (tmp_path / "foreign_scans.py").write_text(
        FORMAT.replace('register_format(".half", Halves)', "")
    )
    monkeypatch.syspath_prepend(tmp_path)
    base._endings.cache_clear()
    path = write(tmp_path / "1.far")
    assert looks_like_scan("x.far")
    assert "foreign_scans" not in sys.modules  # looking imports nothing
    assert load_scan(path).voxels.shape == (16, 16, 16)
    (tmp_path / "a.odd").touch()
    with pytest.raises(TypeError, match=r"scan format '\.odd' was registered, but gives ScanError"):
        load_scan(tmp_path / "a.odd")
    monkeypatch.undo()
    base._endings.cache_clear()
    assert not looks_like_scan("x.far")


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        (".nii", r"scan format '\.nii' exists already"),
        (".NII", "give an ending with its dot, in lower case"),
        ("nii", "give an ending with its dot, in lower case"),
        ("", "give an ending with its dot, in lower case"),
    ],
)
def test_an_ending_is_refused_that_is_taken_or_none(ending, message):
    with pytest.raises(ValueError, match=message):
        register_format(ending, Format)


def test_registering_again_is_harmless():
    with warnings.catch_warnings():
        exec(FORMAT)
    assert looks_like_scan("a.half")
