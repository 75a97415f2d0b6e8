"""Simulated cohorts of head CT scans with clinical variables and a known best answer."""

from __future__ import annotations

from skedema.datasets._cohort import make_head_ct_cohort

__all__ = ["make_head_ct_cohort"]
