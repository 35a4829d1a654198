"""The page on the command line, from the parser of `pulse-train`."""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from docs_scripts.reference.markdown import (
    block,
    bullets,
    code,
    codes,
    heading,
    joined,
    link,
    page_of,
    prose,
    sentence,
    table,
)
from docs_scripts.reference.settings import with_rules
from pulse_assets.cli.command_table import COMMANDS
from pulse_assets.cli.parser import build_parser

#: The command that has all shared options.
_WITH_ALL: Final = "train"


@dataclass(frozen=True)
class Option:
    """An option as the help of a command shows it.

    Attributes:
        name: with its dashes; of an argument without, its metavariable.
        usage: name and metavariables.
        text: its help.
        group: title of its group.
        required: whether the command needs it.
    """

    name: str
    usage: str
    text: str
    group: str
    required: bool


def options_of(parser: argparse.ArgumentParser) -> Iterator[Option]:
    """Yield the options and arguments that the help of a parser shows, but for `--help`."""
    formatter = argparse.HelpFormatter(parser.prog)
    for group in parser._action_groups:
        for action in group._group_actions:
            hidden = action.help == argparse.SUPPRESS or isinstance(action, argparse._HelpAction)
            if hidden or isinstance(action, argparse._SubParsersAction):
                continue
            name = action.option_strings[0] if action.option_strings else str(action.metavar)
            shown = "" if action.nargs == 0 else formatter._format_args(action, str(action.metavar))
            if action.choices:
                shown = "|".join(map(str, action.choices))
            yield Option(
                name,
                f"{name} {shown}".strip() if action.option_strings else shown,
                str(action.help).replace("%%", "%"),
                str(group.title),
                action.required and bool(action.option_strings),
            )


def parsers() -> Mapping[str, argparse.ArgumentParser]:
    """Return the parser of each command."""
    (commands,) = (
        action
        for action in build_parser({})._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return commands.choices


def page() -> str:
    """Return the page."""
    by_command = {name: list(options_of(parser)) for name, parser in parsers().items()}
    shared = {option.name: option for option in by_command[_WITH_ALL]}
    users = {
        name: [c for c, options in by_command.items() if name in {o.name for o in options}]
        for name in shared
    }
    return page_of(
        "Command line",
        "Look up what each command and option of `pulse-train` does. "
        "The program's own parser writes this page at each build.",
        _commands(),
        *(_command(name, options, shared) for name, options in by_command.items()),
        heading(2, "Options of several commands", "shared"),
        "An option that a command does not use is accepted and ignored, so that one line of "
        "options serves several commands. Lists take spaces or commas between their values. "
        "Options may stand before or after the command. Most are [settings](settings.md), which a "
        "file of `--config` or a variable of the environment can give, too.",
        *(
            _group(title, shared, users)
            for title in dict.fromkeys(o.group for o in shared.values())
        ),
        heading(2, "Options without a command"),
        "`pulse-train --version` prints the version, `pulse-train --help` the help, and "
        "`pulse-train COMMAND --help` that of a command.",
    )


def _commands() -> str:
    rows = (
        (link(code(name), f"#{name}"), prose(sentence(command.help)), prose(command.succeeds))
        for name, command in COMMANDS.items()
    )
    return joined(
        heading(2, "Commands"),
        "`pulse-train` alone is `pulse-train train`.",
        table(("command", "what it does", "exit code 0 if"), rows),
    ).strip()


def _command(name: str, options: list[Option], shared: Mapping[str, Option]) -> str:
    command = COMMANDS[name]
    own = [option for option in options if option.name not in shared]
    taken = [option.name for option in options if option.name in shared]
    examples = "\n".join(f"$ pulse-train {words}" for words in command.examples)
    return joined(
        heading(3, code(name), name),
        prose(command.description),
        block("console", examples),
        *(_option(option, f"{name}-{option.name.strip('-').lower()}") for option in own),
        f"**Options of several commands:** {_taken(taken, shared)}",
    ).strip()


def _taken(names: list[str], shared: Mapping[str, Option]) -> str:
    """Say which shared options a command has, group by group."""
    if len(names) == len(shared):
        return f"all of {link('those below', '#shared')}."
    by_group: dict[str, list[str]] = {}
    for option in shared.values():
        by_group.setdefault(option.group, []).append(option.name)
    lines = []
    for group, members in by_group.items():
        used = [name for name in members if name in names]
        absent = [name for name in members if name not in names]
        if used:
            few = f"all but {_links(absent)}" if len(absent) < len(used) else _links(used)
            lines.append(f"{_title(group)}: {few if absent else 'all'}")
    return f"\n\n{bullets(lines)}"


def _links(names: Iterable[str]) -> str:
    return ", ".join(link(code(name), f"#{name.strip('-')}") for name in names)


def _title(group: str) -> str:
    text = "input and output" if group.startswith("input") else group
    return f"{text[0].upper()}{text[1:]}"


def _group(title: str, shared: Mapping[str, Option], users: Mapping[str, list[str]]) -> str:
    options = [option for option in shared.values() if option.group == title]
    shown = (
        joined(_option(option, option.name.strip("-")), _used_by(users[option.name])).strip()
        for option in options
    )
    return joined(heading(3, _title(title)), *shown).strip()


def _used_by(commands: list[str]) -> str:
    everywhere = len(commands) == len(COMMANDS)
    return f"Commands: {'all' if everywhere else codes(commands)}."


def _option(option: Option, anchor: str) -> str:
    needed = " It is required." if option.required else ""
    text = with_rules(option.text) if option.name == "--models" else option.text
    usage = "" if option.usage == option.name else code(option.usage)
    title = heading(4, code(option.name), anchor)
    return joined(title, usage, prose(sentence(text)) + needed).strip()
