"""Writes docs/command-line.md from the commands themselves and the examples. Run it after changing a command."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from command_examples import EXAMPLES, INTRODUCTION, LOADER
from modelwheel.cli.app import COMMANDS, application

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The whole page."""
    context = click.Context(application, info_name="modelwheel", help_option_names=["-h", "--help"])
    commands = [command for name in COMMANDS if (command := application.get_command(context, name)) is not None]
    lines = [INTRODUCTION, *overview(commands)]
    for command in commands:
        lines += ["", f"## {command.name}", "", *described(command, context)]
        for inner in command.commands.values() if isinstance(command, click.Group) else ():
            within = click.Context(command, info_name=command.name, parent=context)
            lines += ["", f"### {command.name} {inner.name}", "", *described(inner, within)]
        lines += ["", EXAMPLES[command.name or ""]]
    return "\n".join(line.rstrip("\n") for line in [*lines, "", LOADER]) + "\n"


def overview(commands: list[click.Command]) -> Iterator[str]:
    """A table of all commands."""
    yield "\n| command | |\n| --- | --- |"
    for command in commands:
        yield f"| [`{command.name}`](#{command.name}) | {command.get_short_help_str(200).removesuffix('.')} |"


def described(command: click.Command, parent: click.Context) -> Iterator[str]:
    """What the command's own help says."""
    context = click.Context(command, info_name=command.name, parent=parent)
    usage = " ".join(command.collect_usage_pieces(context))
    yield inspect.cleandoc(command.help or "")
    yield f"\n```\n{context.command_path} {usage}\n```"
    options = [option for option in command.params if isinstance(option, click.Option)]
    if options:
        yield "\n| option | |\n| --- | --- |"
    for option in options:
        yield f"| {spelled(option)} | {explained(option)} |".replace("\\", "\\\\")


def spelled(option: click.Option) -> str:
    """How the option is written."""
    names = ", ".join(f"`{name}`" for name in sorted(option.opts, key=len, reverse=True))
    if option.is_flag:
        return names
    if isinstance(option.type, click.Choice):
        return f"{names} {' '.join(f'`{choice}`' for choice in option.type.choices)}"
    return f"{names} {option.metavar or option.type.name.upper().partition(' ')[0]}"


def explained(option: click.Option) -> str:
    """The help of the option, its default, and whether it must be given."""
    text = (option.help or "").strip().removesuffix(".")
    if option.required:
        text += "; required"
    if option.show_default and option.default is not None:
        default = ", ".join(map(str, option.default)) if isinstance(option.default, list | tuple) else option.default
        text += f" (default: {default})"
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main()
