"""Files that are damaged, that lie or that attack: each is refused, and the message helps."""

# ruff: noqa: E501 - a case is a line of its table

from __future__ import annotations

import gzip
import os
import pickle
import re
import struct
import subprocess
import sys
import time

import nibabel as nib
import numpy as np
import pytest

from skedema.scans.errors import ScanError
from skedema.scans.files import load_scan

SHAPE = (12, 11, 10)
VOXELS = np.random.default_rng(0).integers(-1000, 1000, SHAPE).astype("<i2")
DATA = VOXELS.tobytes(order="F")
NAN, INF = float("nan"), float("inf")
RESTORE = "; restore or convert the file again$"
AGAIN = "convert it to NIfTI again, e.g. with dcm2niix$"


def nifti(data=DATA, shape=SHAPE, nifti2=False, pair=False, tail=b"", **fields):
    """Give the bytes of a good NIfTI file, but for what the fields say."""
    kind = {
        (False, False): nib.Nifti1Header,
        (False, True): nib.nifti1.Nifti1PairHeader,
        (True, False): nib.Nifti2Header,
        (True, True): nib.nifti2.Nifti2PairHeader,
    }[nifti2, pair]
    header = kind(endianness="<")
    header.set_data_dtype(np.int16)
    header.set_data_shape(shape)
    header.set_sform(np.diag([2.0, 2, 4, 1]), 1)
    header["pixdim"][1:4] = (2, 2, 4)
    header["xyzt_units"] = 2
    header["vox_offset"] = 0 if pair else 544 if nifti2 else 352
    for name, value in fields.items():
        name, _, at = name.partition("__")
        if at:
            header[name][int(at)] = value
        else:
            header[name] = value
    block = header.binaryblock
    return block if pair else block + bytes(4) + data + tail


GOOD = nifti()
CLAIMS = nifti(  # 2 GB of voxels, and none there
    b"", (1020, 1020, 1000), pixdim=[1] * 8, srow_x=[1, 0, 0, 0], srow_y=[0, 1, 0, 0],
    srow_z=[0, 0, 1, 0],
)  # fmt: skip
ZIPPED = gzip.compress(GOOD, mtime=0)
FLIPPED = ZIPPED[:900] + bytes([ZIPPED[900] ^ 16]) + ZIPPED[901:]


def npy(array=VOXELS, **fields):
    """Give the bytes of a .npy file whose header says what the fields say."""
    stated = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape} | fields
    header = f"{stated}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + array.tobytes()


def floats(value, dtype="<f4", code=16):
    voxels = VOXELS.astype(dtype)
    voxels[1, 2, 3] = value
    bits = 8 * voxels.dtype.itemsize
    return nifti(voxels.tobytes(order="F"), datatype=code, bitpix=bits)


def bad_sform(*rows):
    """A NIfTI file with these rows of the sform, those of a good one where there are none."""
    good = [[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 4, 0]]
    names = ("srow_x", "srow_y", "srow_z")
    return nifti(**dict(zip(names, [*rows, *good[len(rows) :]], strict=True)))


def bomb(n_bytes):
    """Give the bytes of a gzip file that unpacks to a good header and many zeros."""
    return gzip.compress(GOOD + bytes(n_bytes), 9)


