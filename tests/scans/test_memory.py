"""One bound of memory for every format: what reading takes, and what is refused."""

from __future__ import annotations

import io
import json
import re
import struct
import subprocess
import sys
import zipfile
import zlib

import numpy as np
import pytest

pytest.importorskip("pydicom")
from nibabel.freesurfer.mghformat import MGHHeader
from pydicom import Dataset
from pydicom.uid import JPEG2000Lossless, RLELossless

from ._memory import FORMATS, ct_slice, nii, packed, put, rle, write_meta, write_nrrd, zipped

U2_OF_MGZ = 10  # nibabel 5.3.0 does not know it
MGH_TYPES = MGHHeader._data_type_codes.value_set("code")

MEASURE = """
import ctypes, gc, json, sys, warnings
from pathlib import Path
import nibabel, numpy, pydicom, zipfile, pydicom.pixels.decoders.base
from skedema.scans import ScanError
from skedema.scans.files import load_scan
from skedema.scans import dicom
warnings.simplefilter("ignore")

def memory(which):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(which)))

def peak(cell, max_bytes):
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    try:
        held = load_scan(cell, max_bytes=max_bytes).voxels.nbytes
    except ScanError as error:
        return str(error), memory("VmHWM") - before
    return held, memory("VmHWM") - before

found = {}
for name, path, max_bytes, opened in json.load(sys.stdin):
    found[name] = peak(nibabel.load(path) if opened else path, max_bytes)
print(json.dumps(found))
"""


def measured(cells):
    """Read each in another process; gives the bytes held, or the message, and the peak."""
    if sys.platform != "linux":
        pytest.skip("peaks are measured by /proc")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], input=json.dumps(cells), capture_output=True, text=True
    )
    if "clear_refs" in done.stderr:
        pytest.skip("the peak of memory cannot be reset here")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_reading_takes_at_most_three_times_what_is_held(tmp_path):
    cells = []
    for name, make, kind in FORMATS:
        path = str(make(tmp_path, name, kind))
        cells.append((name, path, 2**31, False))
        of_mgz = name.endswith(".mgz") and (kind != "u2" or U2_OF_MGZ in MGH_TYPES)
        if ".nii" in name or of_mgz or name.endswith(".img"):
            cells.append((f"opened {name}", path, 2**31, True))
    found = measured(cells)
    wrong = {name: held for name, (held, _) in found.items() if not isinstance(held, int)}
    assert not wrong
    ratios = {name: round(peak / held, 2) for name, (held, peak) in found.items()}
    print(ratios)
    assert {name: ratio for name, ratio in ratios.items() if ratio > 3} == {}


SMALL = 8_400_000


def series(folder, change, n=4, side=64):
    folder.mkdir(exist_ok=True)
    for k in range(n):
        ds = ct_slice(k, np.full((side, side), 40 + k, "i2"))
        change(ds)
        ds.save_as(folder / f"{k}.dcm", enforce_file_format=True)
    return folder


