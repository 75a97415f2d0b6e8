"""Tasks in processes of loky: one that is killed takes no other with it, and its task runs again.

joblib has one executor for all processes, which ends them all, and all their tasks, when one of
them is killed. Here each process has an executor of its own, and a thread that hands it a task
after the other. They are kept for later calls, as joblib keeps its own.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from multiprocessing import parent_process
from multiprocessing.util import Finalize
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, NamedTuple

from joblib.externals.loky import ProcessPoolExecutor, process_executor
from joblib.externals.loky.backend.utils import kill_process_tree
from joblib.externals.loky.process_executor import BrokenProcessPool, TerminatedWorkerError

from skedema._each._call import Call, place_of
from skedema._each._cores import POOLS, threads_a_worker
from skedema._each._lost import LostTaskError, in_order
from skedema._each._parent import end_with
from skedema._each._shipped import Shipped, shipped
from skedema._told import tell

_ATTEMPTS = 3
_IDLE_SECONDS = 300  # as joblib's


class Processes:
    """Some processes on this machine.

    Parameters
    ----------
    n_workers : int
        How many.
    """

    def __init__(self, n_workers: int) -> None:
        self.n_workers = n_workers

    def results(
        self, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], at_once: int
    ) -> Iterator[Any]:
        """Do tasks, so many handed out `at_once`; gives results in their order.

        Who stops early waits for what is under way where not all are handed out at once; else it
        is killed.
        """
        n_threads = threads_a_worker(self.n_workers)
        call = Call.of(function, tasks, n_threads)
        n_workers = min(self.n_workers, at_once)
        with shipped(call) as ready, _crew(n_workers, n_threads, at_once < len(tasks)) as crew:
            for start in range(0, len(tasks), at_once):
                numbers = range(start, min(start + at_once, len(tasks)))
                due = [
                    crew.submit(ready, call.own(tasks[k]), place_of(function, tasks, k))
                    for k in numbers
                ]
                for result in in_order(due):
                    crew.tell_of_killed()
                    yield result


class _Task(NamedTuple):
    future: Future[Any]
    call: Shipped
    own: tuple[Any, ...]
    name: Callable[[], str]


class _Worker:
    """A process of its own executor, and another one where it was killed."""

    def __init__(self, n_threads: int) -> None:
        self.n_threads = n_threads
        self._executor = self._new()

    def _new(self) -> Any:
        return ProcessPoolExecutor(
            max_workers=1,
            timeout=_IDLE_SECONDS,
            initializer=_begin,
            initargs=(os.getpid(),),
            env={name: str(self.n_threads) for name in POOLS},
        )

    def do(self, *task: Any) -> Any:
        try:
            future = self._executor.submit(_run, *task)
        except BrokenProcessPool:  # killed while it had nothing to do
            self._executor = self._new()
            future = self._executor.submit(_run, *task)
        try:
            return future.result()
        except BrokenProcessPool:
            self._executor = self._new()
            raise

    def kill(self) -> None:
        # Not by the executor's shutdown, which trips over a task that it has not handed out yet.
        for process in list(self._executor._processes.values()):
            kill_process_tree(process)

    def end(self, *, wait: bool) -> None:
        self._executor.shutdown(wait=wait)


_at_work = False


def _begin(parent: int) -> None:
    end_with(parent)
    # Where psutil is installed, loky ends a worker that has 300 MB more after a task than after its
    # first, and warns of it. Those are volumes and libraries, kept on purpose.
    process_executor._USE_PSUTIL = False
    signal.signal(signal.SIGINT, _interrupted)


def _interrupted(number: int, frame: Any) -> None:
    """End the task of a worker on Ctrl-C, and nothing between tasks.

    A terminal interrupts all processes. What becomes of the worker is for its parent to say; loky
    would print where it was.
    """
    if _at_work:
        raise KeyboardInterrupt


def _run(call: Shipped, own: tuple[Any, ...]) -> Any:
    global _at_work
    try:
        _at_work = True
        return call.open()(*own)
    finally:
        _at_work = False


class _Crew:
    """Workers, each with a thread that hands it tasks."""

    def __init__(self, workers: list[_Worker]) -> None:
        self.workers = workers
        self._due: SimpleQueue[_Task | None] = SimpleQueue()
        self._killed: list[str] = []
        self._stopped = False
        # Daemons: whoever leaves Python need not wait for tasks that nobody wants.
        self._threads = [Thread(target=self._work, args=(w,), daemon=True) for w in workers]
        for thread in self._threads:
            thread.start()

    def submit(self, call: Shipped, own: tuple[Any, ...], name: Callable[[], str]) -> Future[Any]:
        future: Future[Any] = Future()
        self._due.put(_Task(future, call, own, name))
        return future

    def tell_of_killed(self) -> None:
        """Tell once that a worker was killed, if one was."""
        if self._killed and self._killed[0]:
            tell(
                f"A worker process was killed while it did {self._killed[0]}; that is done again. "
                "Usually memory did not suffice: give fewer n_jobs."
            )
            self._killed[0] = ""

    def stop(self, *, now: bool) -> None:
        """Begin no further task, and wait for those under way, or kill them."""
        self._stopped = True
        with suppress(Empty):
            while True:
                self._due.get_nowait()
        for _ in self._threads:
            self._due.put(None)
        for worker, thread in zip(self.workers, self._threads, strict=True):
            while now and thread.is_alive():  # again: it may not have been started the first time
                worker.kill()
                thread.join(0.1)
            thread.join()

    def _work(self, worker: _Worker) -> None:
        while (task := self._due.get()) is not None:
            try:
                task.future.set_result(self._done(task, worker))
            except BaseException as error:
                task.future.set_exception(error)

    def _done(self, task: _Task, worker: _Worker) -> Any:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return worker.do(task.call, task.own)
            except TerminatedWorkerError as error:
                if attempt == _ATTEMPTS or self._stopped:
                    raise LostTaskError(
                        f"The process that did {task.name()} was killed, {attempt} times; all "
                        "other tasks were finished. Usually memory did not suffice: give fewer "
                        "n_jobs, or less to do at once, such as a smaller batch_size."
                    ) from error
                self._killed.append(task.name())


_idle: list[_Worker] = []
_lock = Lock()
_ends_in = 0  # the process at whose exit they end


def _end_at_exit() -> None:
    """See to it that idle workers end before a process of `multiprocessing` waits for them."""
    global _ends_in
    if parent_process() is not None and _ends_in != os.getpid():
        _ends_in = os.getpid()
        Finalize(None, _end_idle, exitpriority=100)  # loky's queues are closed at 10


def _end_idle() -> None:
    with _lock:
        for worker in _idle:
            worker.end(wait=True)
        _idle.clear()


@contextmanager
def _crew(n_workers: int, n_threads: int, waits: bool) -> Iterator[_Crew]:
    """Take workers, idle ones first; whether it `waits` for the last tasks on an error."""
    with _lock:
        others = [worker for worker in _idle if worker.n_threads != n_threads]
        workers = [worker for worker in _idle if worker.n_threads == n_threads][:n_workers]
        _idle[:] = [worker for worker in _idle if worker not in workers and worker not in others]
    for worker in others:
        worker.end(wait=False)
    workers += [_Worker(n_threads) for _ in range(n_workers - len(workers))]
    crew = _Crew(workers)
    try:
        yield crew
    except BaseException:
        crew.stop(now=not waits)
        if waits:
            _give_back(workers)
        raise
    crew.stop(now=False)
    _give_back(workers)


def _give_back(workers: list[_Worker]) -> None:
    _end_at_exit()
    with _lock:
        _idle.extend(workers)


def _forget() -> None:
    """Leave the workers to the process that this one was forked from."""
    global _lock
    _lock = Lock()
    _idle.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
