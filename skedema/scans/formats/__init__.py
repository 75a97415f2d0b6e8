"""The formats that scans are kept in, one a file, and the one table of them."""

from __future__ import annotations

from skedema.scans.formats.base import Format, register_format
from skedema.scans.formats.dicom import Dicom
from skedema.scans.formats.images import Mgz
from skedema.scans.formats.itk import MetaHeader, MetaImage, Nrrd
from skedema.scans.formats.nifti import Nifti, NiftiPair
from skedema.scans.formats.npy import Npy

for _format, _endings in {
    Nifti: (".nii", ".nii.gz"),
    NiftiPair: (".hdr", ".img", ".hdr.gz", ".img.gz"),
    MetaImage: (".mha",),
    MetaHeader: (".mhd",),
    Nrrd: (".nrrd",),
    Mgz: (".mgz",),
    Npy: (".npy",),
    Dicom: (".dcm", ".zip"),
}.items():
    for _ending in _endings:
        register_format(_ending, _format)

__all__ = ["Format", "register_format"]