def rle_of(n_bytes):
    """Two segments of zeros that unpack to so many bytes each."""
    segment = b"\x81\0" * (n_bytes // 128)
    return struct.pack("<16I", 2, 64, 64 + len(segment), *[0] * 13) + segment * 2


def deflated(folder):
    """Slices that unpack to more, of which the first thousand bytes do not tell."""
    for path in series(folder / "a", lambda ds: None).iterdir():
        content = path.read_bytes()
        syntax = content.index(b"\2\0\x10\0UI")
        end = syntax + 8 + content[syntax + 6]
        uid = b"1.2.840.10008.1.2.1.99"
        head = b"\2\0\2\0UI" + struct.pack("<H", 1500) + b"1" * 1500
        head += b"\2\0\x10\0UI" + struct.pack("<H", 22) + uid
        pack = zlib.compressobj(9, zlib.DEFLATED, -15)
        body = (
            pack.compress(content[end:] + b"\xfc\xff\xfc\xffOB\0\0" + bytes(10**8)) + pack.flush()
        )
        path.write_bytes(content[:132] + head + body)
    return folder / "a"


def many_members(folder):
    with zipfile.ZipFile(folder / "many.zip", "w") as archive:
        archive.writestr("a", "b")
    content = (folder / "many.zip").read_bytes()
    at = content.index(b"PK\1\2")
    end = content.index(b"PK\5\6")
    entries = content[at:end] * 120_000
    tail = content[end : end + 8] + struct.pack("<HHII", 65535, 65535, len(entries), at)
    return put(folder / "many.zip", content[:at] + entries + tail + b"\0\0")


def in_zip(make):
    return lambda folder: zipped(folder / "bomb.zip", make(folder / "a"))


def blank(syntax=None):
    def change(ds):
        ds.Rows = ds.Columns = 1024
        ds.PixelData = np.full((1024, 1024), 30 + ds.InstanceNumber, "<i2").tobytes()
        if syntax:
            ds.compress(syntax, generate_instance_uid=False)

    return lambda folder: series(folder, change)


def excess(ds):
    ds.PixelData = bytes(4 * 10**7)


def long_text(ds):
    ds.add_new(0x00181210, "UT", "a" * 10**6)  # the kernel, as a text without bounds


def long_sequence(ds):
    items = [Dataset() for _ in range(15_000)]
    ds.SharedFunctionalGroupsSequence = items


def bomb(start, n_bytes):
    return packed(start + bytes(n_bytes))


def meta_bomb(folder):
    path = write_meta(folder, "z.mha", "u1")
    head = path.read_bytes().split(b"LOCAL\n")[0] + b"LOCAL\n"
    return put(path, head + zlib.compress(bytes(10**8)))


def nrrd_bomb(folder):
    path = write_nrrd(folder, "z.nrrd", "f8")
    head = path.read_bytes().split(b"\n\n")[0] + b"\n\n"
    return put(path, head + packed(bytes(10**8)))


def extended(head, n_bytes):
    return head[:108] + struct.pack("<f", n_bytes) + head[112:] + bytes(n_bytes)


def nii_of_zeros(dtype, shape, n_bytes):
    head, _ = nii(dtype, shape, voxels=np.zeros(1))
    return packed(head + bytes(n_bytes))


#: Case: what makes it, what the message says. None may take more than three times 8.4 MB.
BOMBS = {
    "blank slices": (blank(), "bytes of memory as float32"),
    "blank slices in a zip": (in_zip(blank()), "bytes of memory as float32"),
    "blank slices, RLE": (in_zip(blank(RLELossless)), "bytes of memory as float32"),
    "blank slices, JPEG 2000": (in_zip(blank(JPEG2000Lossless)), "bytes of memory as float32"),
    "longer than its rows, RLE": (
        lambda folder: series(folder / "a", lambda ds: rle(ds, rle_of(10**6))),
        "unpack to more than 64 rows of 64 pixels; export",
    ),
    "much longer, RLE": (
        lambda folder: series(folder / "a", lambda ds: rle(ds, rle_of(10**8))),
        "more pixel data than its Rows, Columns and NumberOfFrames say; export",
    ),
    "excess pixels": (
        lambda folder: series(folder / "a", excess), "has 4.* bytes, more than 8400000"
    ),
    "excess pixels in a zip": (
        in_zip(lambda folder: series(folder, excess)), "unpacks to 16.*give a zip of one exam"
    ),
    "text in the header": (
        in_zip(lambda folder: series(folder, long_text)), "headers that are too long"
    ),
    "items in the header": (
        lambda folder: series(folder / "a", long_sequence), "headers that are too long"
    ),
    "deflated, hidden": (deflated, "deflated pixels are not read; decompress"),
    "many members": (many_members, "holds more than 40000 files"),
    "uint8.nii.gz": (
        lambda folder: put(folder / "a.nii.gz", nii_of_zeros("u1", (128, 128, 129), 2**21)),
        "8,454,496 bytes of memory as float32",
    ),
    "uint8.nii.gz that goes on": (
        lambda folder: put(folder / "a.nii.gz", nii_of_zeros("u1", (100, 100, 100), 2 * 10**8)),
        "unpacks to more than|bytes of gzip where the header promises",
    ),
    "float64.nii.gz that goes on": (
        lambda folder: put(folder / "a.nii.gz", nii_of_zeros("f8", (100, 100, 100), 2 * 10**8)),
        "unpacks to more than",
    ),
    "header.hdr.gz": (
        lambda folder: (
            put(folder / "a.img", bytes(4)),
            put(folder / "a.hdr", b""),
            (folder / "a.hdr").unlink(),
            put(folder / "a.hdr.gz", bomb(nii("u1", (1, 2, 2), pair=True)[0], 10**8)),
        )[-1],
        "unpacks to more than",
    ),
    "long extension": (
        lambda folder: put(
            folder / "a.nii.gz",
            packed(extended(nii("u1", (9, 9, 9))[0], 6 * 10**7)),
        ),
        "bytes of memory as",
    ),
    "mgz": (
        lambda folder: put(
            folder / "a.mgz",
            bomb(struct.pack(">7i", 1, 100, 100, 100, 1, 0, 0).ljust(284, b"\0"), 2 * 10**8),
        ),
        "unpacks to more than",
    ),
    "mha": (meta_bomb, "cut off or too long"),
    "nrrd": (nrrd_bomb, "16,777,216|bytes of memory|unpacks to more"),
    "npy": (
        lambda folder: put(folder / "a.npy", npy_header((10**3, 10**3, 10**3))),
        "4,000,000,000 bytes of memory as float32",
    ),
}  # fmt: skip


def npy_header(shape):
    file = io.BytesIO()
    stated = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, stated)
    return file.getvalue()


@pytest.mark.slow
def test_bombs_are_refused_before_they_take_memory(tmp_path):
    cells = []
    for case, (make, _) in BOMBS.items():
        (tmp_path / case).mkdir()
        cells.append((case, str(make(tmp_path / case)), SMALL, False))
    for case, (said, peak) in measured(cells).items():
        assert re.search(BOMBS[case][1], str(said)), (case, said)
        assert str(tmp_path / case) in said
        assert peak < 3 * SMALL, (case, peak)
