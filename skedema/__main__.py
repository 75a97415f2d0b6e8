"""``python -m skedema``: the command line."""

from __future__ import annotations

from skedema.cli import main

if __name__ == "__main__":
    main()
