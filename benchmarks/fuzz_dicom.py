"""DICOM series that lie or lack something: refused, warned of, or read to the same voxels.

    python -m benchmarks.fuzz_dicom [--inputs 5000] [--n-jobs 2] [--seed 0]

Twelve slices, of the real series with SKEDEMA_REAL_DATA and of a simulated head without, are
changed by what happens to exams: files are lost, emptied, cut, copied or swapped, a tag of one file
or of all is dropped or altered. An input is to be refused with a ScanError, read with a warning, or
read to the voxels and places of the whole series. Pixels swapped between two slices contradict no
tag, and are told where the slices beside them betray it; all other changes are to give 0 silent
ones. Printed are, a kind of change, how many were
refused, read with a warning, read to the same, and read to something else in silence, and what
these last were.
"""

import argparse
import copy
import io
import os
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
from joblib import Parallel, delayed

from skedema import ScanError
from skedema.scans.files import load_scan

_CHUNK = 250
_SIZE = 48


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=5000)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    tasks = [
        (start, min(_CHUNK, arguments.inputs - start), arguments.seed)
        for start in range(0, arguments.inputs, _CHUNK)
    ]
    results = Parallel(n_jobs=arguments.n_jobs)(delayed(attack)(*task) for task in tasks)
    counts = sum((result[0] for result in results), Counter())
    silent = sum((result[1] for result in results), Counter())
    print(
        f"{'change':<24}{'inputs':>8}{'refused':>9}{'warned':>8}{'same':>7}{'silent':>8}{'errors':>8}"
    )
    outcomes = ("refused", "warned", "same", "silent", "errors")
    for change in (*CHANGES, None):
        row = [
            sum(n for (kind, what), n in counts.items() if what == each and change in (kind, None))
            for each in outcomes
        ]
        columns = zip((sum(row), *row), (8, 9, 8, 7, 8, 8), strict=True)
        print(f"{change or 'all':<24}" + "".join(f"{n:>{width}}" for n, width in columns))
    for what, count in silent.most_common():
        print(f"    {count} x {what}")


def whole_series():
    """Give twelve slices with all the tags that scanners write, 2.5 mm apart."""
    home = os.environ.get("SKEDEMA_REAL_DATA")
    if home:
        files = sorted(p for p in Path(home, "ge_tilt_dicom").rglob("*.dcm"))[:12]
        series = [pydicom.dcmread(path) for path in files]
        for one in series:
            pixels = one.pixel_array[::4, ::4][40:88, 40:88]
            one.Rows, one.Columns = pixels.shape
            one.PixelSpacing = [4 * float(mm) for mm in one.PixelSpacing]
            one.PixelData = np.ascontiguousarray(pixels).tobytes()
            one.AcquisitionNumber, one.ImagesInAcquisition = 1, len(files)
        return series
    return [_simulated(k) for k in range(12)]


def _simulated(k):
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID = CTImageStorage
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID = f"1.2.3.{k + 1}"
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    one.PatientID, one.StudyInstanceUID, one.SeriesInstanceUID = "A", "1.2", "1.2.3"
    one.FrameOfReferenceUID, one.Modality = "1.2.9", "CT"
    one.InstanceNumber, one.AcquisitionNumber, one.ImagesInAcquisition = k + 1, 1, 12
    one.ConvolutionKernel, one.KVP, one.SliceLocation = "H30s", 120, 2.5 * k
    one.ImagePositionPatient = [-48.0, -48.0, 2.5 * k]
    one.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    one.PixelSpacing, one.RescaleSlope, one.RescaleIntercept = [2.0, 2.0], 1, -1024
    one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 0
    x, y = np.mgrid[:_SIZE, :_SIZE] - _SIZE / 2
    away = np.hypot(x, y * 0.8) / (18 - 0.05 * (k - 6) ** 2)
    hu = np.select([away < 0.85, away < 1], [35 + 10 * np.sin(x / 5 + k / 9), 900], -1000)
    hu = hu + np.random.default_rng(k).normal(0, 4, hu.shape)
    one.Rows, one.Columns = hu.shape
    one.PixelData = np.rint(hu + 1024).clip(0).astype("<u2").tobytes()
    return one


