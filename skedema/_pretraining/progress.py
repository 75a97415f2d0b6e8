"""A bar with the loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from skedema._each import bar


@contextmanager
def progress(n_steps: int, n_done: int, verbose: int) -> Iterator[Callable[[float], None]]:
    """Show how far a run is; gives what is to be called with the loss after each step."""
    with bar("pre-training", "step", n_steps, done=n_done, shown=verbose) as shown:

        def after_step(loss: float) -> None:
            shown.set_postfix(loss=f"{loss:.4g}", refresh=False)
            shown.update()

        yield after_step
