"""What every command has: where options come from, and how much is said."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from skedema.cli._config import as_toml, parameters, read_config, save
from skedema.cli._messages import say
from skedema.cli._values import read_settings


@dataclass
class Run:
    """How a command is run."""

    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", help="Processes at the same time; -1: one a processor."),
    ] = None
    config: Annotated[
        Path | None,
        typer.Option(
            help="TOML file of options, and of the model's parameters under [model]. "
            "The command line wins.",
            callback=read_config,
            is_eager=True,
            exists=True,
            dir_okay=False,
        ),
    ] = None
    save_config: Annotated[
        Path | None, typer.Option(help="Write what was asked for as such a file.")
    ] = None
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="No progress, and nothing but warnings and errors."),
    ] = False
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also what the model says as it learns.")
    ] = False
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False

    context: Any = field(default=None, init=False)
    how_to_go_on: str = field(default="", init=False)

    def begin(self) -> None:
        """Look at what goes together, and write the options down."""
        if self.quiet and self.verbose:
            raise typer.BadParameter("give one of them", param_hint="'--quiet' / '--verbose'")
        if self.save_config is not None:
            save(self.save_config, self.as_toml())

    @property
    def shown(self) -> int:
        """A `verbose` for progress."""
        return int(not self.quiet)

    @property
    def model(self) -> dict[str, Any]:
        """Parameters of the model: those of the file, and of ``--set``, which win."""
        texts = list(self.context.params.get("set_") or [])
        return parameters(self.context) | read_settings(texts)

    def as_toml(self) -> str:
        """Write what was asked for, for ``--config``."""
        return as_toml(self.context, self.model)

    def say(self, text: str) -> None:
        """Write a line on standard error, unless it is to be quiet."""
        if not self.quiet:
            say(text)

    def goes_on_with(self, folder: str | os.PathLike[str] | None, without: str) -> None:
        """Say what an interrupt means: what is kept in a folder, or what to give next time."""
        if folder is None:
            self.how_to_go_on = f"nothing was kept: {without}"
        else:
            self.how_to_go_on = (
                f"what was done is kept in {folder}, and the same command goes on from there"
            )