def packed(dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


# What a tag may become. Where all files say the same wrong thing, nothing contradicts it.
ALTERED = {
    "Rows": lambda v, rng: max(1, int(v * rng.choice([0.5, 2, 0.9]))),
    "Columns": lambda v, rng: max(1, int(v * rng.choice([0.5, 2, 0.9]))),
    "BitsAllocated": lambda v, rng: int(rng.choice([8, 32])),
    "BitsStored": lambda v, rng: int(rng.choice([8, 10, 12])),
    "HighBit": lambda v, rng: int(rng.choice([7, 11])),
    "PixelRepresentation": lambda v, rng: 1 - v,
    "PhotometricInterpretation": lambda v, rng: str(rng.choice(["MONOCHROME1", "RGB"])),
    "RescaleSlope": lambda v, rng: float(rng.choice([10, 2, 0.1])),
    "RescaleIntercept": lambda v, rng: float(v) + float(rng.choice([-10, 24, 1024, -1024, -1000])),
    "RescaleType": lambda v, rng: str(rng.choice(["OD", "Z_EFF", "ED"])),
    "PixelSpacing": lambda v, rng: [float(mm) * 1.5 for mm in v],
    "ImagePositionPatient": lambda v, rng: [
        float(mm) + float(off)
        for mm, off in zip(v, rng.choice([0, 0.7, -3, 5, 100], 3), strict=True)
    ],
    "ImageOrientationPatient": lambda v, rng: [0, 1, 0, 1, 0, 0],
    "PatientID": lambda v, rng: "B",
    "StudyInstanceUID": lambda v, rng: "9.9.9",
    "SeriesInstanceUID": lambda v, rng: "9.9.8",
    "FrameOfReferenceUID": lambda v, rng: "9.9.7",
    "SOPClassUID": lambda v, rng: "1.2.840.10008.5.1.4.1.1.7",
    "ImageType": lambda v, rng: [
        ["DERIVED", "SECONDARY", "AXIAL"],
        ["ORIGINAL", "PRIMARY", "LOCALIZER"],
        ["DERIVED", "PRIMARY", "PERFUSION", "RCBF"],
    ][int(rng.integers(3))],
    "InstanceNumber": lambda v, rng: int(rng.integers(1, 40)),
    "AcquisitionNumber": lambda v, rng: int(rng.integers(1, 5)),
    "PixelPaddingValue": lambda v, rng: int(rng.choice([0, 1060, 40])),
}
FOR_ALL = (
    "Rows",
    "Columns",
    "BitsAllocated",
    "PhotometricInterpretation",
    "RescaleType",
    "ImageType",
)


def alter(series, k, rng, keyword=None):
    keyword = keyword or str(rng.choice(list(ALTERED)))
    value = series[k].get(keyword)
    if value is None and keyword not in ("RescaleType", "PixelPaddingValue"):
        return keyword
    setattr(series[k], keyword, ALTERED[keyword](value, rng))
    return keyword


def one_tag(series, rng):
    k = int(rng.integers(len(series)))
    return f"{alter(series, k, rng)} of {k}", None


def all_tags(series, rng):
    keyword, state = str(rng.choice(FOR_ALL)), rng.bit_generator.state
    for k in range(len(series)):
        rng.bit_generator.state = state
        alter(series, k, rng, keyword)
    return keyword, None


def drop_tag(series, rng):
    k = int(rng.integers(len(series)))
    keyword = str(rng.choice([key for key in ALTERED if key in series[k]]))
    delattr(series[k], keyword)
    return f"{keyword} of {k}", None


def lose_files(series, rng):
    lost = sorted(rng.choice(len(series), int(rng.integers(1, 6)), replace=False), reverse=True)
    for k in lost:
        del series[k]
    return f"{lost}", None


def half(series, rng):
    which = int(rng.integers(4))
    parts = (slice(0, None, 2), slice(1, None, 2), slice(None, 6), slice(6, None))
    series[:] = series[parts[which]]
    return f"part {which}", None


def swap_places(series, rng):
    a, b = rng.choice(len(series), 2, replace=False)
    one, other = series[a], series[b]
    kept = one.ImagePositionPatient
    one.ImagePositionPatient, other.ImagePositionPatient = other.ImagePositionPatient, kept
    return f"{a} and {b}", None


def swap_pixels(series, rng):
    a, b = rng.choice(len(series), 2, replace=False)
    series[a].PixelData, series[b].PixelData = series[b].PixelData, series[a].PixelData
    return f"{a} and {b}", None


def add_copy(series, rng):
    one = copy.deepcopy(series[int(rng.integers(len(series)))])
    one.SOPInstanceUID += ".1"
    series.append(one)
    return "", None


def two_passes(series, rng):
    """Interleave a second pass with contrast, told apart by one thing."""
    sign = str(rng.choice(["AcquisitionNumber", "AcquisitionTime", "ContrastBolusAgent", "number"]))
    other = copy.deepcopy(series)
    step = np.subtract(series[1].ImagePositionPatient, series[0].ImagePositionPatient)
    part = float(rng.choice([0, 0.5]))
    for k, one in enumerate(other):
        pixels = np.frombuffer(one.PixelData, "<i2").copy()
        pixels[pixels > -200] += 20
        one.PixelData = pixels.tobytes()
        one.ImagePositionPatient = list(np.add(one.ImagePositionPatient, part * step).round(4))
        one.InstanceNumber = k + 1 + len(series) * (sign in ("number", "AcquisitionNumber"))
        if sign == "AcquisitionNumber":
            one.AcquisitionNumber = 2
        elif sign == "AcquisitionTime":
            series[k].AcquisitionTime, one.AcquisitionTime = f"1000{k:02d}", f"1003{k:02d}"
        elif sign == "ContrastBolusAgent":
            one.ContrastBolusAgent = "IOHEXOL"
    series += other
    return f"{sign}, {part} steps apart", None


def blank(series, rng):
    k = int(rng.integers(len(series)))
    series[k].PixelData = bytes(len(series[k].PixelData))
    return f"{k}", None


def excess(series, rng):
    for one in series if rng.random() < 0.5 else series[:1]:
        one.PixelData = one.PixelData * 2
    return "", None


def damage(series, rng):
    """Empty, cut, strip or overwrite one to four files."""
    files = [packed(one) for one in series]
    hit = rng.choice(len(files), int(rng.integers(1, 5)), replace=False)
    how = str(rng.choice(["empty", "cut", "no preamble", "noise", "zeros"]))
    for k in hit:
        data = files[k]
        near = int(rng.integers(1, 1500)) if rng.random() < 0.5 else int(rng.integers(len(data)))
        files[k] = {
            "empty": b"",
            "cut": data[:near],
            "no preamble": data[132:],
            "noise": rng.bytes(len(data)),
            "zeros": bytes(near) + data[near:],
        }[how]
    return f"{how} {sorted(hit)}", files


CHANGES = {
    each.__name__: each
    for each in (
        *(one_tag, all_tags, drop_tag, lose_files, half, swap_places, swap_pixels, add_copy),
        *(two_passes, blank, excess, damage),
    )
}


def attack(start: int, n_inputs: int, seed: int):
    rng = np.random.default_rng([seed, start])
    counts: Counter = Counter()
    silent: Counter = Counter()
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        series = whole_series()
        expected = read(Path(scratch) / "whole", [packed(one) for one in series])[0]
        names = list(CHANGES)
        for n in range(n_inputs):
            name = names[n % len(names)]
            changed = copy.deepcopy(series)
            what, files = CHANGES[name](changed, rng)
            try:
                files = files or [packed(one) for one in changed]
            except Exception:  # pydicom does not write it
                continue
            folder = Path(scratch) / str(n)
            try:
                scan, told = read(folder, files)
            except ScanError:
                counts[name, "refused"] += 1
            except Exception as error:
                counts[name, "errors"] += 1
                silent[f"{name}: {type(error).__name__}: {error}"] += 1
            else:
                if told:
                    counts[name, "warned"] += 1
                elif same(scan, expected):
                    counts[name, "same"] += 1
                else:
                    counts[name, "silent"] += 1
                    silent[f"{name}: {what}"] += 1
    return counts, silent


def read(folder: Path, files):
    folder.mkdir()
    for k, data in enumerate(files):
        (folder / f"IM{k:04d}").write_bytes(data)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        scan = load_scan(folder)
    return scan, told


def same(scan, other) -> bool:
    return (
        np.array_equal(scan.voxels, other.voxels)
        and np.allclose(scan.affine, other.affine)
        and (scan.depths is None) == (other.depths is None)
        and (scan.depths is None or np.allclose(scan.depths, other.depths))
    )


if __name__ == "__main__":
    main()
