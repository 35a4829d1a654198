"""The messages of errors, as templates that are read from the source of the package."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import pulse_assets
from pulse_assets import errors
from pulse_assets.errors import PulseError
from pulse_assets.settings.checked import ADVICE as _ADVICE
from pulse_assets.storage.store import MissingObjectError

PACKAGE: Final = Path(pulse_assets.__file__).parent
#: The kinds of errors, by name.
KINDS: Final[Mapping[str, type[PulseError]]] = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, PulseError) and value is not PulseError
} | {"MissingObjectError": MissingObjectError}
#: Internal errors whose text becomes the end of a message, by folder and name.
_BECOME: Final = {
    ("history", "DefectError"): "HistoricalDataError",
    ("history", "SameDayError"): "HistoricalDataError",
    ("history", "NotPlainError"): "HistoricalDataError",
    ("settings", "ValueError"): "ConfigurationError",
}
#: How an error of a setting goes on after the name of the setting and its value.
_OF_VALUES: Final = re.compile(r"(has|holds|is|must|names|of|cannot) ")
#: Words enough to find a message by; fewer only say where another one comes from.
_OWN_WORDS: Final = re.compile(r"damaged|\w{2,}\W+\w+\W+\w{2,}")
#: What stands for a name or a value.
HOLE: Final = "..."


class Message(NamedTuple):
    """A message.

    Attributes:
        kind: name of the class of the error.
        text: the message; `...` stands for names and values.
        place: file and line that raise it.
    """

    kind: str
    text: str
    place: str


@cache
def messages() -> tuple[Message, ...]:
    """Return all messages of errors that are raised in the package, each once."""
    found = {}
    for name, tree in sources().items():
        for message in _in_file(name, tree):
            found.setdefault((message.kind, message.text), message)
    for text in _ADVICE.values():  # of pydantic, about the type or the size of a value
        shown = f"... = ... {re.sub('{.*?}', HOLE, text)}"
        if text == "{error}":  # of a validator, whose messages are read above
            continue
        found.setdefault(("ConfigurationError", shown), _of_settings(shown))
    return tuple(found.values())


def _of_settings(text: str) -> Message:
    return Message("ConfigurationError", text, "settings/checked.py")


@cache
def sources() -> Mapping[str, ast.Module]:
    """Return the parsed modules of the package, by file."""
    return {
        path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def _in_file(name: str, tree: ast.Module) -> Iterator[Message]:
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        kind, raised = raised_by(node, name)
        for text in texts_of(raised, functions) if raised else ():
            if _OWN_WORDS.search(text.replace(HOLE, "")):
                start = _start(node, name, text)
                yield Message(kind, start + text, f"{name}:{getattr(node, 'lineno', 0)}")


def _start(node: ast.AST, name: str, text: str) -> str:
    """Return what stands before a text that becomes the end of a message."""
    raised = ast.unparse(node).partition("(")[0].removeprefix("raise ")
    if (name.partition("/")[0], raised) not in _BECOME:
        return ""
    if name.startswith("settings/"):
        return "... = ... " if _OF_VALUES.match(text) else ""
    return "" if text.startswith(HOLE) else "...: "


def raised_by(node: ast.AST, name: str) -> tuple[str, ast.expr | None]:
    """Return the kind of error that a statement raises, and its message; none for others."""
    call = node.exc if isinstance(node, ast.Raise) else node
    if not isinstance(call, ast.Call) or not call.args:
        return "", None
    if isinstance(node, ast.Raise) and isinstance(call.func, ast.Name):
        kind = _BECOME.get((name.partition("/")[0], call.func.id), call.func.id)
        return kind, call.args[0] if kind in KINDS else None
    is_parser = name == "cli/parser.py" and isinstance(call.func, ast.Attribute)
    if is_parser and call.func.attr == "error":  # type: ignore[union-attr]
        return "ConfigurationError", call.args[0]
    return "", None


def texts_of(node: ast.expr | None, functions: Mapping[str, ast.FunctionDef]) -> Iterator[str]:
    """Yield the texts that an expression can have: its own, or those that functions return."""
    if isinstance(node, ast.Constant | ast.JoinedStr):
        yield template(node)
    elif isinstance(node, ast.IfExp):
        yield from texts_of(node.body, functions)
        yield from texts_of(node.orelse, functions)
    elif isinstance(node, ast.Call):
        called = node.func
        name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
        for statement in ast.walk(functions[name]) if name in functions else ():
            if isinstance(statement, ast.Return):
                yield from texts_of(statement.value, {})


def template(node: ast.expr) -> str:
    """Return a text with `...` for each part that is a value.

    Example:
        >>> template(ast.parse("f'{name}: is {what}, not 1'", mode="eval").body)
        '...: is ..., not 1'
    """
    if isinstance(node, ast.JoinedStr):
        return "".join(map(template, node.values)).replace(HOLE * 2, HOLE)
    if isinstance(node, ast.Constant):
        return " ".join(str(node.value).split(" "))
    return HOLE
