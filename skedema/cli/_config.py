"""Options and parameters from a TOML file, and back into one."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import typer

from skedema._caching.whole_files import write_whole
from skedema._registry import nearest_name
from skedema.cli._values import flat, toml

_MODEL = "model"
# What is about one call, and not about what is done.
_NOT_KEPT = ("config", "save_config", "dry_run", "debug", "quiet", "verbose", "help")
# What another command, given the same file, must not write over.
_OF_A_COMMAND = ("output", "report")


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Make the options in a file the defaults of a command; its parameters go to `parameters`."""
    if path is None or context.resilient_parsing:
        return path
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path} is no TOML: {error}.") from error
    model = given.pop(_MODEL, {})
    if not isinstance(model, dict):
        raise typer.BadParameter(f"{path}: [{_MODEL}] must be a table of parameters.")
    known = {_key(option) for each in _commands(context).values() for option in each.params}
    own = {_key(option): option for option in context.command.params}
    options = {}
    for key, value in _for(context, given, path).items():
        name = key.replace("-", "_")
        if name not in known:
            hint = nearest_name(key, [*known, _MODEL])
            raise typer.BadParameter(f"{path}: there is no option {key!r}. {hint}")
        if name in own:  # others are of other commands
            several = own[name].multiple and isinstance(value, str)
            options[str(own[name].name)] = [value] if several else value
    context.default_map = options
    context.meta[_MODEL] = flat(model)
    return path


def parameters(context: typer.Context) -> dict[str, Any]:
    """Give the parameters that the file of ``--config`` holds."""
    found: dict[str, Any] = context.meta.get(_MODEL, {})
    return found


def as_toml(context: typer.Context, model: dict[str, Any]) -> str:
    """Write what a command was given, other than by default."""
    options: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for option in context.command.params:
        name = option.name or ""
        source = context.get_parameter_source(name)
        if source is None or source.name not in ("COMMANDLINE", "DEFAULT_MAP", "ENVIRONMENT"):
            continue
        if name in _NOT_KEPT or name == "set_":
            continue
        value = context.params[name]
        if name == "image" and len(value) == 1:  # nearly always; as people write it
            value = value[0]
        (own if name in _OF_A_COMMAND else options)[_key(option)] = _plain(value)
    return toml(options, {str(context.info_name): own, _MODEL: model})


def save(path: Path, text: str) -> None:
    """Write a text, whole."""
    write_whole(path, lambda file: file.write(text.encode()))


def _for(context: typer.Context, given: dict[str, Any], path: Path) -> dict[str, Any]:
    """Give what is for all commands, and what stands in the table of this one."""
    tables = {name: value for name, value in given.items() if isinstance(value, dict)}
    names = _commands(context)
    for name in tables:
        if name not in names:
            raise typer.BadParameter(
                f"{path}: there is no command [{name}]. {nearest_name(name, [*names, _MODEL])}"
            )
    shared = {name: value for name, value in given.items() if name not in tables}
    own: dict[str, Any] = tables.get(str(context.info_name), {})
    return shared | own


def _commands(context: typer.Context) -> dict[str, Any]:
    group = context.parent.command if context.parent is not None else None
    found: dict[str, Any] = getattr(group, "commands", None) or {
        str(context.info_name): context.command
    }
    return found


def _key(option: Any) -> str:
    longest: str = max(option.opts, key=len) if option.opts else option.name
    return longest.lstrip("-").replace("-", "_").lower()


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, bool | int | float) else str(value)
