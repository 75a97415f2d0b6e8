from __future__ import annotations

#: A model that takes a second.
SMALL = [
    *("--set", "encoder=cnn", "--set", "volume__shape=16", "--set", "volume__spacing=13"),
    *("--set", "max_epochs=1", "--set", "n_members=1"),
]
#: What the columns of the cohort are.
COLUMNS = ["--image", "scan", "--id", "patient"]
