from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

SCRIPT = """
import os, sys, time
from skedema._each import each

def work(k):
    import torch

    print(os.getpid(), flush=True)
    if sys.argv[1] == "idle":
        return k
    a = torch.ones(3000, 3000)
    while True:
        a = a @ a / 3000.0

if __name__ == "__main__":
    list(each(work, [(0,), (1,)], 2))
    print("done", flush=True)
    time.sleep(600)
"""


def is_there(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not os.path.exists("/proc"), reason="looks for processes in /proc")
@pytest.mark.parametrize("doing", ["computing", "idle"])
def test_no_worker_outlives_a_killed_parent(tmp_path, doing):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    parent = subprocess.Popen([sys.executable, script, doing], stdout=subprocess.PIPE, text=True)
    workers = {int(parent.stdout.readline()) for _ in range(2)}
    if doing == "idle":
        assert parent.stdout.readline() == "done\n"
    assert all(map(is_there, workers))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 60
    while any(map(is_there, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(is_there, workers))
    parent.stdout.close()