#: Case: name of the file, its content, what the message must say behind the path (a pattern).
FILES = {
    # gzip
    "empty": ("a.nii.gz", b"", r"the file is empty\)" + RESTORE),
    "one byte": ("a.nii.gz", b"\x1f", r"no gzip file: it begins with .*; restore or convert"),
    "text": ("a.nii.gz", b"see mail\n" * 99, "no gzip file: it begins with b'see '.*; restore or"),
    "not packed": ("a.nii.gz", GOOD, "name it .nii where it is not compressed$"),
    "web page": ("a.nii.gz", b"<!DOCTYPE html><html>", "no gzip file.*; restore or convert"),
    "packed text": ("a.nii.gz", gzip.compress(b"see mail" * 99), "no NIfTI header.*see .*" + RESTORE),
    "packed nothing": ("a.nii.gz", gzip.compress(b""), r"the file is empty\)" + RESTORE),
    "packed twice": ("a.nii.gz", gzip.compress(ZIPPED), "compressed twice.*unpack it once, e.g. mv"),
    "packed header only": ("a.nii.gz", gzip.compress(GOOD[:352]), "352 bytes.*promises 2,992" + ".*cut off.*" + RESTORE),
    "packed half a header": ("a.nii.gz", gzip.compress(GOOD[:200]), "200 bytes are no NIfTI header"),
    "cut in gzip header": ("a.nii.gz", ZIPPED[:7], r"the file is empty|gzip.*cannot hold|ends before"),
    "cut in the middle": ("a.nii.gz", ZIPPED[:1500], "the file ends before its compressed data do.*" + RESTORE),
    "cut in the trailer": ("a.nii.gz", ZIPPED[:-3], "ends before its compressed data do.*" + RESTORE),
    "flipped byte": ("a.nii.gz", FLIPPED, "compressed data are damaged.*" + RESTORE),
    "wrong checksum": ("a.nii.gz", ZIPPED[:-8] + b"abcd" + ZIPPED[-4:], "damaged.*" + RESTORE),
    "wrong length": ("a.nii.gz", ZIPPED[:-4] + b"\1\1\1\1", "damaged.*" + RESTORE),
    "zeros in the middle": ("a.nii.gz", ZIPPED[:999] + bytes(99) + ZIPPED[1098:], "damaged|unpacks to more"),
    "garbage behind": ("a.nii.gz", ZIPPED + b"garbage", "7 bytes that are no gzip follow.*" + RESTORE),
    "another scan behind": ("a.nii.gz", ZIPPED * 2, "unpacks to more than the 2,992 bytes.*" + RESTORE),
    "bomb": ("a.nii.gz", bomb(10**8), "unpacks to more than the 2,992 bytes.*" + RESTORE),
    "stated bomb": (
        "a.nii.gz",
        lambda: gzip.compress(CLAIMS + bytes(10**7)) + bytes(3 * 10**6),
        "would take 2.1 GB of memory, as only a blank image or a decompression bomb does.*; crop it",
    ),
    "promises too much": ("a.nii.gz", gzip.compress(CLAIMS), "of gzip cannot hold the 2,080,800,352.*" + RESTORE),
    "name without end": ("a.nii.gz", b"\x1f\x8b\x08\x08" + bytes(6) + b"a" * 2_000_000, r"the file is empty\)" + RESTORE),
    # magic and size of the header
    "empty plain": ("a.nii", b"", r"the file is empty\)" + RESTORE),
    "text plain": ("a.nii", b"see mail\n" * 99, "no NIfTI header: it begins with b'see '.*" + RESTORE),
    "packed plain": ("a.nii", ZIPPED, "it is compressed by gzip.*; name it .nii.gz$"),
    "half a header": ("a.nii", GOOD[:200], "200 bytes are no NIfTI header, which has 348.*" + RESTORE),
    "half a second header": ("a.nii", nifti(nifti2=True)[:400], "400 bytes are no NIfTI header, which has 540"),
    "no magic": ("a.nii", nifti(magic=b""), "ANALYZE 7.5 states no orientation.*" + AGAIN),
    "wrong magic": ("a.nii", nifti(magic=b"n+3"), r"its magic is b'n\+3\\x00', not that of NIfTI.*" + AGAIN),
    "magic of a pair": ("a.nii", nifti(magic=b"ni1"), "that of a pair of files, named .hdr and .img.*name it so"),
    "line ends changed": ("a.nii", nifti(nifti2=True).replace(b"\r\n", b"\n\n", 1), "its magic is.*" + AGAIN),
    # dimensions
    "cut": ("a.nii", GOOD[:-1], "2,991 bytes, the header promises 2,992: it is cut off.*" + RESTORE),
    "too long": ("a.nii", GOOD + b"\0", "it is too long, or the header is damaged.*" + RESTORE),
    "one slice less": ("a.nii", nifti(shape=(12, 11, 9)), "too long, or the header is damaged.*" + RESTORE),
    "one slice more": ("a.nii", nifti(shape=(12, 11, 11)), "cut off.*" + RESTORE),
    "zero axis": ("a.nii", nifti(dim__2=0), r"no voxels, its shape is \(12, 0, 10\); convert it again$"),
    "negative axis": ("a.nii", nifti(dim__2=-11), r"no voxels, its shape is \(12, -11, 10\); convert"),
    "two negative axes": ("a.nii", nifti(dim__1=-12, dim__2=-11), "no voxels, its shape is.*; convert"),
    "endless axes": ("a.nii", nifti(dim__1=32767, dim__2=32767, dim__3=32767), "35,181,150,961,663 voxels.*; at most.*; crop it|: crop it"),
    "overflow": ("a.nii", nifti(nifti2=True, dim__1=2**62, dim__2=4), "voxels.*crop it, or restore the file"),
    "no dimensions": ("a.nii", nifti(dim__0=0), "states 0 dimensions, not 1 to 7.*" + RESTORE),
    "nine dimensions": ("a.nii", nifti(dim__0=9), "states 9 dimensions, not 1 to 7.*" + RESTORE),
    "two dimensions": ("a.nii", nifti(DATA[:264], dim__0=2), "has 2 dimensions .*; give a volume$"),
    "series": ("a.nii", nifti(DATA * 2, shape=(*SHAPE, 2)), r"has 4 dimensions .*; give one volume, e\.g\. image\.slicer"),
    # type
    "colours": ("a.nii", nifti(DATA + DATA[:1320], datatype=128, bitpix=24), r"colours \(RGB\); give one real number"),
    "transparent": ("a.nii", nifti(DATA * 2, datatype=2304, bitpix=32), r"colours \(RGBA\); give one real"),
    "complex": ("a.nii", nifti(DATA * 4, datatype=32, bitpix=64), "complex numbers; give one real number"),
    "long complex": ("a.nii", nifti(DATA * 16, datatype=2048, bitpix=256), "complex numbers; give one real"),
    "long floats": ("a.nii", nifti(DATA * 8, datatype=1536, bitpix=128), "128-bit floats; give one real number"),
    "bits": ("a.nii", nifti(DATA[:165], datatype=1, bitpix=1), "holds single bits; give one real number"),
    "no type": ("a.nii", nifti(datatype=0), "holds no stated type; give one real number"),
    "unknown type": ("a.nii", nifti(datatype=5), "no type of voxels has the code 5.*" + RESTORE),
    "other bits": ("a.nii", nifti(bitpix=8), "its bitpix is 8, but int16 has 16 bits.*" + RESTORE),
    "other type": ("a.nii", nifti(datatype=4 * 4, bitpix=32), "cut off.*" + RESTORE),
    # where voxels begin
    "offset 0": ("a.nii", nifti(vox_offset=0), "vox_offset is 0: the header would be read as voxels.*" + AGAIN),
    "offset in header": ("a.nii", nifti(vox_offset=348), "vox_offset is 348: the header would be read.*" + AGAIN),
    "offset of NIfTI-1": ("a.nii", nifti(nifti2=True, vox_offset=352), "vox_offset is 352.*begin at 544 or later"),
    "offset behind": ("a.nii", nifti(vox_offset=368), "cut off.*" + RESTORE),
    "offset far": ("a.nii", nifti(vox_offset=1e30), "vox_offset is 1e.30, (more than|not a whole).*" + RESTORE),
    "negative offset": ("a.nii", nifti(vox_offset=-352), "vox_offset is -352, not a whole number.*" + RESTORE),
    "half a byte": ("a.nii", nifti(vox_offset=352.5), "vox_offset is 352.5, not a whole number.*" + RESTORE),
    "NaN offset": ("a.nii", nifti(vox_offset=NAN), "vox_offset is nan, not a whole number.*" + RESTORE),
    "infinite offset": ("a.nii", nifti(vox_offset=INF), "vox_offset is inf, not a whole number.*" + RESTORE),
    # scaling
    "infinite slope": ("a.nii", nifti(scl_slope=INF), "slope is inf and its intercept.*set scl_slope to 1"),
    "NaN slope": ("a.nii", nifti(scl_slope=NAN, scl_inter=3), "slope is nan and its intercept 3.*set scl"),
    "NaN intercept": ("a.nii", nifti(scl_slope=1, scl_inter=NAN), "its intercept nan.*set scl_slope"),
    "endless slope": ("a.nii", nifti(scl_slope=3e38, scl_inter=0), "too large for float32; set them"),
    # geometry
    "zero pixdim": ("a.nii", nifti(pixdim__3=0), "its pixdim along axis 2 is 0.*; set it, or convert"),
    "negative pixdim": ("a.nii", nifti(pixdim__1=-2), "its pixdim along axis 0 is -2.*; set it, or convert"),
    "NaN pixdim": ("a.nii", nifti(pixdim__2=NAN), "its pixdim along axis 1 is nan.*; set it, or convert"),
    "infinite pixdim": ("a.nii", nifti(pixdim__2=INF), "its pixdim along axis 1 is inf.*; set it, or"),
    "tiny voxels": ("a.nii", bad_sform([0.002, 0, 0, 0]), "voxels are 0.002 mm apart.*; check the unit"),
    "huge voxels": ("a.nii", bad_sform([2000, 0, 0, 0]), "voxels are 2000 mm apart.*; check the unit"),
    "wide view": ("a.nii", nifti(bytes(2) + bytes(range(256)) * 40 + bytes(200), shape=(1, 1, 5221), srow_z=[0, 0, 1, 0]), "span 5221 mm.*check the unit"),
    "metres for mm": ("a.nii", nifti(xyzt_units=1), "2000 mm apart and span 2.4e.04 mm.*check the unit in xyz"),
    "microns for mm": ("a.nii", nifti(xyzt_units=3), "0.002 mm apart.*; check the unit in xyzt_units"),
    "unknown unit": ("a.nii", nifti(xyzt_units=7), "no unit has the code 7.*; set xyzt_units: 2 for mm$"),
    "zero sform": ("a.nii", bad_sform([0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]), r"affine is not usable[\s\S]*; ?correct|\ncorrect the sform"),
    "singular sform": ("a.nii", bad_sform([2, 2, 0, 0], [2, 2, 0, 0]), r"affine is singular[\s\S]*\ncorrect the sform"),
    "NaN sform": ("a.nii", bad_sform([NAN, 0, 0, 0]), r"affine is not usable[\s\S]*\ncorrect the sform"),
    "infinite origin": ("a.nii", bad_sform([2, 0, 0, INF]), r"affine is not usable[\s\S]*\ncorrect the"),
    "far origin": ("a.nii", bad_sform([2, 0, 0, 1e9]), r"more than 100 m from[\s\S]*\ncorrect the sform"),
    "sheared sform": ("a.nii", bad_sform([2, 0, 30, 0]), r"no gantry tilts beyond 30[\s\S]*\ncorrect the"),
    "unknown form": ("a.nii", nifti(sform_code=9), "its sform code is 9, not one of 0 to 5.*" + RESTORE),
    "negative form": ("a.nii", nifti(qform_code=-1), "its qform code is -1, not one of 0 to 5.*" + RESTORE),
    "long quaternion": ("a.nii", nifti(sform_code=0, qform_code=1, quatern_b=2), "its qform is not usable.*" + RESTORE),
    "NaN quaternion": ("a.nii", nifti(sform_code=0, qform_code=1, quatern_c=NAN), "qform is not usable|affine is not usable"),
    # voxels
    "NaN voxel": ("a.nii", floats(NAN), "1 voxels are NaN.*set them to a number first, -1024 HU for air"),
    "infinite voxel": ("a.nii", floats(-INF), "1 voxels are NaN, infinite.*; set them to a number"),
    "huge voxel": ("a.nii", floats(1e300, "<f8", 64), "too large for float32; set them to a number"),
    "blank": ("a.nii", nifti(DATA[:2] * 1320), r"is blank, all 1,320 voxels are -?\d+; convert it again"),
    "blank, packed": ("a.nii.gz", gzip.compress(nifti(bytes(2640))), "is blank, all 1,320 voxels are 0; conv"),
    # .npy
    "empty npy": ("a.npy", b"", "the file is empty.*; write it anew with numpy.save, numbers only$"),
    "text npy": ("a.npy", b"1 2 3\n", "it begins with b'1 2 3.n', not as .npy.*numpy.save"),
    "archive": ("a.npy", b"PK\3\4" + bytes(99), "it is an archive, perhaps of numpy.savez.*numpy.save"),
    "pickle": ("a.npy", pickle.dumps(VOXELS), "it is a pickle, which may run anything.*numpy.save"),
    "objects": ("a.npy", npy(np.full((2, 2, 2), None), descr="|O"), "it holds Python objects.*numpy.save"),
    "records with objects": ("a.npy", npy(descr=[("a", "O")]), "it holds Python objects.*numpy.save"),
    "records": ("a.npy", npy(descr=[("a", "<i2")]), "holds colours .RGB. or records; give one real"),
    "times": ("a.npy", npy(descr="<M8[s]"), "holds datetime64.s. values; give one real number"),
    "cut npy": ("a.npy", npy()[:-1], r"it has 2,\d+ bytes, its header promises 2,\d+.*numpy.save"),
    "long npy": ("a.npy", npy() + b"\0", r"it has 2,\d+ bytes, its header promises.*numpy.save"),
    "huge npy": ("a.npy", npy(shape=(1024, 1024, 1025)), "voxels.*at most 2,147,483,648 .*: crop it"),
    "negative npy": ("a.npy", npy(shape=(12, -11, 10)), "has no voxels, its shape is .*; convert it"),
    "code in npy": ("a.npy", npy(shape="__import__('os')"), "cannot be read.*numpy.save"),
    "code for the header": ("a.npy", b"\x93NUMPY\1\0\x20\0" + b"__import__('os').getcwd()".ljust(32), "cannot be read.*numpy.save"),
    "nested npy": ("a.npy", b"\x93NUMPY\1\0\x20\x4e" + b"(" * 20_000, "cannot be read.*numpy.save"),
    "no header": ("a.npy", b"\x93NUMPY\1\0", "cannot be read.*numpy.save"),
    "header to come": ("a.npy", b"\x93NUMPY\2\0\xff\xff\xff\xff" + npy(), "cannot be read.*numpy.save"),
    "next version": ("a.npy", b"\x93NUMPY\x09\0" + npy()[8:], "cannot be read.*version.*numpy.save"),
    "blank npy": ("a.npy", npy(np.zeros((20, 20, 20), "i2")), "is blank, all 8,000 voxels are 0; convert"),
    "NaN npy": ("a.npy", npy(np.full((2, 2, 2), NAN)), "8 voxels are NaN.*; set them to a number"),
    # others
    "text mgz": ("a.mgz", b"see mail", "it is no gzip file.*; restore or convert"),
    "packed text mgz": ("a.mgz", gzip.compress(b"see mail" * 9), "no header of FreeSurfer.*" + RESTORE),
    "huge mgz": ("a.mgz", gzip.compress(struct.pack(">7i", 1, 9999, 9999, 9999, 1, 4, 0)), "voxels.*: crop"),
    "untyped mgz": ("a.mgz", gzip.compress(struct.pack(">7i", 1, 9, 9, 9, 1, 77, 0)), "the code 77.*" + RESTORE),
    "cut mgz": ("a.mgz", gzip.compress(struct.pack(">7i", 1, 9, 9, 9, 1, 4, 0)), "28 bytes, the header promises 1,742"),
    "text hdr": ("a.hdr", b"see mail", "half of a pair, .*a.img is missing; put it beside"),
    "unknown ending": ("a.bin", GOOD, r"\.bin files are not read; convert it to NIfTI .*with dcm2niix"),
}  # fmt: skip


