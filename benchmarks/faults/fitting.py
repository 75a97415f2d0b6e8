"""A fit killed within and between epochs, beside skorch's checkpoints and a loop with torch.save.

All three train the same kind of network on the same patients, with dropout, in batches, and go on
from what they find in their folder as their documentation has it.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, Checkpoint, LoadInitState
from torch import nn

from benchmarks.faults._kills import Log, Work, kill_at_random
from benchmarks.faults._rows import Row
from skedema import AttentionMixerClassifier
from skedema._training.net import FusionNet

N, WIDTH, EPOCHS, BATCH = 1200, 14, 10, 20


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, WIDTH)).astype(np.float32)
    return X, (X[:, 0] + rng.normal(size=N) > 0).astype(np.int64)


@contextmanager
def logged():
    """Note each step of the classifier; a callback would end what is kept within an epoch."""
    step = FusionNet.train_step

    def noted(*args: Any, **kwargs: Any) -> Any:
        found = step(*args, **kwargs)
        Log.finished()
        return found

    FusionNet.train_step = noted
    try:
        yield
    finally:
        FusionNet.train_step = step


def of_skedema(folder: Path) -> Any:
    Log.begin(folder)
    X, y = data()
    clf = AttentionMixerClassifier(
        n_members=1, early_stopping=True, dropout=0.1, max_epochs=EPOCHS, batch_size=BATCH,
        n_iter_no_change=EPOCHS, warn_unusual=False, trusted_columns=list(range(WIDTH)),
        checkpoint_dir=folder / "kept", random_state=0,
    )  # fmt: skip
    with logged():
        clf.fit(X, y)
    losses = clf.history_[["train_loss", "valid_loss"]].to_numpy()
    return clf.predict_proba(X), losses, clf.held_out_.proba


def network() -> nn.Module:
    layers = [nn.Linear(WIDTH, 128), nn.ReLU(), nn.Dropout(0.1), nn.Linear(128, 128), nn.ReLU()]
    return nn.Sequential(*layers, nn.Dropout(0.1), nn.Linear(128, 2))


class Noted(Callback):
    def on_batch_end(self, net, training=False, **kwargs):
        if training:
            Log.finished()


def of_skorch(folder: Path) -> Any:
    Log.begin(folder)
    X, y = data()
    torch.manual_seed(0)
    every_epoch = Checkpoint(dirname=folder / "kept", monitor=None)
    net = NeuralNetClassifier(
        network(), criterion=nn.CrossEntropyLoss, optimizer=torch.optim.AdamW, lr=1e-3,
        max_epochs=EPOCHS, batch_size=BATCH, iterator_train__shuffle=True, verbose=0,
        callbacks=[every_epoch, LoadInitState(every_epoch), Noted()],
    )  # fmt: skip
    # It goes on for so many epochs more; the history tells how many are behind.
    if (folder / "kept" / "history.json").exists():
        net.initialize()
        net.load_params(f_history=folder / "kept" / "history.json")
        net.max_epochs = EPOCHS - len(net.history)
    net.fit(X, y)
    return net.predict_proba(X), [row["train_loss"] for row in net.history]


def of_torch(folder: Path) -> Any:
    Log.begin(folder)
    X, y = (torch.from_numpy(each) for each in data())
    torch.manual_seed(0)
    net, path, first = network(), folder / "kept.pt", 0
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    if path.exists():
        state = torch.load(path)
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["epoch"]
    for epoch in range(first, EPOCHS):
        net.train()
        for rows in torch.randperm(N).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(X[rows]), y[rows]).backward()
            optimizer.step()
            Log.finished()
        state = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch + 1}
        torch.save(state, path)
    net.eval()
    with torch.no_grad():
        return net(X).numpy()


def rows(injections: int, folder: Path) -> list[Row]:
    found = []
    for name, call in {
        "skedema": of_skedema,
        "skorch, Checkpoint": of_skorch,
        "torch.save": of_torch,
    }.items():
        call(folder / "warm" / name)
        tally = kill_at_random(Work(call, Log.count), injections, folder / name)
        found.append(tally.row("kill -9, fit", name, "steps"))
    return found
