from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import skedema._pages

ROOT = Path(__file__).resolve().parents[2]


def test_wheel_holds_templates_styles_and_scripts(tmp_path):
    pytest.importorskip("hatchling")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    folder = Path(skedema._pages.__file__).parent
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert any(path.suffix == ".html" for path in files)
    assert any(path.suffix == ".css" for path in files)
    for path in files:
        assert f"skedema/_pages/{path.relative_to(folder).as_posix()}" in held
