"""All commands together."""

from __future__ import annotations

from typing import Annotated

import typer

from skedema.cli._codes import TOLD
from skedema.cli.check import check
from skedema.cli.demo import demo
from skedema.cli.embed import embed
from skedema.cli.evaluate import evaluate
from skedema.cli.explain import explain
from skedema.cli.fit import fit
from skedema.cli.predict import predict
from skedema.cli.pretrain import pretrain
from skedema.cli.tune import tune

app = typer.Typer(
    name="skedema",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain text, the same in a terminal and in a log file
    pretty_exceptions_enable=False,
    epilog=TOLD,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for each in (check, evaluate, fit, predict, explain, tune, pretrain, embed, demo):
    app.command(epilog=TOLD)(each)


def _version(asked: bool) -> None:
    if asked:
        import skedema

        print(f"skedema {skedema.__version__}")
        raise typer.Exit


@app.callback()
def skedema(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Classify patients from head CT scans and clinical variables.

    Research software and no medical device. A table of patients goes in, a CSV file with a column
    of paths of scans: check it, evaluate a model on it, fit one, predict others.
    """
