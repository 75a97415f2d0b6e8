from __future__ import annotations

import hashlib
import io

import numpy as np

from skedema._caching.digest import (
    DIGEST_SIZE,
    DigestedWriter,
    digest,
    file_digest,
    raw_digest,
)


def test_it_is_the_sha256_of_the_parts_one_after_the_other():
    numbers = np.arange(12, dtype=">f4").reshape(3, 4)
    found = digest("é", b"bytes", memoryview(b"more"), numbers.T)
    content = "é".encode() + b"bytesmore" + numbers.T.tobytes()
    assert found == hashlib.sha256(content).hexdigest()
    assert raw_digest(content).hex() == found
    assert len(raw_digest()) == DIGEST_SIZE


def test_arrays_of_no_numbers_and_of_no_axes_are_digested():
    assert digest(np.zeros((0, 3))) == digest()
    assert digest(np.float64(1.5).reshape(())) == digest(np.array([1.5]))


def test_a_file_has_the_digest_of_its_content(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    assert file_digest(tmp_path / "file") == digest(b"content")


def test_what_is_written_is_digested_on_the_way():
    file = io.BytesIO()
    writer = DigestedWriter(file)
    for part in (b"one", b"two"):
        assert writer.write(part) == 3
    assert file.getvalue() == b"onetwo"
    assert writer.raw_digest() == raw_digest(b"onetwo")
