"""What is odd about the scans."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd

from skedema import scans as _scans
from skedema._pages import Facts, Section, table_of
from skedema.evaluation._report.material import Material, Unavailable
from skedema.frames import counted
from skedema.scans._remarks import unheard

_OTHER = "another remark of the reader"
# How findings of `skedema.scans.check` begin, and what is said of their kind.
_KINDS = {
    "constant image": "constant image",
    "duplicate: the same file content": "the same file as another one",
    "duplicate: the same voxels": "the same voxels as another one",
    "highest value": "highest value is no CT's: bone clipped, or a wrong slope",
    "lowest value": "lowest value is no CT's: no air",
    "read, though files": "files or header contradict each other, or may be incomplete",
    "not in HU": "voxels that are no HU",
    "few slices": "few slices",
    "no geometry": "no geometry",
    "uneven slices": "uneven slices",
    "field of view": "field of view is no head's",
    "thick slices": "thick slices",
    "wide pixels": "wide pixels",
    "oblique by": "oblique",
    "tilted gantry": "tilted gantry",
    "unlike the cohort": "unlike the cohort in shape or spacing",
}
_MOST = 200  # scans, which are read once more; of more the first


def scans(material: Material) -> Section:
    """Count the findings of `skedema.scans.check`, by kind."""
    if not material.scan_positions:
        raise Unavailable("The table has no column of scans.")
    columns = [material.table.columns[position].values for position in material.scan_positions]
    cells = [cell for of_row in zip(*columns, strict=True) for cell in of_row]
    with unheard():
        table = _scans.check(cells[:_MOST])
    facts = [
        ("Scans looked at", str(len(table))),
        ("Readable", str(int(table["readable"].sum()))),
        ("Without a finding", str(int((table["findings"].str.len() == 0).sum()))),
        *_usual(table),
    ]
    pieces: list[Any] = [Facts(facts)]
    kinds = Counter(kind for _, row in table.iterrows() for kind in kinds_of(row))
    if kinds:
        rows = pd.DataFrame(kinds.most_common(), columns=["finding", "scans"])
        pieces.append(
            table_of(
                rows,
                "Findings",
                index=False,
                note="skedema.scans.check says which scans, and what to do about each.",
            )
        )
    if len(cells) > _MOST:
        pieces.append(f"Of {counted(len(cells), 'scan', 'scans')} the first {_MOST}.")
    return Section("Scan quality", pieces)


def _usual(table: pd.DataFrame) -> list[tuple[str, str]]:
    known = [each for each in table["spacing"] if isinstance(each, tuple)]
    if not known:
        return []
    sizes = pd.DataFrame(known)
    middle = " x ".join(f"{mm:.2g}" for mm in sizes.median())
    return [("Voxels in mm, median", middle)]


def kinds_of(row: pd.Series) -> set[str]:
    """Say of what kinds the findings of a scan are, without the names of scans and rows in them."""
    if row["scan"] == "missing":
        return {"missing"}
    unread = set() if row["readable"] else {"cannot be read"}
    return unread | {_kind(text) for text in row["findings"]} - (unread and {_OTHER})


def _kind(text: str) -> str:
    return next((kind for start, kind in _KINDS.items() if text.startswith(start)), _OTHER)
