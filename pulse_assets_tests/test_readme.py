"""What the README shows is what the program does."""

import re
import shlex

import pytest

from pulse_assets.run_training import create_config_from_args, parse_args
from pulse_assets_tests.docs.pages import DOCS, Reader, blocks, commands

ROOT = DOCS.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
#: Commands in tables.
NAMED = re.findall(r"`(pulse-train(?! --help)[^`]*)`", README)
#: Commands in blocks; of `make` those need an installation.
TYPED = [
    command.words
    for block in blocks(README)
    if block.language == "console"
    for command in commands(block)
]


def test_it_is_short():
    assert len(README.split()) < 1_200


@pytest.mark.parametrize("line", NAMED)
def test_command_lines_are_understood(line):
    assert create_config_from_args(parse_args(shlex.split(line)[1:]))


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = re.findall(r"(?:`|^)make ([a-z-]+)", "\n".join([README, *TYPED]), re.M)
    assert {"train", "ui", "docs"} <= set(named)
    assert set(named) <= set(re.findall(r"^([a-z-]+):", makefile, re.M))


def test_links_lead_to_files():
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert len(links) > 20
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_it_shows_what_start_shows():
    """The blocks of docs/start.md are run, and compared with what they print."""
    start = {line.strip() for line in (DOCS / "start.md").read_text("utf-8").splitlines()}
    train, ui = [block.text for block in blocks(README) if block.language == "console"]
    shown = train.replace("$ make train", "$ pulse-train").splitlines()
    assert len(shown) > 15
    assert [line for line in shown if line.strip() not in start] == []
    address = ui.splitlines()[1].replace("3000", "$(PORT)")
    assert f'@echo "{address}"' in (ROOT / "Makefile").read_text("utf-8")


@pytest.mark.slow
def test_its_commands_do_what_it_says(tmp_path, monkeypatch):
    """The script and the commands of the table, in one place."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / ".pulse"))
    monkeypatch.chdir(tmp_path)
    reader = Reader(tmp_path)
    (tmp_path / "my_data").symlink_to(ROOT / "pulse_assets" / "sample_data")
    reader.run("\n".join(re.findall(r"^```python\n.*?^```$", README, re.M | re.S)))
    for line in NAMED:
        few = " --start-date 2020-01-01 --variables gdp_growth" if "--resume" in line else ""
        reader.run(f"```console\n$ {line}{few}\n```\n")
