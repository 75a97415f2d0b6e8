from __future__ import annotations

import threading
import warnings

import pytest

from skedema.scans.dicom import load_dicom
from skedema.scans.files import load_scan

pydicom = pytest.importorskip("pydicom")


from ._exam import exam, set_all, write  # noqa: E402


def test_warnings_of_other_threads_are_shown_while_one_reads(tmp_path):
    series = exam(4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        set_all(series, FrameOfReferenceUID="1.2.099")  # pydicom warns of the leading zero
        write(tmp_path / "a", series)
    stop = threading.Event()
    errors = []

    def read():
        while not stop.is_set():
            try:
                load_dicom(tmp_path / "a", "exam")
            except Exception as error:  # a warning of pydicom's that is an error
                errors.append(error)

    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        for k in range(300):
            warnings.warn(f"of mine {k}", stacklevel=1)
            assert warnings.filters == before
        stop.set()
        for reader in readers:
            reader.join()
    assert not errors
    assert [str(each.message) for each in shown] == [f"of mine {k}" for k in range(300)]


def test_pydicom_warns_as_ever_outside_of_reading(tmp_path):
    (path,) = write(tmp_path / "a", exam(1))
    load_scan(write(tmp_path / "b", exam()))
    with pytest.warns(UserWarning, match="Invalid value for VR UI"):
        pydicom.dcmread(path).FrameOfReferenceUID = "1.2.099"
