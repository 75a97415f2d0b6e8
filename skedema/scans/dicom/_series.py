"""Which files make up the series of an exam, and what is left out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skedema.scans.dicom._files import DicomFile
from skedema.scans.dicom._slice import FARTHEST, Slice, frames_of, slices_of
from skedema.scans.dicom._tags import UNKNOWN, Tags, read_header
from skedema.scans.dicom._words import some
from skedema.scans.errors import ScanError

if TYPE_CHECKING:
    from pydicom import Dataset

#: A file and its tags.
File = tuple[DicomFile, "Dataset"]

#: CT Image, Enhanced CT Image and Legacy Converted Enhanced CT Image Storage (PS3.4, B.5).
CT_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.2.1",
    "1.2.840.10008.5.1.4.1.1.2.2",
}

ONE_SERIES = "give the list of files of one series, or a folder with one series"


class Series(NamedTuple):
    """The slices of an exam, in the order of its files; what was left out; warnings."""

    slices: list[Slice]
    left_out: list[File]
    told: list[str]


def find_series(files: Sequence[DicomFile], listed: bool) -> Series:
    """Find the one series among the files of an exam, and read the tags of its slices.

    Localizers and everything that is no CT image are left out; derived secondary images
    (screenshots, reformats) beside original ones; series of a single image beside others. `listed`
    says that the user gave the list of files, and so the word that they belong together. No series,
    or several, are an error.
    """
    images: list[File] = []
    derived: list[File] = []
    others: list[File] = []
    left_out: Counter[str] = Counter()
    unknown: list[str] = []
    for file in files:
        header = read_header(file)
        if isinstance(header, str):
            if file.given:
                raise ScanError(
                    f"{file.label}: is not a DICOM file (DICM is not at byte 128); "
                    "give the slices of one series, or their folder"
                )
            left_out[header] += 1
            unknown += [file.label] if header == UNKNOWN else []
            continue
        reason = _no_slice(file, header)
        left_out[reason] += bool(reason)
        {"": images, _DERIVED: derived}.get(reason, others).append((file, header))
    told = []
    if derived and not images:
        told.append(
            f"all {len(derived)} slices are derived secondary images (ImageType), such as "
            "reformats: they are read, as there are no original ones"
        )
        images, derived = derived, []
    if not images:
        what = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise ScanError(f"holds no CT slices ({what}); give the folder of an axial CT series")
    if listed and derived:
        told.append(
            f"{some([file.label for file, _ in derived])} left out: derived secondary images "
            "(ImageType) beside original ones; give a list of these alone to read them"
        )
    if unknown:
        told.append(
            f"{some(unknown)} left out: no DICOM, and no other kind of file that is known; "
            "restore what is a damaged slice, remove what is none"
        )
    chosen, strays = _one_series(images, listed)
    slices = [one for file, header in chosen for one in slices_of(file, header)]
    if len(slices) == 1:
        raise ScanError(f"{slices[0].label}: is a single slice; give the folder that it lies in")
    return Series(slices, derived + others + strays, told)


def _one_series(images: list[File], listed: bool) -> tuple[list[File], list[File]]:
    """Give the files of the one series, and single images of others."""
    series: dict[str, list[File]] = {}
    for file, header in images:
        tags = Tags([header], file.label)
        uid = tags.text("SeriesInstanceUID")
        if not uid:
            raise tags.error("SeriesInstanceUID is missing")
        series.setdefault(uid, []).append((file, header))
    if listed or len(series) == 1:
        return images, []
    whole = [each for each in series.values() if sum(_n_frames(h) for _, h in each) > 1]
    if len(whole) == 1:
        return whole[0], [each for one in series.values() if one is not whole[0] for each in one]
    listing = whole or list(series.values())
    shown = "\n".join(f"  {_describe(each)}" for each in listing[:20])
    shown += f"\n  and {len(listing) - 20} more" if len(listing) > 20 else ""
    if not whole:
        raise ScanError(
            f"holds {len(series)} series of a single image each; where these are slices of one "
            f"series whose SeriesInstanceUID was changed, give the list of its files:\n{shown}"
        )
    raise ScanError(f"holds {len(whole)} series; {ONE_SERIES}:\n{shown}")


_DERIVED = "derived secondary images"


def _no_slice(file: DicomFile, header: Dataset) -> str:
    """Say why a file is no slice of an exam; empty where it is one."""
    tags = Tags([header], file.label)
    kind = tags.text("SOPClassUID")
    if not kind and header.file_meta.get("MediaStorageSOPClassUID") in (None, "", *CT_CLASSES):
        raise tags.error(
            "begins as DICOM, but does not say of what kind (SOPClassUID): damaged or cut off",
            "restore it, or remove it if it is no slice of the exam",
        )
    if kind not in CT_CLASSES:
        return "other than CT images"
    image = tags.text("ImageType").upper().split("\\")
    if "LOCALIZER" in image:
        return "localizers"
    return _DERIVED if image[:2] == ["DERIVED", "SECONDARY"] else ""


def _n_frames(header: Dataset) -> int:
    return len(header.get("PerFrameFunctionalGroupsSequence") or [header])


def _describe(series: Sequence[File]) -> str:
    """Describe a series in a line, with what can be read."""
    file, header = series[0]
    tags = next(frames_of(file, header))
    number, text = tags.text("SeriesNumber") or "?", tags.text("SeriesDescription")[:60]
    parts = [f"{sum(_n_frames(each) for _, each in series)} slices"]
    try:
        spacing = tags.numbers("PixelSpacing", 2, 0, FARTHEST)
        parts.append(f"{spacing[0]:.3g} x {spacing[1]:.3g} mm")
        every = [t for each in series for t in frames_of(*each)]
        places = [t.numbers("ImagePositionPatient", 3, -FARTHEST, FARTHEST) for t in every]
        steps = np.linalg.norm(np.diff(np.unique(places, axis=0), axis=0), axis=1)
        parts.append(f"{np.median(steps):.3g} mm apart" if len(steps) else "at one place")
    except ScanError:
        parts.append("without geometry")
    parts.append(f"kernel {tags.text('ConvolutionKernel') or 'not stated'}")
    where = os.path.dirname(file.label)
    return f"series {number} {text!r}: {', '.join(parts)}" + (f", in {where}" if where else "")
