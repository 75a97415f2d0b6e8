"""Two processes on one card pre-train one network, over gloo: ``python _ranks.py FOLDER DEVICE``.

They are forks of one that has not touched the card.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import torch

from skedema._device import full_float32

_path = Path(__file__).parents[1] / "pretraining" / "_ranks.py"
_spec = importlib.util.spec_from_file_location("ranks", _path)
ranks = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(ranks)

if __name__ == "__main__":
    torch.set_num_threads(1)
    folder, device = sys.argv[1:]
    with full_float32(torch.device("cuda")):
        ends = ranks.together(folder, "together", lambda _: ranks.fitted(device=device))
        torch.save({"ends": ends, "alone": ranks.fitted(device=device)}, f"{folder}/found.pt")
