"""The command line: ``skedema``, or ``python -m skedema``; one command a file.

Nothing here imports torch, pandas or the estimators before a command needs them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from skedema._extras import how_to_install
from skedema.cli._codes import FAILED, INTERRUPTED


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit by its code."""
    try:
        from skedema.cli._app import app
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("typer"):
            raise
        print(f"skedema: the command line needs typer: {how_to_install('cli')}", file=sys.stderr)
        sys.exit(FAILED)
    except KeyboardInterrupt:  # imports take a moment
        sys.exit(INTERRUPTED)
    app(args=None if arguments is None else list(arguments), prog_name="skedema")
