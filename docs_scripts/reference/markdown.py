"""Markdown of texts in the code: paragraphs, tables, anchors and docstrings."""

import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Final

#: What Markdown, or an extension of it, would take for markup outside of code.
_MARKUP: Final = re.compile(r"([\\*_\[\]{}])")
#: The same of HTML and of extensions: what has no escape, by its code.
_ENTITIES: Final = {ord(mark): f"&#{ord(mark)};" for mark in "<>|^~"}
#: Sections of docstrings that describe a call, not what is computed.
_OF_CALLS: Final = frozenset({"Args", "Returns", "Raises", "Attributes", "Yields"})
#: The title of a section of a docstring.
_TITLE: Final = re.compile(r"[A-Z][a-z]+:$")
#: What is code although the text has no backticks: options, addresses of S3, identifiers.
_CODE: Final = re.compile(
    r"((?<![\w-])--[a-z][a-z0-9-]+|s3://[\w/<>-]+|(?<![\w./])[A-Za-z]+[a-z0-9]*(?:_[\w<>]{2,})+)"
)
#: The address of a source.
_DOI: Final = re.compile(r"doi:(10\.[^\s,;]+[^\s,;.()])")


def escape(text: str) -> str:
    r"""Return a text in which Markdown finds no markup but code in backticks.

    Example:
        >>> print(escape("a_b of `a_b`"))
        a\_b of `a_b`
    """
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if part.startswith("`") else _MARKUP.sub(r"\\\1", part).translate(_ENTITIES)
        for part in parts
    )


def prose(text: str) -> str:
    """Return a text of the code as Markdown on one line, with links to sources.

    Example:
        >>> prose("Young (2011), doi:10.1007/978.")
        'Young (2011), [doi:10.1007/978](https://doi.org/10.1007/978).'
    """
    parts = _DOI.split(_with_code(" ".join(text.split())))
    linked = [
        f"[doi:{escape(part)}](https://doi.org/{part})" if place % 2 else escape(part)
        for place, part in enumerate(parts)
    ]
    return "".join(linked)


def _with_code(text: str) -> str:
    """Return a text with options, addresses and identifiers as code.

    Example:
        >>> _with_code("give start_date or --resume, not `x`")
        'give `start_date` or `--resume`, not `x`'
    """
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else _CODE.sub(r"`\1`", p) for p in parts)


def sentence(text: str) -> str:
    """Return a description with a capital letter first and a full stop last.

    Example:
        >>> sentence("days in the window"), sentence("`mase` of all pairs.")
        ('Days in the window.', '`mase` of all pairs.')
    """
    text = " ".join(text.split())
    if re.match(r"[a-z]+[\s,;.]", text):  # a word, and no identifier or value
        text = text[0].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else f"{text}."


def code(text: object) -> str:
    """Return a text as code."""
    return f"`{text}`"


def codes(names: Iterable[object]) -> str:
    """Return names as code, with commas between."""
    return ", ".join(map(code, names))


def heading(level: int, text: str, anchor: str = "") -> str:
    """Return a heading, with an anchor that links can name."""
    mark = f" {{ #{anchor} }}" if anchor else ""
    return f"{'#' * level} {text}{mark}"


def link(text: str, target: str) -> str:
    """Return a link."""
    return f"[{text}]({target})"


def bullets(lines: Iterable[str]) -> str:
    """Return a list."""
    return "\n".join(f"- {line}" for line in lines)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; its cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def block(language: str, text: str) -> str:
    """Return a block of code."""
    return f"```{language}\n{text.rstrip()}\n```"


def joined(*parts: str) -> str:
    """Return the parts of a page with empty lines between, without those that are empty."""
    return "\n\n".join(part for part in parts if part) + "\n"


def page_of(title: str, first: str, *parts: str) -> str:
    """Return a page: its title, what the reader finds there, and its parts."""
    return joined(f"# {title}", first, *parts)


def first_sentence(documented: object) -> str:
    """Return the first paragraph of a docstring, as one line."""
    return " ".join((inspect.getdoc(documented) or "").partition("\n\n")[0].split())


def docstring(text: str) -> str:
    r"""Return a docstring as Markdown.

    A line with indented lines directly below it is the title of a section; sections about arguments
    and errors are left out. Other indented lines are a block, such as a formula.

    Args:
        text: dedented, as by `inspect.getdoc`.

    Example:
        >>> docstring("Return it.\n\nSource:\n    Young (2011).")
        'Return it.\n\n**Source**\n\nYoung (2011).'
    """
    return "\n\n".join(_parts(text.splitlines()))


def _parts(lines: list[str]) -> Iterator[str]:
    """Yield the paragraphs, blocks and sections of dedented lines."""
    while lines:
        size = 1 + sum(1 for _ in takewhile(_is_inner, lines[1:]))
        if not lines[0].strip():
            lines = lines[1:]
        elif _is_inner(lines[0]):
            yield block("text", textwrap.dedent("\n".join(lines[:size])))
            lines = lines[size:]
        elif size > 1 and lines[1].startswith("    "):
            yield from _section(lines[0].removesuffix(":"), lines[1:size])
            lines = lines[size:]
        else:
            size = 1 + sum(1 for _ in takewhile(_continues, lines[1:]))
            mark, text = ("- ", lines[0][2:]) if lines[0].startswith("- ") else ("", lines[0])
            yield mark + prose(" ".join([text, *lines[1:size]]))
            lines = lines[size:]


def _is_inner(line: str) -> bool:
    """Tell whether a line belongs to what is indented: it is indented or empty."""
    return line.startswith("    ") or not line.strip()


def _continues(line: str) -> bool:
    """Tell whether a line goes on with a paragraph or with an entry of a list."""
    return bool(line.strip()) and not line.startswith(("- ", "    ")) and not _TITLE.match(line)


def _section(title: str, lines: list[str]) -> Iterator[str]:
    if title in _OF_CALLS:
        return
    body = textwrap.dedent("\n".join(lines)).strip("\n")
    yield f"**{escape(title)}**"
    if ">>>" in body:
        yield block("pycon", body)
    else:
        yield from _parts(body.splitlines())
