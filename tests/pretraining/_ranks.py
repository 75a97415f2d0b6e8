"""Pre-training in two processes: by ``torchrun _ranks.py FOLDER NAME``, or as forks of one."""

from __future__ import annotations

import os
import signal
import sys
import traceback
import warnings
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from skedema import ViTAutoencoder, VolumeReader
from skedema._pretraining.loop import Training

N_SCANS = 9  # in batches of four: at the last one there is nothing to do for one of two processes


def scans():
    # 20 voxels are no multiple of a patch, so that scans hide different numbers of voxels.
    found = [np.random.default_rng(k).normal(40, 10, (16, 16, 20)) for k in range(N_SCANS)]
    for odd in (1, 7):  # in the parts of both processes; brain has 1059 HU in these
        air, brain, bone = np.random.default_rng(odd).normal([[24], [1059], [2024]], 9, (3, 6000))
        found[odd] = np.concatenate([air, brain, bone[:800]]).reshape(32, 20, 20)
    return found


def autoencoder(**params):
    given = {
        "size": "tiny", "volume": VolumeReader(spacing=None, shape=(16, 16, 20)), "max_epochs": 2,
        "batch_size": 4, "random_state": 0, "dtype": "float32", "device": "cpu",
        "checkpoint_minutes": 0,
    }  # fmt: skip
    return ViTAutoencoder(**given | params)


def fitted(**params):
    """Fit, and give all that is fitted."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        made = autoencoder(**params).fit(scans())
    return {
        "weights": made.module_.state_dict(),
        "history": made.history_.to_numpy(),
        "told": [str(each.message) for each in told],
    }


def one_rank(folder, name, rank, call):
    """Be one of two processes, and leave what is fitted in a file."""
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/{name}.group", rank=rank, world_size=2
    )
    torch.save(call(rank), f"{folder}/{name}{rank}.pt")


def together(folder, name, call):
    """Run a function of the rank in two forks; gives how each ended."""
    children = []
    for rank in range(2):
        child = os.fork()
        if not child:
            try:
                one_rank(folder, name, rank, call)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def killed(rank, folder):
    """Fit, but the second process is killed in its fifth step."""
    step, done = Training.step, []

    def stepping(training, rows):
        done.append(rows)
        if rank == 1 and len(done) == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(training, rows)

    Training.step = stepping
    return fitted(checkpoint_dir=folder)


def different(rank):
    return fitted(lr=1e-3 * (1 + rank))


def too_many(rank):
    return fitted(batch_size=1)


def main(folder):
    ends = {
        "together": together(
            folder, "together", lambda _: fitted(checkpoint_dir=f"{folder}/whole")
        ),
        "killed": together(folder, "killed", lambda rank: killed(rank, f"{folder}/kept")),
        "different": together(folder, "different", different),
        "too many": together(folder, "too many", too_many),
    }
    torch.save({"ends": ends, "alone": fitted()}, f"{folder}/found.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    if "RANK" in os.environ:
        dist.init_process_group("gloo")
        torch.save(fitted(checkpoint_dir=folder / "kept"), folder / f"again{dist.get_rank()}.pt")
        dist.destroy_process_group()
    else:
        main(folder)
