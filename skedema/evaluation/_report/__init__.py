"""The report of an evaluation: a page in one file, of sections that each stand in a file here."""

from __future__ import annotations

from skedema.evaluation._report.material import Material, checked_model
from skedema.evaluation._report.page import NAMES, make_report

__all__ = ["NAMES", "Material", "checked_model", "make_report"]
