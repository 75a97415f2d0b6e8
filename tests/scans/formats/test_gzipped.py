from __future__ import annotations

import gzip
import shutil
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest

from skedema.scans.errors import ScanError
from skedema.scans.files import load_scan
from skedema.scans.formats import gzipped

CONTENT = np.random.default_rng(0).integers(0, 40, 300_000, dtype=np.uint8).tobytes()
PACKED = gzip.compress(CONTENT, 6, mtime=0)
N = len(CONTENT)


def with_header(flags, fields=b"", header_crc=False):
    header = PACKED[:3] + bytes([flags]) + PACKED[4:10] + fields
    if header_crc:
        header += struct.pack("<H", zlib.crc32(header) & 0xFFFF)
    return header + PACKED[10:]


@pytest.fixture(params=["deflate", "isal", "zlib"])
def unpack(request):
    if request.param != "zlib":
        pytest.importorskip(request.param)
    library = gzipped.library_named(request.param)
    return lambda data, max_bytes=N: library(data, "a.gz", max_bytes).tobytes()


GOOD = {
    "plain": (PACKED, CONTENT),
    "fast": (gzip.compress(CONTENT, 1), CONTENT),
    "stored": (gzip.compress(CONTENT, 0), CONTENT),
    "nothing": (gzip.compress(b""), b""),
    "one byte": (gzip.compress(b"a"), b"a"),
    "name": (with_header(8, b"scan.nii\0"), CONTENT),
    "all fields": (with_header(0x1D, b"\x03\0abcname\0comment\0"), CONTENT),
    "header checksum": (with_header(2, header_crc=True), CONTENT),
    "two members": (PACKED + gzip.compress(b"xyz"), CONTENT + b"xyz"),
    "same member twice": (gzip.compress(b"abc") * 2, b"abcabc"),
    "members of bgzip": (
        b"".join(gzip.compress(CONTENT[k : k + 65_280]) for k in range(0, N, 65_280))
        + gzip.compress(b""),
        CONTENT,
    ),
    "zeros behind": (PACKED + bytes(1000), CONTENT),
    "blank": (gzip.compress(bytes(3_000_000)), bytes(3_000_000)),
}


@pytest.mark.parametrize("case", GOOD)
def test_every_library_gives_the_same_bytes(unpack, case):
    packed, content = GOOD[case]
    for max_bytes in (len(content), len(content) + 1, len(content) + 5_000_000):
        assert unpack(packed, max_bytes) == content


