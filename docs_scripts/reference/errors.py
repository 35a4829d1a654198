"""The page on errors: examples that the program makes, and every message by kind of error."""

import inspect
import re
import textwrap
from collections.abc import Iterator

from docs_scripts.reference.error_examples import EXAMPLES, ErrorExample
from docs_scripts.reference.error_messages import HOLE, KINDS, Message, messages
from docs_scripts.reference.markdown import (
    block,
    code,
    first_sentence,
    heading,
    joined,
    link,
    page_of,
    prose,
    table,
)

#: Characters of an example's message that are shown.
_LONGEST = 320
#: A part of a message that says what to do: words of its own after the last colon.
_ADVICE = re.compile(r"^(?P<what>.*[a-z].*?): (?P<fix>[a-z](?!.*: ).*[a-z].*)$", re.DOTALL)


def page() -> str:
    """Return the page."""
    kinds = (
        (link(code(name), f"#{name}"), prose(first_sentence(kind))) for name, kind in KINDS.items()
    )
    return page_of(
        "Errors",
        "Look up what an error means and what to do. The page is made at each build: the examples "
        "are what the program prints, the messages are read from its source.",
        "The command line prints an error on one line that begins with `error:` and ends with "
        "[exit code 1](exit_codes.md). Python raises it: each kind is a `PulseError`. A traceback "
        "on the command line is a defect of this package: please report it.",
        heading(2, "Kinds", "kinds"),
        table(("kind", "what it means"), kinds),
        heading(2, "Examples", "examples"),
        *_examples(),
        heading(2, "All messages", "messages"),
        f"`{HOLE}` stands for names and values. A message ends with what to do, after a colon.",
        *(_kind(name) for name in KINDS),
    )


def _examples() -> Iterator[str]:
    for title, examples in EXAMPLES.items():
        yield heading(3, title)
        yield from map(_example, examples)


def _example(example: ErrorExample) -> str:
    variables = "".join(f"{name}={value} " for name, value in example.environment.items())
    message = textwrap.shorten(example.message(), _LONGEST, placeholder=" ...")
    return joined(
        f"**{example.cause}**",
        block("console", f"$ {variables}pulse-train {example.words}"),
        f"> error: {prose(message)}",
        example.fix,
    ).strip()


def _kind(name: str) -> str:
    described = (inspect.getdoc(KINDS[name]) or "").split("\n\n")
    rows = map(_row, (message for message in messages() if message.kind == name))
    return joined(
        heading(3, code(name), name),
        *map(prose, described),
        table(("message", "what to do"), rows),
    ).strip()


def _row(message: Message) -> tuple[str, str]:
    what, fix = parts_of(message.text)
    return prose(what), prose(fix)


def parts_of(text: str) -> tuple[str, str]:
    """Return what a message says is wrong, and what it says to do, if it says that apart.

    Example:
        >>> parts_of("...: line ... is empty: remove it"), parts_of("it has no rows")
        (('...: line ... is empty', 'remove it'), ('it has no rows', 'see the message'))
    """
    if text.endswith(f": {HOLE}") and re.search(r"[a-z]{3}", text):
        return text.removesuffix(f": {HOLE}"), "what the message ends with"
    match = _ADVICE.match(text)
    return (match["what"], match["fix"]) if match else (text, "see the message")
