"""A pre-training killed within and between epochs, beside a loop with torch.save."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._plain_autoencoder import PlainBlock
from benchmarks.faults._kills import Log, Work, kill_at_random
from benchmarks.faults._rows import Row
from skedema import ViTAutoencoder, VolumeReader
from skedema._pretraining.loop import Training

N, SIDE, PATCH, EPOCHS, BATCH = 24, 16, 4, 10, 4
SCANS = [np.random.default_rng(k).normal(40, 12, (SIDE,) * 3).astype("f4") for k in range(N)]


@contextmanager
def logged():
    """Note each step."""
    step = Training.step

    def noted(*args: Any) -> Any:
        found = step(*args)
        Log.finished()
        return found

    Training.step = noted
    try:
        yield
    finally:
        Training.step = step


def of_skedema(folder: Path, minutes: float = 0.0) -> Any:
    Log.begin(folder)
    autoencoder = ViTAutoencoder(
        size="tiny", patch=PATCH, volume=VolumeReader(shape=SIDE), max_epochs=EPOCHS,
        batch_size=BATCH, check=0, random_state=0,
        checkpoint_dir=folder / "kept", checkpoint_minutes=minutes,
    )  # fmt: skip
    with logged():
        autoencoder.fit(SCANS)
    return autoencoder.transform(SCANS), autoencoder.history_["total"].tolist()


class MaskedRebuilder(torch.nn.Module):
    """As much of a masked autoencoder as a kill needs: it draws masks, and rebuilds patches."""

    def __init__(self, dim: int = 96) -> None:
        super().__init__()
        self.embed = torch.nn.Linear(PATCH**3, dim)
        self.blocks = torch.nn.Sequential(*(PlainBlock(dim, 4) for _ in range(4)))
        self.rebuild = torch.nn.Linear(dim, PATCH**3)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        hidden = torch.rand(patches.shape[:2]) < 0.75
        seen = patches.masked_fill(hidden.unsqueeze(-1), 0.0)
        rebuilt = self.rebuild(self.blocks(self.embed(seen)))
        return ((rebuilt - patches)[hidden] ** 2).mean()


def of_torch(folder: Path) -> Any:
    Log.begin(folder)
    sides = (SIDE // PATCH, PATCH) * 3
    cubes = torch.tensor(np.stack(SCANS) / 40 - 1).reshape(N, *sides)
    patches = cubes.permute(0, 1, 3, 5, 2, 4, 6).reshape(N, -1, PATCH**3)
    torch.manual_seed(0)
    net, path, first = MaskedRebuilder(), folder / "kept.pt", 0
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    if path.exists():
        state = torch.load(path)
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["epoch"]
    for epoch in range(first, EPOCHS):
        for rows in torch.randperm(N).split(BATCH):
            optimizer.zero_grad()
            net(patches[rows]).backward()
            optimizer.step()
            Log.finished()
        state = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch + 1}
        torch.save(state, path)
    return [value.detach().numpy() for value in net.state_dict().values()]


def rows(injections: int, folder: Path) -> list[Row]:
    found = []
    for name, call in {"skedema, every step": of_skedema, "torch.save": of_torch}.items():
        call(folder / "warm" / name)
        tally = kill_at_random(Work(call, Log.count), injections, folder / name)
        found.append(tally.row("kill -9, pre-training", name, "steps"))
    return found
