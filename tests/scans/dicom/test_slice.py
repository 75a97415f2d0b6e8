from __future__ import annotations

import pytest

from skedema.scans import ScanError
from skedema.scans.dicom import load_dicom

from ._exam import assert_same, enhanced, exam, item, read_in_silence, set_all, write


@pytest.mark.parametrize(
    "kind",
    [
        ["DERIVED", "PRIMARY", "PERFUSION", "RCBF"],
        ["DERIVED", "PRIMARY", "PERFUSION", "TMAX"],
        ["DERIVED", "SECONDARY", "AXIAL", "CT_PERF_CBV"],
        ["DERIVED", "PRIMARY", "AXIAL", "EFF_ATOMIC_NUM"],
        ["DERIVED", "PRIMARY", "VOLUME", "SUBTRACTION"],
    ],
    ids=str,
)
def test_derived_quantities_are_refused_by_their_image_type(tmp_path, kind):
    write(tmp_path / "a", set_all(exam(), ImageType=kind))
    with pytest.raises(ScanError, match=f"{kind[3]}: a derived quantity, not HU; give the series"):
        load_dicom(tmp_path / "a", "exam")


@pytest.mark.parametrize("fourth", ["NONE", "MEAN", "ADD", "VMI", "MAXIMUM", "RESAMPLED"])
def test_what_stays_in_hu_is_read(tmp_path, whole, fourth):
    kind = ["DERIVED", "PRIMARY", "AXIAL", fourth]
    assert_same(read_in_silence(tmp_path / "a", set_all(exam(), ImageType=kind)), whole)


def mapping(unit):
    code = item(CodeValue=unit, CodingSchemeDesignator="UCUM", CodeMeaning=unit)
    return item(MeasurementUnitsCodeSequence=code)


def test_enhanced_ct_of_derived_quantities_is_refused(tmp_path, whole):
    assert_same(read_in_silence(tmp_path / "hu", [enhanced()]), whole)
    in_hu = enhanced(RealWorldValueMappingSequence=mapping("[hnsf'U]"))
    assert_same(read_in_silence(tmp_path / "unit", [in_hu]), whole)
    units = enhanced(RealWorldValueMappingSequence=mapping("ml/100ml/s"))
    write(tmp_path / "a", [units])
    with pytest.raises(ScanError, match="real-world values are in ml/100ml/s, not HU"):
        load_dicom(tmp_path / "a", "exam")
    kind = item(FrameType=["DERIVED", "PRIMARY", "PERFUSION", "RCBF"])
    write(tmp_path / "b", [enhanced(CTImageFrameTypeSequence=kind)])
    with pytest.raises(ScanError, match=r"FrameType is .*RCBF: a derived quantity, not HU"):
        load_dicom(tmp_path / "b", "exam")


def test_real_world_units_of_single_slices_count(tmp_path):
    series = set_all(exam(), RealWorldValueMappingSequence=mapping("ml/100ml/s"))
    write(tmp_path / "a", series)
    with pytest.raises(ScanError, match="real-world values are in ml/100ml/s, not HU"):
        load_dicom(tmp_path / "a", "exam")
