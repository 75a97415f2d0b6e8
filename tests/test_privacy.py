"""Nothing leaves the machine unless asked, and nothing about patients is where it need not be."""

from __future__ import annotations

import base64
import gzip
import io
import logging
import os
import pickle
import re
import subprocess
import sys
import warnings
import zipfile
import zlib
from pathlib import Path

import joblib
import nibabel as nib
import numpy as np
import pandas as pd
import pytest

import skedema
from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema.clinical import ClinicalTokenizer
from skedema.evaluation import evaluate
from skedema.scans import ScanError, check
from skedema.scans.files import load_scan

DATA = Path(__file__).parent / "data" / "offline"
N = 14
# What is planted in the headers of scans; none may come out again.
NAME, NUMBER, BIRTH = "Vanderplanted^Cornelia", "PAT-4711-0815", "19340229"
PLANTED = [each.encode() for each in (NAME, "Vanderplanted", NUMBER, BIRTH)]


def offline(code, folder, *arguments):
    environment = dict(os.environ, OFFLINE_LOG=str(folder / "log"))
    paths = [str(DATA), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    command = [sys.executable, *code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)


@pytest.mark.slow
def test_the_main_paths_reach_for_no_network(tmp_path):
    done = offline([str(DATA / "main_paths.py")], tmp_path, str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    assert not (tmp_path / "log").exists(), (tmp_path / "log").read_text()
    assert (tmp_path / "predicted.csv").exists()


@pytest.mark.parametrize(
    "reach", ["socket.create_connection(('127.0.0.1', 9))", "socket.gethostbyname('example.org')"]
)
def test_what_does_is_stopped_and_written_down(tmp_path, reach):
    done = offline(["-c", f"import socket; {reach}"], tmp_path)
    assert done.returncode == 1
    assert "no network: socket." in done.stderr
    assert "socket." in (tmp_path / "log").read_text()


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Patients with names, numbers and dates of birth in the headers of their scans."""
    pydicom = pytest.importorskip("pydicom")
    from .scans.dicom._exam import exam, write

    folder = tmp_path_factory.mktemp("planted")
    rng = np.random.default_rng(0)
    cells = []
    for k in range(N):
        if k % 2:
            series = exam(6, PatientName=NAME, PatientBirthDate=BIRTH, PatientID=NUMBER)
            for ds in series:
                ds.PatientComments = f"{NAME} {NUMBER}"
                ds.add(pydicom.DataElement(0x00091001, "LO", NUMBER))
            write(folder / f"{k}", series)
            cells.append(str(folder / f"{k}"))
        else:
            voxels = rng.normal(35, 300, (16, 16, 8)).clip(-1000, 900).astype(np.int16)
            image = nib.Nifti1Image(voxels, np.diag([12.0, 12, 16, 1]))
            image.header["descrip"], image.header["aux_file"] = NAME, NUMBER
            image.header["db_name"] = BIRTH
            image.header.extensions.append(
                nib.nifti1.Nifti1Extension("comment", f"{NAME} {NUMBER} {BIRTH}".encode())
            )
            nib.save(image, folder / f"{k}.nii.gz")
            cells.append(str(folder / f"{k}.nii.gz"))
    return pd.DataFrame({"scan": cells, "age": rng.integers(40, 90, N)}), np.arange(N) // 2 % 2


def unpacked(content, depth=3):
    """Give bytes, and what is packed in them: gzip, zip, zlib of joblib, base64 in a page."""
    yield content
    if not depth:
        return
    inner = []
    if content[:2] == b"\x1f\x8b":
        inner.append(zlib.decompressobj(31).decompress(content))
    elif content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            inner += [archive.read(name) for name in archive.namelist()]
    for text in re.findall(rb"[A-Za-z0-9+/]{40,}", content)[:200]:
        inner.append(base64.b64decode(text[: len(text) // 4 * 4]))
    for each in inner:
        yield from unpacked(each, depth - 1)


def holds_planted(content):
    return any(word in each for each in unpacked(content) for word in PLANTED)


def test_the_search_finds_what_is_planted(planted):
    assert all(
        holds_planted(path.read_bytes())
        for cell in planted[0]["scan"][:2]
        for path in ([Path(cell)] if Path(cell).is_file() else Path(cell).iterdir())
    )
    page = b"<p>" + base64.b64encode(gzip.compress(b"." * 99 + PLANTED[0])) + b"</p>"
    assert holds_planted(page)


def test_headers_of_scans_are_in_nothing_that_is_written_or_said(planted, tmp_path, caplog, capfd):
    X, y = planted
    caplog.set_level(logging.DEBUG)
    logging.getLogger("matplotlib").setLevel(logging.WARNING)  # it tells of each font
    memory = str(tmp_path / "memory")
    reader = VolumeReader(spacing=26, shape=8)
    clf = AttentionMixerClassifier(
        image="scan", encoder="cnn", fine_tune=False, volume=reader, max_epochs=1, n_members=1,
        random_state=0, memory=memory, verbose=1,
    )  # fmt: skip
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        clf.fit(X, y).predict_proba(X)
        found = check(X["scan"])
        evaluate({"m": clf}, X, y, cv=2).report(tmp_path / "report.html")
        autoencoder = ViTAutoencoder(
            size="tiny", patch=4, volume=reader, max_epochs=1, memory=memory,
            checkpoint_dir=tmp_path / "checkpoints", verbose=1,
        ).fit(X["scan"])  # fmt: skip
    skedema.save(clf, tmp_path / "model.skedema")
    joblib.dump([clf, autoencoder], tmp_path / "model.joblib")
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(clf))
    (tmp_path / "found.csv").write_text(found.to_csv())
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 2 * N
    assert [path for path in written if holds_planted(path.read_bytes())] == []
    said = "".join([caplog.text, *capfd.readouterr(), *(str(each.message) for each in told)])
    assert said
    assert not holds_planted(said.encode())


def test_nor_in_errors_of_damaged_scans(planted, tmp_path):
    from .scans.dicom._exam import exam, write

    others = exam(6, PatientID=NUMBER, PatientName=NAME)
    others[2].PatientID = "another"
    write(tmp_path / "mixed", others)
    cut = bytearray(gzip.decompress(Path(planted[0]["scan"][0]).read_bytes()))
    (tmp_path / "cut.nii").write_bytes(cut[:-100])
    (tmp_path / "odd.nii").write_bytes(cut[:70] + b"\x99\x99" + cut[72:])
    cut[344:348] = b"xxxx"
    (tmp_path / "none.nii").write_bytes(cut)
    for name in ("mixed", "cut.nii", "odd.nii", "none.nii"):
        with pytest.raises(ScanError) as caught:
            load_scan(str(tmp_path / name))
        chain, error = "", caught.value
        while error is not None:
            chain, error = chain + repr(error), error.__cause__
        assert not holds_planted(chain.encode()), chain


def test_what_may_say_who_a_patient_is_is_not_quoted():
    names = [f"Vanderplanted {k}, Cornelia" for k in range(40)]
    births = [f"{1 + k % 28:02d}.03.1934" for k in range(40)]
    numbers = np.array([2**60 + 7 * k for k in range(40)], dtype=object)
    for values, form in ((names, "'Aaaaaaaaaaaaa 9, "), (births, "'99.99.9999'"), (numbers, "'9")):
        with pytest.raises(ValueError, match="Column 'who' holds") as caught:
            ClinicalTokenizer().fit(pd.DataFrame({"who": values}))
        assert form in str(caught.value)
        assert not re.search(r"Vander|1934|1152921504606", str(caught.value))
