"""One bound of memory for every format: what reading takes, what is refused, how to allow it."""

from __future__ import annotations

import gzip
import io
import json
import re
import struct
import subprocess
import sys
import zipfile
import zlib

import nibabel as nib
import numpy as np
import pytest
from joblib import Memory
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from skedema import AttentionMixerClassifier, VolumeReader
from skedema._caching.meaning import digest
from skedema.scans import ScanError, check
from skedema.scans.cache import VolumeCache, reading
from skedema.scans.files import load_scan, scan_key

SIDE = 128
SHAPE = (SIDE, SIDE, SIDE)
RNG = np.random.default_rng(0)


def noise(dtype, shape=SHAPE):
    """Voxels that no compression makes smaller."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return RNG.normal(40, 20, shape).astype(dtype)
    bits = RNG.bytes(int(np.prod(shape)) * dtype.itemsize)
    return np.frombuffer(bits, dtype).reshape(shape, order="F")


def packed(data):
    return gzip.compress(data, 1)


CODES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768}
CODES |= {"i8": 1024, "u8": 1280}


def nii(dtype, shape=SHAPE, voxels=None, pair=False):
    """Give the bytes of a header, and of the voxels."""
    header = nib.nifti1.Nifti1PairHeader() if pair else nib.Nifti1Header()
    header["dim"] = [3, *shape, 1, 1, 1, 1]
    header["datatype"], header["bitpix"] = CODES[dtype], 8 * int(dtype[1])
    header["vox_offset"] = 0 if pair else 352
    header.set_sform(np.eye(4), 1)
    header.set_xyzt_units("mm")
    block = header.binaryblock
    voxels = noise(dtype, shape) if voxels is None else voxels
    data = np.asarray(voxels, f"<{dtype}").tobytes(order="F")
    return block + (b"" if pair else bytes(4)), data


def write_nii(folder, name, dtype, **fields):
    content = b"".join(nii(dtype, **fields))
    return put(folder / name, packed(content) if name.endswith(".gz") else content)


def write_pair(folder, name, dtype):
    content, data = nii(dtype, pair=True)
    put(folder / name.replace("img", "hdr"), packed(content) if name.endswith(".gz") else content)
    return put(folder / name, packed(data) if name.endswith(".gz") else data)


def write_mgz(folder, name, dtype):
    kind = {"u1": 0, "i4": 1, "f4": 3, "i2": 4, "u2": 10}[dtype]
    start = struct.pack(">7i", 1, *SHAPE, 1, kind, 0) + struct.pack(">h", 0)
    data = np.asarray(noise(dtype), f">{dtype}").tobytes(order="F")
    return put(folder / name, packed(start.ljust(284, b"\0") + data))


def write_meta(folder, name, dtype):
    kind = {"u1": "UCHAR", "i2": "SHORT", "f4": "FLOAT", "f8": "DOUBLE"}[dtype]
    data = noise(dtype).tobytes(order="F")
    zipped = "z" in name
    apart = name.endswith(".mhd")
    header = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nElementSpacing = 1 1 1\n"
        f"CompressedData = {zipped}\nDimSize = {SIDE} {SIDE} {SIDE}\n"
        f"ElementType = MET_{kind}\nElementDataFile = {'a.raw' if apart else 'LOCAL'}\n"
    ).encode()
    data = zlib.compress(data, 1) if zipped else data
    if apart:
        put(folder / "a.raw", data)
    return put(folder / name, header + (b"" if apart else data))


def write_nrrd(folder, name, dtype):
    kind = {"u1": "uint8", "i2": "int16", "f4": "float", "f8": "double"}[dtype]
    zipped = "z" in name
    header = (
        f"NRRD0004\ntype: {kind}\ndimension: 3\nsizes: {SIDE} {SIDE} {SIDE}\nspace: lps\n"
        "space directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\nendian: little\n"
        f"encoding: {'gzip' if zipped else 'raw'}\n\n"
    ).encode()
    data = noise(dtype).tobytes(order="F")
    return put(folder / name, header + (packed(data) if zipped else data))


def write_npy(folder, name, dtype):
    np.save(folder / name, noise(dtype))
    return folder / name


def ct_slice(k, pixels, syntax=None):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = f"1.2.3.{k + 1}"
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.Modality, ds.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SeriesInstanceUID, ds.FrameOfReferenceUID, ds.InstanceNumber = "1.2.3", "1.2.9", k + 1
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [0, 0, 2 * k], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.RescaleSlope, ds.RescaleIntercept = [0.5, 0.5], 1, 0
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.PixelData = pixels.astype("<i2").tobytes()
    if syntax:
        ds.compress(syntax, generate_instance_uid=False)
    return ds


def enhanced(slices):
    ds = slices[0]
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = EnhancedCTImageStorage
    frames = []
    for one in slices:
        frame, place, size, axes, hu = (Dataset() for _ in range(5))
        place.ImagePositionPatient = one.ImagePositionPatient
        size.PixelSpacing = one.PixelSpacing
        axes.ImageOrientationPatient = one.ImageOrientationPatient
        hu.RescaleSlope, hu.RescaleIntercept, hu.RescaleType = 1, 0, "HU"
        frame.PlanePositionSequence, frame.PixelMeasuresSequence = [place], [size]
        frame.PlaneOrientationSequence, frame.PixelValueTransformationSequence = [axes], [hu]
        frames.append(frame)
    ds.PerFrameFunctionalGroupsSequence, ds.NumberOfFrames = frames, len(frames)
    ds.PixelData = b"".join(one.PixelData for one in slices)
    return ds


def write_dicom(folder, name, syntax):
    """Slices of noise, in a folder, a zip or one file."""
    slices = [ct_slice(k, noise("i2", (512, 512)), syntax) for k in range(16)]
    if name.endswith(".dcm"):
        enhanced(slices).save_as(folder / name, enforce_file_format=True)
        return folder / name
    where = folder / name.removesuffix(".zip")
    where.mkdir()
    for k, one in enumerate(slices):
        one.save_as(where / f"{k}.dcm", enforce_file_format=True)
    return zipped(folder / name, where) if name.endswith(".zip") else where


def zipped(path, folder, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for one in sorted(folder.iterdir()):
            archive.write(one, one.name)
    return path


def put(path, content):
    path.write_bytes(content)
    return path


#: Name of the file, how it is written, type of the voxels or transfer syntax.
FORMATS = [
    *((f"{dtype}.nii{gz}", write_nii, dtype) for dtype in CODES for gz in ("", ".gz")),
    ("pair.img", write_pair, "f8"),
    ("pairgz.img.gz", write_pair, "u1"),
    *((f"{dtype}.mgz", write_mgz, dtype) for dtype in ("u1", "i2", "i4", "f4", "u2")),
    *((f"{dtype}.mha", write_meta, dtype) for dtype in ("u1", "i2", "f4", "f8")),
    *((f"{dtype}z.mha", write_meta, dtype) for dtype in ("u1", "i2", "f4", "f8")),
    ("f8.mhd", write_meta, "f8"),
    *((f"{dtype}.nrrd", write_nrrd, dtype) for dtype in ("u1", "i2", "f4", "f8")),
    *((f"{dtype}z.nrrd", write_nrrd, dtype) for dtype in ("u1", "i2", "f4", "f8")),
    *((f"{dtype}.npy", write_npy, dtype) for dtype in ("u1", "i2", "i8", "f2", "f4", "f8")),
    ("folder", write_dicom, None),
    ("rle", write_dicom, RLELossless),
    ("exam.zip", write_dicom, None),
    ("enhanced.dcm", write_dicom, None),
]

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
        if ".nii" in name or name.endswith(".mgz") or name.endswith(".img"):
            cells.append((f"opened {name}", path, 2**31, True))
    found = measured(cells)
    wrong = {name: held for name, (held, _) in found.items() if not isinstance(held, int)}
    assert not wrong
    ratios = {name: round(peak / held, 2) for name, (held, peak) in found.items()}
    print(ratios)
    assert {name: ratio for name, ratio in ratios.items() if ratio > 3} == {}


def at_the_edge(write, name, kind):
    def make(folder):
        return write(folder, name, kind)

    return make


#: Scans of noise that take more than 4 MB.
TOO_LARGE = {name: at_the_edge(write, name, kind) for name, write, kind in FORMATS[::3]} | {
    "exam.zip": lambda folder: write_dicom(folder, "exam.zip", None),
    "list": lambda folder: sorted(map(str, write_dicom(folder, "list", RLELossless).iterdir())),
    "enhanced.dcm": lambda folder: write_dicom(folder, "enhanced.dcm", None),
}
SMALL = 8_400_000


@pytest.mark.filterwarnings("ignore:.* is not in HU")  # the voxels are any numbers
@pytest.mark.parametrize("case", TOO_LARGE)
def test_the_remedy_of_a_scan_that_is_too_large_is_followed(tmp_path, case):
    cell = TOO_LARGE[case](tmp_path)
    name = str(cell[0] if isinstance(cell, list) else cell)
    message = refusal(cell, 4_000_000)
    assert message.startswith(name)
    assert "4,000,000" in message or "4000000" in message
    remedy = re.search(r"by VolumeReader\(max_bytes=(\d+)\) or load_scan\(scan, max_", message)
    assert remedy, message
    assert load_scan(cell, max_bytes=int(remedy[1])).voxels.nbytes > 4_000_000
    assert VolumeReader(shape=4, max_bytes=int(remedy[1])).read(cell).shape == (1, 4, 4, 4)


def refusal(cell, max_bytes):
    with pytest.raises(ScanError) as caught:
        load_scan(cell, max_bytes=max_bytes)
    return str(caught.value)


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


def rle(ds, data):
    ds.file_meta.TransferSyntaxUID = RLELossless
    ds.PixelData = encapsulate([data])
    ds["PixelData"].VR = "OB"


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


def test_scans_in_memory_are_bounded_too():
    array = noise("u1", (50, 40, 30))
    for cell in (array, nib.Nifti1Image(array, np.eye(4)), nib.MGHImage(array, np.eye(4))):
        assert "60,000 voxels" in refusal(cell, 239_999)
        assert load_scan(cell, max_bytes=240_000).voxels.nbytes == 240_000
        assert load_scan(cell, max_bytes=2.4e5).voxels.nbytes == 240_000


@pytest.mark.parametrize("bad", [0, -1, np.nan, np.inf])
def test_a_bound_below_a_byte_is_refused(bad):
    for call in (
        lambda: VolumeReader(max_bytes=bad).fit([]),
        lambda: load_scan(np.ones((2, 2, 2)), max_bytes=bad),
        lambda: check([], max_bytes=bad),
    ):
        with pytest.raises(ValueError, match=r"max_bytes=.*: give 1 byte or more"):
            call()


@pytest.mark.parametrize("bad", [None, "2 GB", True])
def test_a_bound_that_is_no_number_is_refused(bad):
    with pytest.raises(TypeError, match=r"max_bytes=.*: give the most bytes"):
        VolumeReader(max_bytes=bad).fit([])


def test_a_scan_is_the_same_under_every_bound(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, noise("i2", (20, 20, 20)))
    one, other = VolumeReader(shape=4), VolumeReader(shape=4, max_bytes=10**6)
    assert reading(one) == reading(other)
    assert digest(one, "reader") == digest(other, "reader")
    cache, memory = VolumeCache(), Memory(tmp_path / "kept", verbose=0)
    first = cache.get(one, path, memory)
    assert cache.get(other, path, memory) is first
    again = VolumeCache()
    np.testing.assert_array_equal(again.get(other, path, memory), first)
    assert again.n_reads == 0


def test_the_classifier_and_the_check_take_the_bound(tmp_path):
    scans = []
    for k in range(6):
        np.save(tmp_path / f"{k}.npy", noise("i2", (20, 20, 20)) % 80)
        scans.append(str(tmp_path / f"{k}.npy"))
    X, y = np.array(scans, dtype=object)[:, None], [0, 1] * 3
    small = VolumeReader(spacing=None, shape=6, max_bytes=10_000)
    clf = AttentionMixerClassifier(image=0, volume=small, encoder="cnn", max_epochs=1)
    with pytest.raises(ScanError, match=r"\d\.npy: .*VolumeReader\(max_bytes=32000\)"):
        clf.fit(X, y)
    clf.set_params(volume__max_bytes=32_000).fit(X, y)
    assert "max_bytes=32000" in check(scans, max_bytes=10_000)["findings"][0][0]
    assert check(scans, max_bytes=32_000)["readable"].all()


def test_keys_of_images_in_memory_know_no_bound(monkeypatch):
    image = nib.Nifti1Image(noise("i2", (9, 9, 9)), np.eye(4))
    key = scan_key(image)
    monkeypatch.setattr("skedema.scans.formats.images.DEFAULT_MAX_BYTES", 10)
    assert scan_key(image) == key
