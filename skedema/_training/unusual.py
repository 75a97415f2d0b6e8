"""Scans that are unlike all that a model has learned from."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from skedema import _told
from skedema._scan_column import Scans
from skedema.scans._usual import Usual
from skedema.scans.cache import About

_SHOWN = 3  # scans whose oddity is told in full


def learn_usual(about: Collection[About], usual: Usual | None = None) -> Usual | None:
    """Learn what scans are like, in addition to what is known already."""
    if not about:
        return usual
    found = np.stack([each.measures for each in about])
    return Usual(found) if usual is None else usual.and_of(found)


def warn_of_unlike(scans: Scans, about: dict[int, About], usual: Usual | None) -> list[int]:
    """Warn once of scans that are unlike all that training saw, and give their rows."""
    if usual is None or not about:
        return []
    rows = list(about)
    found = usual.unlike(np.stack([each.measures for each in about.values()]))
    unlike = {rows[k]: why for k, why in found.items()}
    if not unlike:
        return []
    shown = [
        f"{scans.names(np.array([row]))} ({why})" for row, why in list(unlike.items())[:_SHOWN]
    ]
    if len(unlike) > _SHOWN:
        shown.append(f"and {scans.places(np.array(list(unlike)[_SHOWN:]))}")
    _told.tell(
        f"{len(unlike)} of {len(rows)} scans {'is' if len(unlike) == 1 else 'are'} unlike all "
        "that training saw, so that a prediction from such a scan cannot be relied on: "
        f"{'; '.join(shown)}. skedema.scans.check looks closer at scans; warn_unusual=False "
        "turns this warning off."
    )
    return list(unlike)