def refusal(path):
    """Read it; give the message of the ScanError, after checks that hold for every one."""
    start = time.process_time()  # not by the clock: others may use the processor meanwhile
    with pytest.raises(ScanError) as caught:
        load_scan(path)
    assert time.process_time() - start < 2
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize("case", FILES)
def test_a_bad_file_is_refused_with_the_reason_and_the_remedy(tmp_path, case):
    name, content, pattern = FILES[case]
    path = tmp_path / name
    path.write_bytes(content() if callable(content) else content)
    message = refusal(path)
    assert re.search(pattern, message, re.DOTALL), message


@pytest.mark.parametrize("case", [case for case in FILES if FILES[case][0].startswith("a.nii")])
def test_an_image_that_nibabel_opens_in_spite_of_it_is_refused_too(tmp_path, case):
    name, content, _ = FILES[case]
    path = tmp_path / name
    path.write_bytes(content() if callable(content) else content)
    try:
        image = nib.load(path)
    except Exception:
        pytest.skip("nibabel does not open it either")
    with pytest.raises(ScanError, match=f"^{re.escape(str(path))}: "):
        load_scan(image)


PAIRS = {
    "cut voxels": (nifti(pair=True), DATA[:-1], "a.img: cannot be read .*cut off.*" + RESTORE),
    "long voxels": (nifti(pair=True), DATA + b"\0", "a.img: cannot be read .*too long.*" + RESTORE),
    "empty voxels": (nifti(pair=True), b"", "a.img: cannot be read .*0 bytes.*cut off.*" + RESTORE),
    "single header": (nifti()[:348], DATA, "that of one file, named .nii.*name it so"),
    "empty header": (b"", DATA, "the file is empty.*" + RESTORE),
    "ANALYZE": (nifti(pair=True, magic=b""), DATA, "ANALYZE 7.5 states no orientation.*" + AGAIN),
}


