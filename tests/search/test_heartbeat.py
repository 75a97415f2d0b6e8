from __future__ import annotations

import time

import pytest

from skedema.search import _heartbeat
from skedema.search._heartbeat import MISSED, Heartbeat


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(_heartbeat, "INTERVAL", 0.001)


def wait_until(true):
    for _ in range(5000):
        if true():
            return
        time.sleep(0.001)
    raise AssertionError


def test_one_that_beats_lives_and_one_that_does_not_is_gone():
    written = []
    heartbeat = Heartbeat(written.append, lambda: {"lives": len(written), "killed": 7})
    assert not heartbeat.stopped("killed")  # not looked at yet
    with heartbeat.beating():
        wait_until(lambda: heartbeat.stopped("killed"))
        assert not heartbeat.stopped("lives")
    assert written[: MISSED + 1] == list(range(1, MISSED + 2))


def test_nobody_is_taken_for_gone_while_nobody_can_write():
    asked = []

    def write(_):
        asked.append(True)
        if len(asked) > 3:
            raise ConnectionError

    heartbeat = Heartbeat(write, lambda: {"another": 7})
    with heartbeat.beating():
        wait_until(lambda: len(asked) > 5 * MISSED)
    assert not heartbeat.stopped("another")


def test_one_that_beats_again_lives_again():
    beats = []
    heartbeat = Heartbeat(lambda _: None, lambda: {"slow": len(beats)})
    with heartbeat.beating():
        wait_until(lambda: heartbeat.stopped("slow"))
        beats.append(1)
        wait_until(lambda: not heartbeat.stopped("slow"))
