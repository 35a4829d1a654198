"""The blocks of code of a page in docs/, and what running them prints.

A page is run from top to bottom in one working directory, which begins empty:

- ``console``: a line ``$ ...`` is run by bash and has to end with exit code 0, or with the code
  that ``# exit 1`` at its end names. The lines after it are its output.
- ``python``: executed in the one namespace of the page. A ``text`` block right after is its output.
- any block with ``title="name"``: written to the file of that name.
- any other block is only parsed. ``<!-- not run: REASON -->`` above a block spares it.

Outputs are compared as doctest does it, with ``...`` for what a page leaves out. Spaces, rulers and
measured figures (3.1 s, 28 MB, 1.8 x) are not compared; the working directory is /home/you.
"""

import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
HOME = "/home/you"

_FENCE = re.compile(
    r"(?:^ *<!-- not run: (?P<reason>.+?) -->\n)?"
    r"^(?P<indent> *)```(?P<language>[^\s`]*)(?P<options>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.M | re.S,
)
_MEASURED = re.compile(r"\d[\d.,]*(?= (?:s|ms|min|CPU s|kB|MB|GB|x|requests)\b)")
_COMPARED = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file it is for, why it is not run, its text, its line."""

    language: str
    title: str
    reason: str
    text: str
    line: int


@dataclass(frozen=True)
class Command:
    """A command of a console block, its expected exit code, and the output that the page shows."""

    words: str
    code: int
    output: str


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    return [_block(match, text) for match in _FENCE.finditer(text)]


def _block(match: re.Match, text: str) -> Block:
    title = re.search(r'title="([^"]+)"', match["options"])
    lines = [line.removeprefix(match["indent"]) for line in match["text"].splitlines(keepends=True)]
    return Block(
        match["language"],
        title[1] if title else "",
        match["reason"] or "",
        "".join(lines),
        text.count("\n", 0, match.start("language")) + 1,
    )


def commands(block: Block) -> list[Command]:
    """Return the commands of a console block; a line that begins with ``> `` continues one."""
    found = []
    for entry in re.split(r"^\$ ", block.text.replace("\\\n> ", ""), flags=re.M)[1:]:
        line, _, output = entry.partition("\n")
        words, _, code = line.partition("# exit ")
        found.append(Command(words.strip(), int(code or 0), output))
    return found


def arguments(program: str, block: Block) -> list[list[str]]:
    """Return the arguments of each call of a program in a console block."""
    words = [shlex.split(command.words, comments=True) for command in commands(block)]
    return [line[1:] for line in words if line and line[0] == program]


def agrees(shown: str, printed: str, folder: Path) -> bool:
    """Return whether a page shows what was printed in a folder."""
    printed = printed.replace(str(folder), HOME)
    plain = [re.sub(r"[─━]+", "─", _MEASURED.sub("#", text)).strip() for text in (shown, printed)]
    return doctest.OutputChecker().check_output(*(f"{text}\n" for text in plain), _COMPARED)


@dataclass
class Reader:
    """Runs the blocks of one page as a reader would, in a folder."""

    folder: Path
    names: dict = field(default_factory=lambda: {"__name__": "__main__"})

    def run(self, page: str) -> None:
        """Run a page; fail at the first block that does not do what the page says."""
        found = blocks(page)
        for block, following in zip(found, [*found[1:], None], strict=True):
            if block.title:
                path = self.folder / block.title
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, encoding="utf-8")
            elif block.reason:
                continue
            elif block.language == "console":
                for command in commands(block):
                    self._type(command, block.line)
            elif block.language == "python":
                is_output = following and following.language == "text" and not following.title
                self._execute(block, following.text if is_output else "")

    def _type(self, command: Command, line: int) -> None:
        ended = subprocess.run(
            ["bash", "-c", command.words],
            cwd=self.folder,
            env=_environment(self.folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        assert ended.returncode == command.code, f"line {line}: {command.words}\n{ended.stdout}"
        self._compare(command.output, ended.stdout, f"line {line}: {command.words}")

    def _execute(self, block: Block, shown: str) -> None:
        printed = io.StringIO()
        code = compile("\n" * block.line + block.text, "page", "exec")
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(printed):
            exec(code, self.names)
        self._compare(shown, printed.getvalue(), f"line {block.line}")

    def _compare(self, shown: str, printed: str, place: str) -> None:
        if shown.strip():
            assert agrees(shown, printed, self.folder), (
                f"{place}\nthe page shows\n{shown}\nprinted was\n{printed}"
            )


def _environment(folder: Path) -> dict[str, str]:
    """Return the environment of a reader's terminal, with this interpreter's commands."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    place = {"PATH": path, "PYTHONPATH": os.environ.get("PYTHONPATH", ""), "PWD": str(folder)}
    return {**os.environ, **place, "COLUMNS": "80", "NO_COLOR": "1", "BROWSER": "true"}