@pytest.mark.parametrize("case", PAIRS)
def test_a_bad_pair_is_refused(tmp_path, case):
    header, voxels, pattern = PAIRS[case]
    (tmp_path / "a.hdr").write_bytes(header)
    (tmp_path / "a.img").write_bytes(voxels)
    assert re.search(pattern, refusal(tmp_path / "a.hdr"))
    refusal(tmp_path / "a.img")


def link_to_itself(path):
    path.symlink_to(path)
    return path


def links_in_a_circle(path):
    other = path.with_name("other.nii")
    other.symlink_to(path)
    path.symlink_to(other)
    return path


def dangling_link(path):
    path.symlink_to(path.with_name("gone.nii"))
    return path


def pipe(path):
    os.mkfifo(path)
    return path


def through_a_file(path):
    path.write_bytes(GOOD)
    return path / "a.nii"


PATHS = {
    "link to itself": (link_to_itself, "a symbolic link that leads back to itself; link to the scan"),
    "links in a circle": (links_in_a_circle, "leads back to itself; link to the scan"),
    "dangling link": (dangling_link, "no such file; correct the path; it is a link to .*gone.nii"),
    "pipe": (pipe, "a device, pipe or socket; copy the scan into a file and give its path"),
    "device": (lambda path: "/dev/zero", "a device, pipe or socket; copy the scan into a file"),
    "in a file": (through_a_file, "(?i)not a directory.*; check the disk"),
    "long name": (lambda path: f"{path.parent}/{'a' * 5000}.nii", "(?i)name too long.*; check the"),
    "NUL": (lambda path: f"{path.parent}/a\0b.nii", "no path is like this .*; correct it"),
    "lone surrogate": (lambda path: f"{path.parent}/\ud800.nii", "no path is like this .*; correct it"),
}  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes and links there")
@pytest.mark.parametrize("case", PATHS)
def test_a_path_that_leads_to_no_file_is_refused(tmp_path, case):
    make, pattern = PATHS[case]
    message = refusal(make(tmp_path / "a.nii"))
    assert re.search(pattern, message, re.DOTALL), message


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.npy", "a.mgz", "a.mha"])
@pytest.mark.parametrize(
    ("error", "pattern"),
    [
        (PermissionError(13, "Permission denied"), r"permission denied\); ask for the right"),
        (OSError(5, "Input/output error"), r"Input/output error\); check the disk"),
        (MemoryError(), r"out of memory\); crop it, or read fewer scans at once"),
    ],
)
def test_a_file_that_the_system_refuses_is_a_scan_error(
    tmp_path, monkeypatch, name, error, pattern
):
    path = tmp_path / name
    path.write_bytes(ZIPPED)

    def refuse(file, *args, **kwargs):
        if str(file) == str(path):
            raise error
        return open_(file, *args, **kwargs)

    open_ = open
    monkeypatch.setattr("builtins.open", refuse)
    assert re.search(pattern, refusal(path))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_without_the_right_to_read_is_refused(tmp_path):
    (tmp_path / "a.nii").write_bytes(GOOD)
    (tmp_path / "a.nii").chmod(0)
    assert "permission denied" in refusal(tmp_path / "a.nii")


