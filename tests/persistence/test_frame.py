from __future__ import annotations

import json
import random
import zipfile

import numpy as np
import pandas as pd
import pytest
import safetensors.torch

import skedema
from benchmarks.faults._malicious import malicious, members_of, sealed
from skedema import AttentionMixerClassifier
from skedema.persistence import ModelFileError
from skedema.persistence._tensors import parse

X = pd.DataFrame({"sodium": [128.0, 140.0, 126.0, 142.0], "sex": ["f", "m", "m", "f"]})


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "model.skedema"
    clf = AttentionMixerClassifier(dim=4, n_heads=1, max_epochs=1, random_state=0)
    skedema.save(clf.fit(X, [1, 0, 1, 0]), path)
    return path.read_bytes()


def test_a_file_with_a_flipped_bit_is_refused(good, tmp_path):
    path, draw = tmp_path / "model.skedema", random.Random(0)
    # Every byte of the archive's own, and some of the members'.
    start = good.index(b"PK\1\2")
    places = {*range(44), *range(start, len(good)), *draw.sample(range(len(good)), 200)}
    for place in sorted(places):
        damaged = bytearray(good)
        damaged[place] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError):
            skedema.load(path)


def test_a_file_that_was_cut_or_grew_is_refused(good, tmp_path):
    path, draw = tmp_path / "model.skedema", random.Random(0)
    cut = [good[: draw.randrange(len(good))] for _ in range(40)]
    places = [draw.randrange(len(good)) for _ in range(40)]
    grown = [good[:at] + bytes([draw.randrange(256)]) + good[at:] for at in places]
    swapped = [good[at:] + good[:at] for at in places]
    for content in (*cut, *grown, *swapped, good + good):
        path.write_bytes(content)
        with pytest.raises(ModelFileError):
            skedema.load(path)


def test_no_malicious_file_runs_or_writes_anything(good, tmp_path, monkeypatch):
    folder, marker = tmp_path / "here", tmp_path / "ran"
    folder.mkdir()
    monkeypatch.chdir(folder)
    names = []
    for name, content in malicious(good, marker):
        path = folder / "model.skedema"
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match=r"model\.skedema"):
            pytest.fail(f"{name} was read: {skedema.load(path)!r}")
        names.append(name)
        assert not marker.exists(), name
        assert [each.name for each in folder.iterdir()] == ["model.skedema"], name
    assert [each.name for each in tmp_path.iterdir()] == ["here"]
    assert len(set(names)) == len(names) >= 30


def test_one_that_is_sealed_anew_is_read(good, tmp_path):
    # Or the tests above would refuse files for another reason than theirs.
    path = tmp_path / "model.skedema"
    path.write_bytes(sealed(members_of(good)))
    assert np.isfinite(skedema.load(path).predict_proba(X)).all()


def test_python_writes_and_reads_the_same_archive(good, tmp_path):
    path = tmp_path / "model.skedema"
    path.write_bytes(good)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.comment.startswith(b"skedema model; SHA-256 of manifest.json: ")
        for info in archive.infolist():
            assert (info.compress_type, info.flag_bits, info.extra) == (0, 0, b"")


def test_a_later_format_is_refused_by_its_number(good, tmp_path):
    path = tmp_path / "model.skedema"
    path.write_bytes(dict(malicious(good, tmp_path))["a later format"])
    with pytest.raises(ModelFileError, match=r"has format 999, .* reads formats up to 1\. Install"):
        skedema.load(path)


def test_a_parameter_that_the_writer_did_not_know_has_its_default(good, tmp_path):
    members = members_of(good)
    params = json.loads(members["params.json"])
    del params["objects"][-1][1]["modality_dropout"]
    path = tmp_path / "model.skedema"
    path.write_bytes(sealed(members, **{"params.json": json.dumps(params).encode()}))
    assert skedema.load(path).modality_dropout == 0.0


def test_weights_are_those_that_the_library_reads(good):
    found = safetensors.torch.load(members_of(good)["weights.safetensors"])
    own = parse(memoryview(members_of(good)["weights.safetensors"]))
    assert found.keys() == own.keys()
    assert all(found[name].numpy().tobytes() == own[name].numpy().tobytes() for name in own)
