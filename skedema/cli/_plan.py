"""``--dry-run``: what is odd, and what it will take, before anything long."""

from __future__ import annotations

from typing import Any

import typer

from skedema.cli import _codes
from skedema.cli._cohort import Cohort
from skedema.cli._findings import find, told
from skedema.cli._run import Run


def dry_run(cohort: Cohort, images: list[str], reader: Any, cost: Any, run: Run) -> None:
    """Check all, print findings and cost, and end; by code 1 where a fit would be refused."""
    findings = find(cohort, images, reader, run)
    n_scans = int(cohort.X[images].notna().to_numpy().sum())
    n_columns = len(cohort.X.columns) - len(images)
    print(f"{len(cohort.X)} rows, {n_scans} scans, {n_columns} clinical columns")
    if len(findings):
        print(told(findings, len(cohort.X)))
    if findings["stops"].any():
        raise typer.Exit(_codes.DATA)
    if cost is not None:
        print(cost())
    raise typer.Exit(_codes.OK)


def dry_run_of(classifier: Any, cohort: Cohort, cv: Any, run: Run) -> None:
    """Do that for a classifier and its folds; None is a single fit."""
    from skedema.baselines._parts import reader_of

    def cost() -> Any:
        return classifier.estimate(cohort.X, cohort.y, cv=cv)

    image = classifier.image
    images = [] if image is None else [image] if isinstance(image, str) else list(image)
    dry_run(cohort, images, reader_of(classifier) if images else None, cost, run)
