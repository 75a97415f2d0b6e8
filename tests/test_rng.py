from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from skedema._rng import generators, isolated_rng, set_generators


def draw() -> tuple[float, float, float]:
    """Draw from each of the global generators."""
    return float(torch.rand(())), float(np.random.rand()), random.random()  # noqa: NPY002


def draw_and_raise(error: type[BaseException]) -> None:
    with isolated_rng(0):
        draw()
        raise error


def seed_all(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)


def test_draws_inside_are_decided_by_the_seed():
    def inside(seed: int) -> tuple[float, float, float]:
        with isolated_rng(seed):
            return draw()

    assert inside(3) == inside(3)
    assert all(a != b for a, b in zip(inside(3), inside(4), strict=True))


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32 + 5, 2**40])
def test_any_seed_will_do(seed):
    with isolated_rng(seed):
        draw()


def test_generators_go_on_as_if_nothing_had_been():
    seed_all(7)
    undisturbed = [draw() for _ in range(3)]
    seed_all(7)
    found = []
    for _ in range(3):
        found.append(draw())
        with isolated_rng(0):
            draw()
            draw()
    assert found == undisturbed


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_generators_go_on_after_an_error_too(error):
    seed_all(7)
    expected = draw()
    seed_all(7)
    with pytest.raises(error):
        draw_and_raise(error)
    assert draw() == expected


def test_one_inside_another_restores_the_outer_one():
    with isolated_rng(1):
        expected = [draw(), draw()]
    with isolated_rng(1):
        found = [draw()]
        with isolated_rng(2):
            draw()
        found.append(draw())
    assert found == expected


def test_threads_do_not_draw_from_each_other():
    start = threading.Barrier(4)

    def many(seed: int) -> list[tuple[float, float, float]]:
        start.wait()
        with isolated_rng(seed):
            return [draw() for _ in range(300)]

    def alone(seed: int) -> list[tuple[float, float, float]]:
        with isolated_rng(seed):
            return [draw() for _ in range(300)]

    seed_all(7)
    expected_next = draw()
    seed_all(7)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(many, range(4)))
    assert together == [alone(seed) for seed in range(4)]
    assert draw() == expected_next


def test_a_thread_that_fails_lets_the_next_one_in():
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(ZeroDivisionError):
            pool.submit(draw_and_raise, ZeroDivisionError).result()
        with isolated_rng(0):  # or this would wait for ever
            draw()


def test_no_gpu_is_touched_for_what_draws_on_the_cpu(monkeypatch):
    def refuse(*_):
        raise AssertionError("CUDA was asked")

    for name in ("manual_seed", "manual_seed_all", "get_rng_state", "current_device"):
        monkeypatch.setattr(torch.cuda, name, refuse)
    for device in (None, torch.device("cpu")):
        with isolated_rng(3, device):
            draw()


def test_a_seed_means_what_it_means_to_torch():
    with isolated_rng(3):
        found = draw()
    seed_all(3)
    assert found == draw()


def test_generators_go_on_from_the_states_that_were_kept(tmp_path):
    cpu = torch.device("cpu")
    with isolated_rng(3):
        draw(), np.random.normal(), random.gauss(0, 1)  # noqa: NPY002 - half of a pair is kept
        torch.save(generators(cpu), tmp_path / "states")
        expected = [draw(), np.random.normal(), random.gauss(0, 1)]  # noqa: NPY002
    with isolated_rng(4):
        set_generators(torch.load(tmp_path / "states", weights_only=True), cpu)
        assert [draw(), np.random.normal(), random.gauss(0, 1)] == expected  # noqa: NPY002
