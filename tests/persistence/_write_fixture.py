"""Writes the file of a format that later versions have to read: run it once for each format.

python -m tests.persistence._write_fixture
"""

from __future__ import annotations

import json
from pathlib import Path

import skedema
from skedema.persistence._manifest import FORMAT

from .._autoencoders import make
from ._models import classifier, make_table

DATA = Path(__file__).parent / "data"


def main() -> None:
    X, y = make_table()
    encoder = make(dim=12, decoder_dim=6, decoder_heads=1, max_epochs=0)
    clf = classifier(encoder=encoder, fine_tune=False, dim=4, n_heads=1).fit(X, y)
    skedema.save(clf, DATA / f"format-{FORMAT}.skedema")
    expected = clf.predict_proba(X.head(8)).tolist()
    (DATA / f"format-{FORMAT}.json").write_text(json.dumps(expected) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
