from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import skedema

PACKAGE = Path(__file__).parent / "data" / "third_party"


def run(*command: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, *command],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_plug_ins_of_an_installed_package_are_used_by_name(tmp_path):
    run(
        *("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"),
        *("--no-deps", "--no-build-isolation", "--target", str(tmp_path), str(PACKAGE)),
    )
    path = os.pathsep.join([str(tmp_path), str(Path(skedema.__file__).parents[1])])
    scans = tmp_path / "scans"
    scans.mkdir()
    run("-W", "error", str(PACKAGE / "use_it.py"), str(scans), PYTHONPATH=path)
