"""A bar with the time left."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(n_steps: int, n_done: int, verbose: int) -> Iterator[Callable[[float], None]]:
    """Show how far a run is, on standard error.

    Parameters
    ----------
    n_steps, n_done : int
        Steps of the run, and those behind.
    verbose : int
        Nothing is shown with 0.

    Yields
    ------
    callable
        To be called with the loss after each step.
    """
    if not verbose:
        yield lambda loss: None
        return
    from tqdm import tqdm

    with tqdm(total=n_steps, initial=n_done, desc="pre-training", file=sys.stderr) as bar:

        def after_step(loss: float) -> None:
            bar.set_postfix(loss=f"{loss:.4g}", refresh=False)
            bar.update()

        yield after_step