@pytest.mark.parametrize("case", [case for case in GOOD if case != "nothing"])
def test_no_more_than_the_bytes_promised_are_unpacked(unpack, case):
    packed, content = GOOD[case]
    for max_bytes in {0, len(content) // 2, len(content) - 1}:
        with pytest.raises(ScanError, match=rf"unpacks to more than the {max_bytes:,} bytes"):
            unpack(packed, max_bytes)


BAD = {
    "checksum": (PACKED[:-8] + b"abcd" + PACKED[-4:], "damaged"),
    "length": (PACKED[:-4] + struct.pack("<I", N + 1), "damaged"),
    "garbage behind": (PACKED + b"garbage", "7 bytes that are no gzip follow its compressed data"),
    "garbage behind zeros": (PACKED + b"\0\0garbage", "9 bytes that are no gzip follow"),
    "trailer twice": (PACKED + PACKED[-8:], "8 bytes that are no gzip follow"),
    "half a member behind": (PACKED + PACKED[:500], "ends before its compressed data do"),
    "no gzip": (b"hello", "it is no gzip file: it begins with b'hell'"),
    "reserved flags": (with_header(0x20), "reserved flags"),
    "wrong header checksum": (with_header(2, b"ab"), "damaged"),
    "other method": (PACKED[:2] + b"\7" + PACKED[3:], "damaged"),
    "name without end": (PACKED[:3] + b"\x08" + PACKED[4:10] + b"a" * 99, "ends before"),
    "block of no type": (PACKED[:10] + b"\xff" + PACKED[11:], "damaged"),
}


@pytest.mark.parametrize("case", BAD)
def test_every_library_refuses_what_is_damaged(unpack, case):
    data, message = BAD[case]
    with pytest.raises(ScanError, match=rf"^a\.gz: cannot be read \(.*{message}"):
        unpack(data, 2 * N)


def test_every_library_refuses_every_truncation(unpack):
    packed = gzip.compress(CONTENT[:500])
    for n in range(1, len(packed)):
        with pytest.raises(ScanError):
            unpack(packed[:n], 500)


def test_every_library_refuses_every_flip_that_changes_the_content(unpack):
    packed = gzip.compress(CONTENT[:300], mtime=0)
    taken = []
    for k in range(len(packed)):
        for bit in range(8):
            data = bytearray(packed)
            data[k] ^= 1 << bit
            try:
                assert unpack(bytes(data), 300) == CONTENT[:300]
                taken.append(k)
            except ScanError:
                pass
    # Time, level and system, the flag for "text", and the unused bits before the trailer.
    assert set(taken) <= {3, *range(4, 10), len(packed) - 9}


def test_many_members_take_no_long_time(unpack):
    data = gzip.compress(b"") * 100_000
    with pytest.raises(ScanError, match="in more than 65,536 pieces"):
        unpack(data)


def test_files_are_unpacked_by_the_first_library_there_is(tmp_path, monkeypatch):
    path = tmp_path / "a.gz"
    path.write_bytes(PACKED)
    for missing in ([], ["deflate"], ["deflate", "isal"]):
        with monkeypatch.context() as patch:
            for library in missing:
                patch.setitem(sys.modules, library, None)
                patch.setitem(sys.modules, f"{library}.isal_zlib", None)
            gzipped._library.cache_clear()
            assert gzipped.decompress(str(path), "a.gz", N).tobytes() == CONTENT
    gzipped._library.cache_clear()


@pytest.mark.parametrize(
    ("max_bytes", "message"),
    [
        (1032 * len(PACKED) + 1, "bytes of gzip cannot hold the"),
        (100, "where the header promises 100 unpacked"),
    ],
)
def test_sizes_that_cannot_be_are_refused_unread(tmp_path, max_bytes, message):
    path = tmp_path / "a.gz"
    path.write_bytes(PACKED * (1 if max_bytes > 100 else 9))
    with pytest.raises(ScanError, match=message):
        gzipped.decompress(str(path), "a.gz", max_bytes)


def test_the_start_is_unpacked_alone(tmp_path):
    path = tmp_path / "a.gz"
    for packed in (PACKED, PACKED[:2000], with_header(8, b"n" * 50_000 + b"\0")):
        path.write_bytes(packed)
        assert gzipped.peek(str(path), "a.gz", 540) == CONTENT[:540]
    path.write_bytes(gzip.compress(b"abc"))
    assert gzipped.peek(str(path), "a.gz", 540) == b"abc"
    path.write_bytes(with_header(8, b"n" * 5_000_000))  # a name without end
    assert gzipped.peek(str(path), "a.gz", 540) == b""


@pytest.mark.skipif(shutil.which("gzip") is None, reason="needs gzip")
@pytest.mark.parametrize("ending", [".nii.gz", ".mgz", ".hdr.gz"])
def test_a_file_that_was_compressed_twice_is_to_be_unpacked_once(tmp_path, ending):
    nib = pytest.importorskip("nibabel")
    voxels = np.random.default_rng(0).integers(-1000, 1000, (12, 11, 10)).astype("i2")
    kind = {".mgz": nib.MGHImage, ".hdr.gz": nib.Nifti1Pair}.get(ending, nib.Nifti1Image)
    path = tmp_path / f"a{ending}"
    nib.save(kind(voxels, np.diag([2.0, 2, 2, 1])), path)
    once = path.read_bytes()
    path.write_bytes(gzip.compress(once))
    with pytest.raises(ScanError, match=r"it was compressed twice\); unpack it once") as caught:
        load_scan(path)
    subprocess.run(str(caught.value).split("e.g. ")[1], shell=True, cwd=tmp_path, check=True)
    assert path.read_bytes() == once
    assert (load_scan(path).voxels == voxels).all()
