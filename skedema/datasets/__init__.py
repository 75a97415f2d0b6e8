"""Simulated cohorts of head CT scans with clinical variables and a known best answer."""

from __future__ import annotations

from skedema.datasets._cohort import make_head_ct_cohort
from skedema.datasets._implant import ImplantedEdema, implant_edema

__all__ = ["ImplantedEdema", "implant_edema", "make_head_ct_cohort"]
