"""The package is written in the field's words: no invented term of the first edition is left."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import pulse_assets

PACKAGE: Final = Path(pulse_assets.__file__).parent
DOCUMENTS: Final = [
    *(PACKAGE.parent / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((PACKAGE.parent / "docs").rglob("*.md")),
    PACKAGE / "report" / "page.html",
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Names that say nothing of what they hold: no variable, argument, function or class has one.
VAGUE: Final = _words(
    """asked begins said told made found one seen kept known ready learnt waited task judge learn
    choose divide remake audit verdict stored mend mended awake asleep taming tame fold unfold
    reach begin closeness storm wild restlessness partners lanes face_outcome strongest_link
    beside_usual usual_change beside_drift finish_lanes regret_lane"""
)
#: Words that mean something else elsewhere, and were used for the engine's own things.
VAGUE_IN_THE_ENGINE: Final = VAGUE | _words("rows records state lane slot guard bound limits panel")
#: Parts of a longer name that are invented, wherever they stand.
INVENTED: Final = _words(
    """asked begins said told learnt waited remake audit verdict mend mended awake asleep taming
    tame closeness storm wild restlessness partners partner lane lanes unfold"""
)
#: Names that users write in files and command lines, which stay.
PUBLIC: Final = _words("max_partners")
#: Words of docstrings, comments and messages that the glossary replaces.
PROSE: Final = re.compile(
    r"\b(lanes?|tam(?:e|ed|es|ing)|restless(?:ness)?|storms?|wild(?:ly)?|closeness|awake|asleep|"
    r"learnt|mend(?:s|ed|ing)?|hence|remak(?:e|es|ing)|remade|audit(?:s|ed|ing)?|verdicts?|"
    r"are told|is told|was told|so many|in place of|the same of)\b",
    re.IGNORECASE,
)


def _modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name


def _is_left_over(name: str, vague: frozenset[str]) -> bool:
    if name in PUBLIC:
        return False
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).strip("_").lower()
    return spaced in vague or not INVENTED.isdisjoint(spaced.split("_"))


def _prose(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING):
            for offset, line in enumerate(token.string.splitlines()):
                yield from ((token.start[0] + offset, word) for word in PROSE.findall(line))


def left_over(path: Path) -> list[str]:
    """Return `file:line: word` of each name and word of a module that the glossary replaces."""
    text, place = path.read_text("utf-8"), path.relative_to(PACKAGE)
    vague = VAGUE_IN_THE_ENGINE if "retrodiction" in place.parts else VAGUE
    names = ((n, name) for n, name in _names(ast.parse(text)) if _is_left_over(name, vague))
    return [f"{place}:{line}: {word}" for line, word in sorted([*names, *_prose(text)])]


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_holds_no_word_that_the_glossary_replaces(path: Path) -> None:
    assert left_over(path) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_holds_no_word_that_the_glossary_replaces(path: Path) -> None:
    lines = enumerate(path.read_text("utf-8").splitlines(), 1)
    assert [f"{number}: {word}" for number, line in lines for word in PROSE.findall(line)] == []


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_says_in_its_first_line_what_is_in_it(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    assert docstring and docstring.splitlines()[0].endswith((".", ":"))


@pytest.mark.parametrize("name", ["asked", "AskedRows", "_lanes", "found", "_said_of", "Verdict"])
def test_an_invented_name_is_recognised(name: str) -> None:
    assert _is_left_over(name, VAGUE)


@pytest.mark.parametrize("name", ["forecast", "found_file", "one_series", "flame", "planes"])
def test_a_plain_name_is_not(name: str) -> None:
    assert not _is_left_over(name, VAGUE)