READ = """
import resource, sys
from skedema.scans import ScanError
from skedema.scans.files import load_scan
import nibabel
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        load_scan(path)
        raise SystemExit("was read: " + path)
    except ScanError:
        pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere")
@pytest.mark.slow
def test_bombs_and_false_promises_take_no_memory(tmp_path):
    zeros = gzip.compress(bytes(10**8), 1) * 10
    files = {
        "bomb.nii.gz": ZIPPED + zeros,
        "header of 2 GB, 2 GB there.nii.gz": gzip.compress(CLAIMS) + 2 * zeros,
        "header of 2 GB, random behind.nii.gz": gzip.compress(CLAIMS) + os.urandom(10**7),
        "endless name.nii.gz": b"\x1f\x8b\x08\x08" + bytes(6) + b"a" * 10**7,
        "members.nii.gz": gzip.compress(GOOD) + gzip.compress(b"") * 200_000,
        "plain.nii": CLAIMS,
        "array.npy": npy(shape=(1000, 1000, 1000)),
        "header.hdr.gz": gzip.compress(nifti(pair=True)) + zeros,
        "header.img": DATA,
        "bomb.mgz": gzip.compress(struct.pack(">7i", 1, 9, 9, 9, 1, 4, 0)) + zeros,
    }  # fmt: skip
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    paths = [str(tmp_path / name) for name in files]
    done = subprocess.run([sys.executable, "-c", READ, *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 100  # MB
